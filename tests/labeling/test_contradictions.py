"""Labels beside what a model says: what is missing or too many, and which is looked at first."""

import numpy as np
import pytest

from wt_jax.counting.prediction import read_timeline
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.labeling.contradictions import find_contradiction, table

CLASSES = ("squats", "dips", "no-exercise")
COUNTING = Counting(smoothing_frames=0.0)


def timeline_of(starts, class_name="squats", n_frames=300, share=0.9):
    """A model that is quite sure of the class, and of these starts, each with its height."""
    probabilities_FxC = np.full((n_frames, 3), (1 - share) / 2, np.float32)
    probabilities_FxC[:, CLASSES.index(class_name)] = share
    signal_F = np.zeros(n_frames, np.float32)
    for frame, height in dict(starts).items():
        signal_F[frame] = height
    return Timeline(CLASSES, probabilities_FxC, signal_F, np.ones(n_frames, bool))


def compare(recording, found, class_name="squats", **other):
    timeline = timeline_of(
        dict.fromkeys(found, 0.8) if isinstance(found, list) else found, class_name, **other
    )
    return find_contradiction(recording, read_timeline(timeline, COUNTING, 0.0))


@pytest.mark.parametrize("found", [[30, 90, 150], [20, 105, 165]])
def test_a_recording_that_the_model_agrees_with(make_recording, found):
    """To 0.67 s."""
    assert compare(make_recording("squats/a", 300, (30, 90, 150)), found) is None


def test_what_is_missing_and_what_is_too_many(make_recording):
    one = compare(make_recording("squats/a", 300, (30, 90, 240)), [30, 60, 90, 180])
    assert (one.n_labelled, one.n_found, one.says) == (3, 4, "squats")
    assert one.missing_s == pytest.approx((2.0, 6.0))
    assert one.extra_s == pytest.approx((8.0,))
    assert one.is_of_starts


def test_each_start_has_one_partner(make_recording):
    one = compare(make_recording("squats/a", 300, (30, 36)), [33])
    assert (one.missing_s, one.extra_s) == ((), (pytest.approx(36 / 30),))


@pytest.mark.parametrize(("said", "weight"), [("squats", 0.0), ("dips", 0.85)])
def test_another_exercise(make_recording, said, weight):
    one = compare(make_recording("squats/a", 300, (30,)), [30], said)
    assert (one is None) == (said == "squats")
    assert one is None or (one.says, one.weight) == ("dips", pytest.approx(weight, abs=1e-4))


def test_of_unknown_repetitions_only_the_exercise_is_asked(make_recording):
    recording = make_recording("squats/a", 300, None)
    assert compare(recording, [30, 90]) is None
    one = compare(recording, [30, 90], "no-exercise")
    assert (one.n_labelled, one.n_found, one.missing_s, one.extra_s) == (None, 2, (), ())


def test_repetitions_in_no_exercise(make_recording):
    one = compare(make_recording("no-exercise/a", 300), [30, 90], "dips")
    assert (one.says, one.n_labelled, one.missing_s) == ("dips", 0, pytest.approx((1.0, 3.0)))
    assert not one.is_of_starts
    assert compare(make_recording("no-exercise/a", 300), [30, 90], "no-exercise") is None


def test_only_where_the_class_is_certain(make_recording):
    recording = make_recording("squats/a", 300, (30,), unknown=range(200, 300))
    assert compare(recording, [30, 240]) is None
    assert compare(make_recording("squats/a", 300, (), unknown=range(300)), [30], "dips") is None


def test_the_surest_contradiction_weighs_most(make_recording):
    recording = make_recording("squats/a", 300, (30, 90))
    found = [
        {30: 0.8},  # one label that nothing speaks for
        {30: 0.8, 90: 0.8, 150: 0.9},  # a start it is sure of
        {30: 0.8, 90: 0.8, 150: 0.6},
        {30: 0.8, 130: 0.9},  # a label that is elsewhere
    ]
    weights = [compare(recording, starts).weight for starts in found]
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) == 4


def test_the_table_has_a_line_each(make_recording):
    found = [
        compare(make_recording("squats/anna", 300, (30,)), [60, 90, 120, 150, 180, 210], "dips"),
        compare(make_recording("squats/bela", 300, None), [], "dips"),
    ]
    lines = table(found).splitlines()
    assert lines[1].split() == ["squats/anna", "1", "6", "2.0", "3.0", "4.0", "5.0", "..", "1.0", "dips"]
    assert lines[2].split() == ["squats/bela", "?", "0", "?", "?", "dips"]
