"""The scores of a report, against cases worked out by hand."""

from dataclasses import replace

import pytest
from scored import CLASSES, times, windows

from wt_jax.evaluation.score_report import NO_SOURCE, score


def test_counts_by_hand(said):
    report = score(
        [
            said("squats/a", times(10), 10),  # exact
            said("squats/b", times(4), 5),  # one off: a quarter
            said("dips/c", times(8), 6),  # two off: a quarter
            said("dips/d", [], 1),  # one off; no share of nothing
            said("dips/e", None, 7),  # not known: nowhere
            said("no-exercise/f", [], 3),  # not an exercise: in no_exercise alone
        ],
        CLASSES,
    )
    assert report["count"] == {
        "mae": 4 / 4, "nmae": 0.5 / 3, "obo": 3 / 4, "exact": 1 / 4,
        "recordings": 4, "recordings_with_repetitions": 3, "groups": 4,
    }  # fmt: skip
    assert report["count_class_given"] == report["count"]
    assert report["by_exercise"]["dips"]["count"]["mae"] == 3 / 2
    assert report["by_exercise"]["dips"]["count"]["nmae"] == 2 / 8
    assert set(report["by_exercise"]["no-exercise"]) == {"exercise"}
    assert report["no_exercise"]["minutes"] == 0.5  # 900 frames
    assert report["no_exercise"]["false_reps_per_minute"] == 6


def test_end_to_end_is_not_class_given(said):
    squats = said("squats/a", times(4), 4, class_name="dips", repetitions=["dips"] * 3 + ["squats"])
    report = score([squats], CLASSES)
    assert (report["count"]["mae"], report["count_class_given"]["mae"]) == (3, 0)


def test_false_repetitions_are_those_of_valid_minutes_and_any_exercise(said):
    report = score(
        [
            said("no-exercise/a", [], starts=[50, 90, 99], heights=[0.5, 0.4, 0.9], repetitions=["dips"]),
            said("no-exercise/b", [], recording={"invalid": range(450)}, repetitions=["dips", "squats"]),
        ],
        CLASSES,
    )
    assert report["no_exercise"] == {
        "false_reps_per_minute": 3 / 0.75,
        "false_starts_per_minute": 2 / 0.75,
        "minutes": 0.75,
        "recordings": 2,
    }


