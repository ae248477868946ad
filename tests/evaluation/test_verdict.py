"""The sentence that a report opens with."""

import numpy as np
import pytest
from scored import CLASSES, times

from wt_jax.evaluation.score_report import paired, score
from wt_jax.evaluation.verdict import verdict

LABEL_MORE = "label recordings of more people with python -m wt_jax.label"


def report(obo=0.93, interval=(0.88, 0.97), counted=91, groups=40, split="test", data="/mine", named=0.94):
    """A report of 120 recordings, as far as its sentence is concerned."""
    return {
        "data": data, "split": split, "recordings": 120, "groups": 50, "recordings_trained_on": 80,
        "count": {"obo": obo, "recordings": counted, "groups": groups},
        "exercise": {"accuracy_recording": named},
        "intervals": {"count": {"obo": list(interval) if interval else None}},
    }  # fmt: skip


def beside(plain, difference, interval, **own):
    """The same beside the plain angle counter."""
    found = {"difference": difference, "interval": list(interval)}
    return report(**own) | {
        "baselines": {"majority": {"count": {"obo": 0.0}}, "key_angle": {"count": {"obo": plain}}},
        "paired": {"key_angle": {"count": {"obo": found}}},
    }


def counts(obo="0.93", recordings="91 recordings"):
    what = "with known repetitions to within one repetition without being told the exercise"
    return f"his model counts {obo} of {recordings} {what}"


NAMES = "it names the right exercise in 0.94 of 120 recordings"
ADD = "add --baselines to compare it with a plain angle counter"


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (
            beside(0.62, 0.31, (0.2, 0.42)),
            f"T{counts()}, the plain angle counter (key_angle) 0.62: "
            f"better by 0.31 (95 % interval 0.20 to 0.42); {NAMES}.",
        ),
        (
            beside(0.98, -0.05, (-0.09, -0.01)),
            f"T{counts()}, the plain angle counter (key_angle) 0.98: "
            f"worse by 0.05 (95 % interval 0.01 to 0.09); {NAMES}.",
        ),
        (
            beside(0.92, 0.01, (-0.04, 0.06)),
            f"T{counts()}, the plain angle counter (key_angle) 0.92: "
            f"not clearly different (the difference has a 95 % interval of -0.04 to 0.06); {NAMES}.",
        ),
        (
            beside(0.85, 0.08, (-0.001, 0.21)),
            f"T{counts()}, the plain angle counter (key_angle) 0.85: too few recordings to say which is "
            f"better (the difference has a 95 % interval of 0.00 to 0.21): {LABEL_MORE}; {NAMES}.",
        ),
        (
            beside(0.2, 0.8, (0.5, 1.0), obo=1.0, counted=5, groups=2),
            f"T{counts('1.00', '5 recordings')}, the plain angle counter (key_angle) 0.20: "
            f"2 people or sources are too few to say which is better: {LABEL_MORE}; {NAMES}.",
        ),
        (report(), f"T{counts()} (95 % interval 0.88 to 0.97); {NAMES}; {ADD}."),
        (
            report(interval=(0.7, 1.0), split="train"),
            "On recordings that it was trained on, which says nothing of new people, "
            f"t{counts()} (95 % interval 0.70 to 1.00, wide: {LABEL_MORE}); {NAMES}.",
        ),
        (
            report(interval=None, counted=1, groups=1, split="val", data="synthetic"),
            f"On validation, by which the checkpoint was chosen, t{counts(recordings='1 recording')} "
            "(1 person or source is too few to rely on: add recordings of your own, see data/README.md); "
            f"{NAMES}; {ADD}; synthetic people say little of real ones.",
        ),
        (
            report(obo=None, interval=None, counted=0, groups=0, split="all"),
            "On all recordings, those that it was trained on among them, this model cannot be judged by its "
            f"counts, as no exercise recording here has known repetitions: {LABEL_MORE}; {NAMES}.",
        ),
        (
            report(split="all", named=None),
            "On all recordings, those that it was trained on among them, "
            f"t{counts()} (95 % interval 0.88 to 0.97).",
        ),
        (
            report(split="all", named=None) | {"recordings_trained_on": 0},
            f"T{counts()} (95 % interval 0.88 to 0.97).",
        ),
    ],
)
def test_one_sentence(of, sentence):
    assert verdict(of) == sentence


def test_differences_are_paired(said):
    """One is right where the other is, and in two recordings of ten more: both are drawn together.

    Apart, the intervals of 0.7 and 0.5 would overlap; of the difference, each draw of ten recordings has as
    many as it has of the two, a binomial of 10 and 0.2, over 10.
    """
    ours = [said(f"squats/{i}", times(3), 3 if i < 7 else 0) for i in range(10)]
    theirs = [said(f"squats/{i}", times(3), 3 if i < 5 else 0, class_name=None) for i in range(10)]
    found = paired(ours, {"other": theirs}, CLASSES, draws=4000)["other"]
    assert found["count"]["obo"]["difference"] == pytest.approx(0.2)
    draws = np.random.default_rng(1).binomial(10, 0.2, 40_000) / 10
    assert found["count"]["obo"]["interval"] == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.11)
    assert found["count"]["obo"]["interval"][0] == 0
    assert found["exercise"] == {}  # the other names none
    one = paired(ours[:1], {"other": theirs[:1]}, CLASSES)["other"]
    assert one["count"]["obo"] == {"difference": 0.0, "interval": None}


def test_of_real_scores(said):
    """Twelve people, one counted wrong; the counter is right about none."""
    ours = [said(f"squats/{i:02}", times(3), 3 if i else 0) for i in range(12)]
    plain = [said(f"squats/{i:02}", times(3), 0) for i in range(12)]
    of = {"data": "/mine", "split": "test", **score(ours, CLASSES)}
    of["baselines"] = {"key_angle": score(plain, CLASSES)}
    of["paired"] = paired(ours, {"key_angle": plain}, CLASSES)
    said_of = verdict(of)
    assert said_of.startswith("This model counts 0.92 of 12 recordings with known repetitions to within one")
    assert "the plain angle counter (key_angle) 0.00: better by 0.92 (95 % interval 0.75 to 1.00)" in said_of
