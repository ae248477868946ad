"""Who learns from whom, and who is left out."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from wt_jax.adaptation import old_exercises
from wt_jax.adaptation.old_exercises import OldExercises, find_old
from wt_jax.adaptation.settings import adapted, adapted_counting, with_class
from wt_jax.adaptation.trial import _of_people_in, _without
from wt_jax.counting.settings import Counting
from wt_jax.data.loading import SYNTHETIC, Dataset
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.input_pipeline.window_runs import runs_of
from wt_jax.input_pipeline.windows import gap_frames, lay_out, spans_of
from wt_jax.skeleton import N_LANDMARKS, SHOULDERS


def test_no_window_shows_a_clip_that_is_left_out(tiny_config, make_recording):
    recordings = [make_recording(f"squats/{name}", 90, (20, 60)) for name in "abcd"]
    _, windows = lay_out(tiny_config, recordings, 1)
    kept = _without(runs_of(windows, 1), recordings[:3], [0, 2], gap_frames(tiny_config))
    firsts_N = kept.firsts(np.arange(len(kept)))
    spans = spans_of(recordings, gap_frames(tiny_config))
    shown = {
        i
        for i, span in enumerate(spans)
        for first in firsts_N
        if first < span.stop and first + tiny_config.data.span_frames > span.start
    }
    assert shown == {1, 3}
    assert len(kept) == (windows.recordings_N == 1).sum() + (windows.recordings_N == 3).sum()


def test_people_of_the_clips_are_neither_replayed_nor_judges(make_recording):
    clip = make_recording("lunges/anna")
    old = [
        dataclasses.replace(make_recording(f"squats/{name}", split=split), group=group)
        for name, group, split in [("a", clip.group, "test"), ("b", "bob", "test"), ("c", "cleo", "train")]
    ]
    taught = tuple(dataclasses.replace(one, split="train") for one in (clip, old[0]))
    rest = OldExercises("data", old, taught).without([clip])
    assert [one.name for one in rest.judged()] == ["squats/b"]
    assert [(one.name, one.is_made) for one in rest.replayed] == [("squats/a", True), ("squats/c", True)]


@pytest.fixture
def trained(tiny_config, make_recording):
    """A checkpoint that was trained on squats/known."""
    meta = {"root": "somewhere", "data": "somewhere", "recordings": ""}
    known = {make_recording("squats/known", 60, (9,)).content}
    return SimpleNamespace(options=tiny_config, meta=meta, trained_on=known)


def test_who_was_learned_from_is_no_judge(trained, make_recording, monkeypatch):
    """Be it by the checkpoint, or by what taught it before."""
    taught = [make_recording("hops/anna")]
    people = [("squats/known", "cleo"), ("squats/hopper", "hops/anna"), ("squats/new", "dora")]
    old = [
        dataclasses.replace(make_recording(name, 60, (9,), split), group=group)
        for split in ("val", "test")
        for name, group in people
    ]
    old.append(make_recording("squats/learner", split="train"))
    assert {one.content for one in old} > trained.trained_on
    monkeypatch.setattr(old_exercises, "load_dataset", lambda *_: Dataset("somewhere", old, ""))
    found = find_old(trained, "somewhere", [make_recording("lunges/bob")], taught)
    assert [one.name for one in found.judged()] == ["squats/new"]
    assert [one.name for one in found.replayed] == ["hops/anna", "squats/new", "squats/learner"]


def test_no_synthetic_judge_does_the_new_exercise_as_none(trained, make_recording, monkeypatch):
    asked = []

    def film(classes, people, among):
        asked.append(classes)
        starts = [() if name == "no-exercise" else (9,) for name in classes]
        made = zip(classes, starts, strict=True)
        return Dataset(SYNTHETIC, [make_recording(f"{name}/a", 60, of, "test") for name, of in made], "")

    monkeypatch.setattr(old_exercises, "synthetic_dataset", film)
    found = find_old(trained, SYNTHETIC, [make_recording("lunges/bob")])
    assert all("lunges" in classes for classes in asked)
    assert {one.class_name for one in found.judged()} == set(trained.options.data.classes)


def test_who_taught_two_exercises_is_left_out_of_both(make_recording):
    people = [("lunges/a", "anna"), ("lunges/b", "bob"), ("rows/a", "anna"), ("rows/c", "cleo")]
    shown = [dataclasses.replace(make_recording(name), group=group) for name, group in people]
    assert _of_people_in(shown, [0]) == [0, 2] and _of_people_in(shown, [1]) == [1]


def test_what_nobody_does_any_more_is_named(make_recording):
    old = OldExercises("synthetic", [make_recording("rows/a", split="test")], (make_recording("hops/a"),))
    classes = ("squats", "hops", "rolls", "no-exercise")
    assert old.kept(classes) == ["squats", "no-exercise"] and old.forgotten(classes) == ["rolls"]
    assert old.unjudged(("squats", "rows", "hops", "no-exercise")) == ["squats"]


def of(options, taught=()):
    """A checkpoint called base."""
    return RestoredModel("base", 7, options, {}, Counting(taught=taught), {}, "")


def test_the_settings_of_a_new_exercise_and_of_a_known_one(tiny_config, tmp_path):
    assert with_class(("squats", "no-exercise"), "lunges") == ("squats", "lunges", "no-exercise")
    assert with_class(("squats",), "lunges") == ("squats", "lunges")
    assert with_class(("squats", "lunges"), "lunges") == ("squats", "lunges")
    base = dataclasses.replace(tiny_config, data=dataclasses.replace(tiny_config.data, balance_power=0.7))
    options = adapted(of(base), "lunges", str(tmp_path), tmp_path / "new")
    assert options.train.init == "base" and options.model == tiny_config.model
    assert 0.4 < options.data.synthetic < 0.8  # of the windows: neither the old nor the new is drowned
    assert options.data.balance_power == 0.7  # each class is met as often as the base met it
    assert not options.labels.rest and options.optimizer.layer_decay < 1
    lower = ("projection", "block_0")  # of two blocks
    assert options.optimizer.freeze == (*lower, "segmentation")  # nothing is counted by its starts
    further = adapted(of(options), "lunges", str(tmp_path), tmp_path / "further")
    assert further.optimizer.freeze == lower and further.data.classes == options.data.classes
    again = adapted(of(options, taught=("lunges",)), "lunges", str(tmp_path), tmp_path / "again")
    assert again.optimizer.freeze == options.optimizer.freeze


def test_a_new_exercise_is_taught_and_every_clip_of_it_is_a_motion(tiny_config, make_recording, tmp_path):
    clips = [make_recording("lunges/a"), make_recording("lunges/b")]
    counting = adapted_counting(Counting(), tiny_config, clips[:1])
    assert counting.taught == ("lunges",)
    assert [one.class_name for one in counting.motions] == ["lunges"]
    options = adapted(of(tiny_config), "lunges", str(tmp_path), tmp_path / "new")
    further = adapted_counting(counting, options, clips[1:])
    assert further.taught == ("lunges",) and further.motions[:1] == counting.motions
    assert len(further.motions) == 2
    same = adapted_counting(further, options, clips)  # once more by the same clips, now with landmarks
    assert [one.is_of_the_clip_of(other) for one, other in zip(same.motions, further.motions, strict=True)]
    points_FxLx3 = np.zeros((60, N_LANDMARKS, 3), np.float16)
    points_FxLx3[:, SHOULDERS, 1] = -100
    standing = adapted_counting(further, options, [dataclasses.replace(clips[0], points_FxLx3=points_FxLx3)])
    assert sorted(one.upright is None for one in standing.motions) == [False, True]
    assert standing.motions[-1].upright == 1
    assert (counting.taught_threshold, further.taught_threshold) == (0.1, 0.125)
    many = [make_recording(f"lunges/{i}") for i in range(12)]
    assert adapted_counting(counting, options, many).taught_threshold == 0.4  # the network is less shy
    rows = dataclasses.replace(options, data=dataclasses.replace(options.data, classes=("lunges",)))
    second = adapted_counting(
        adapted_counting(Counting(), tiny_config, many), rows, [make_recording("rows/a")]
    )
    assert second.taught == ("lunges", "rows") and second.taught_threshold == 0.1  # of rows it is
    trained = adapted_counting(Counting(), options, clips)  # it was not clips that taught it first
    assert trained == Counting()