def test_repetition_starts_by_hand(said):
    """By falling height: 0.9 hits from 3 on (a), 0.8 is false (b), 0.7 hits exactly (b), 0.4 hits from 8 on.

    3 true starts; at the working height of 0.5 three are said.
    """
    report = score(
        [
            said("squats/a", [100, 300], starts=[103, 307], heights=[0.9, 0.4]),
            said("dips/b", [200], starts=[50, 200], heights=[0.8, 0.7]),
        ],
        CLASSES,
    )
    starts = report["rep_start"]
    assert starts["ap_1"] == starts["ap_2"] == pytest.approx((1 / 3) / 3)
    assert starts["ap_4"] == pytest.approx((1 + 2 / 3) / 3)
    assert starts["ap_8"] == starts["ap_15"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    for frames in (4, 8, 15):
        assert starts[f"precision_{frames}"] == starts[f"recall_{frames}"] == pytest.approx(2 / 3)
        assert starts[f"f1_{frames}"] == pytest.approx(2 / 3)
    assert starts["mean_abs_error_ms"] == pytest.approx(1000 * (3 / 30) / 2)  # 3 frames and 0
    assert (starts["recordings"], starts["repetitions"]) == (2, 3)
    assert report["by_exercise"]["dips"]["rep_start"]["precision_15"] == 1 / 2
    assert report["by_exercise"]["dips"]["rep_start"]["recall_15"] == 1


def test_average_precision_takes_equal_heights_at_once(said):
    one = said("squats/a", [100, 300], starts=[100, 200, 300], heights=[0.9, 0.9, 0.9])
    assert score([one], CLASSES)["rep_start"]["ap_1"] == pytest.approx(2 / 3)


def test_average_precision_of_scikit_learn(said):
    """average_precision_score(hits, heights) = 0.7556 in scikit-learn 1.9.1, all true starts found; with a
    fourth that nothing reaches, 3 of 4 of it."""
    starts, heights = [40, 80, 120, 160, 200, 240], [0.9, 0.6, 0.8, 0.6, 0.3, 0.7]
    true = [40, 160, 240]  # hits at 0.9, 0.6 (beside a false one of that height), 0.7
    expected = 0.7555555555555555
    found = score([said("squats/a", true, starts=starts, heights=heights)], CLASSES)
    assert found["rep_start"]["ap_4"] == pytest.approx(expected, abs=1e-12)
    missed = score([said("squats/a", [*true, 600], starts=starts, heights=heights)], CLASSES)
    assert missed["rep_start"]["ap_4"] == pytest.approx(expected * 3 / 4, abs=1e-12)


def test_exercise_by_recording_by_hand(said):
    report = score(
        [
            said("squats/a", None),
            said("squats/b", None, class_name="dips"),
            said("squats/c", None, class_name=None),
            said("dips/d", None),
        ],
        CLASSES,
    )
    exercise = report["exercise"]
    assert exercise["confusion_recording"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert exercise["recordings_without_class"] == 1
    assert exercise["accuracy_recording"] == 2 / 4
    # squats: 1 right of 3, said once: 2/4; dips: 1 of 1, said twice: 2/3; no-exercise is not there
    assert exercise["macro_f1_recording"] == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert report["by_exercise"]["squats"]["exercise"] == {
        "precision": 1.0, "recall": 1 / 3, "f1": 2 / 4, "recordings": 3,
    }  # fmt: skip
    assert report["by_exercise"]["dips"]["exercise"]["precision"] == 1 / 2


def test_by_duration(said):
    report = score(
        [
            said("squats/fast", [30, 60, 90, 200], 4),  # 1, 1 and 3.7 s: 1 s
            said("squats/edge", [0, 45], 4),  # 1.5 s
            said("squats/slow", [100, 190], 0),  # 3 s
            said("squats/once", [10], 1),
            said("squats/none", [], 9),
            said("squats/unknown", None, 9),
        ],
        CLASSES,
    )
    durations = report["by_duration"]
    assert {name: part["count"]["recordings"] for name, part in durations.items()} == {
        "to_1500_ms": 1, "1500_to_3000_ms": 1, "from_3000_ms": 1, "one_repetition": 1,
    }  # fmt: skip
    maes = [durations[name]["count_class_given"]["mae"] for name in durations]
    assert maes == [0, 2, 2, 0]


def test_by_source(said):
    def of(source, result):
        return replace(result, recording=replace(result.recording, source=source))

    report = score(
        [
            of("web", said("squats/a", times(4), 4)),
            of("web", said("squats/b", times(4), 1, class_name="dips")),
            of("phone", said("no-exercise/c", [], 2)),
            said("dips/d", None),
        ],
        CLASSES,
    )
    by_source = report["by_source"]
    assert {name: part["recordings"] for name, part in by_source.items()} == {
        "web": 2, "phone": 1, NO_SOURCE: 1,
    }  # fmt: skip
    web, phone = by_source["web"], by_source["phone"]
    assert (web["count"]["obo"], web["count"]["nmae"], web["count_class_given"]["exact"]) == (
        1 / 2,
        3 / 8,
        1 / 2,
    )
    assert web["rep_start"]["recall_15"] == 5 / 8
    assert web["exercise"]["accuracy_recording"] == 1 / 2
    assert web["exercise"]["macro_f1_recording"] == pytest.approx(2 / 3)  # squats alone: dips are not there
    assert web["no_exercise"]["false_reps_per_minute"] is None
    assert phone["no_exercise"]["false_reps_per_minute"] == 2 / 0.5
    assert phone["count"]["obo"] is None
    assert "known repetitions" in report["reasons"]["by_source.phone.count.obo"]
    assert by_source[NO_SOURCE]["exercise"]["accuracy_recording"] == 1


def test_windows_by_hand(said):
    first = windows([[3, 1, 0], [0, 0, 0], [0, 0, 0]], quiet=(6, 2), starts=(1, 3))
    second = windows([[0, 0, 0], [0, 2, 2], [0, 0, 0]])
    report = score(
        [said("squats/a", [9], sums=first), said("dips/b", None, sums=second), said("dips/c", None)], CLASSES
    )
    exercise, segmentation = report["exercise"], report["segmentation"]
    assert exercise["confusion"] == [[3, 1, 0], [0, 2, 2], [0, 0, 0]]
    assert exercise["accuracy_window"] == 5 / 8
    assert exercise["macro_f1_window"] == pytest.approx((6 / 7 + 4 / 7) / 2)
    assert exercise["loss"] == 4 / 8
    assert segmentation["precision"] == 3 / 5
    assert segmentation["recall"] == 3 / 4
    assert segmentation["accuracy"] == 9 / 12
    assert segmentation["auc"] == pytest.approx((3 * 6 + (3 * 2 + 6) / 2) / 32)
    assert segmentation["loss"] == 6 / 12
