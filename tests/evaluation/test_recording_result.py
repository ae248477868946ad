"""What is said of a recording beside what is true: matching, curves, rows."""

import numpy as np
import pytest

from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.recording_result import is_right, make_result, match, precision_recall, result_rows


def ints(*values):
    return np.array(values, np.int32)


def floats(*values):
    return np.array(values, np.float32)


def test_the_tolerance_is_inclusive():
    assert match(ints(100), ints(104), floats(1), 4).tolist() == [0]
    assert match(ints(100), ints(105), floats(1), 4).tolist() == [-1]
    assert match(ints(100), ints(96), floats(1), 4).tolist() == [0]


def test_the_higher_start_chooses_first():
    # 108 is nearer to both, yet 112 is surer: it takes 110, and 108 is left with 100, 8 away.
    assert match(ints(100, 110), ints(108, 112), floats(0.5, 0.9), 8).tolist() == [0, 1]
    assert match(ints(100, 110), ints(108, 112), floats(0.9, 0.5), 8).tolist() == [1, -1]


def test_one_true_start_is_found_once():
    assert match(ints(50), ints(49, 50, 52), floats(0.6, 0.4, 0.9), 4).tolist() == [-1, -1, 0]


def test_ties_go_to_the_earlier_start_and_the_earlier_truth():
    assert match(ints(50), ints(48, 52), floats(1, 1), 4).tolist() == [0, -1]
    assert match(ints(46, 54), ints(50), floats(1), 4).tolist() == [0]


def test_starts_above_a_height_are_matched_as_if_there_were_no_others():
    rng = np.random.default_rng(0)
    true, starts = (np.sort(rng.choice(600, n, replace=False)) for n in (30, 60))
    heights = rng.random(60).astype(np.float32)
    whole = match(true, starts, heights, 8)
    high = heights >= 0.6
    np.testing.assert_array_equal(match(true, starts[high], heights[high], 8), whole[high])


def test_nothing_to_match():
    assert match(ints(), ints(3, 9), floats(1, 1), 15).tolist() == [-1, -1]
    assert match(ints(3, 9), ints(), floats(), 15).tolist() == []


def test_precision_recall_by_hand():
    """By falling height: right, wrong, then two of one height, one of them right. 4 true starts."""
    heights, precision, recall = precision_recall(
        floats(0.4, 0.9, 0.8, 0.4), np.array([True, True, False, False]), 4
    )
    assert heights.tolist() == floats(0.9, 0.8, 0.4).tolist()
    assert precision.tolist() == [1, 1 / 2, 2 / 4]
    assert recall.tolist() == [1 / 4, 1 / 4, 2 / 4]
    empty = precision_recall(floats(), np.zeros(0, bool), 4)
    assert [len(column) for column in empty] == [0, 0, 0]


def test_counts_of_one_recording(said):
    squats = said(
        "squats/a", [30, 90], starts=[30, 90, 200], heights=[0.9, 0.5, 0.4], repetitions=["squats", "dips"]
    )
    assert (squats.n_true, squats.n_class_given, squats.n_end_to_end) == (2, 2, 1)
    rest = said("no-exercise/b", [], starts=[5], repetitions=["squats", "dips"])
    assert (rest.n_true, rest.n_class_given, rest.n_end_to_end) == (0, 1, 2)
    assert said("squats/c", None).n_true is None


def test_the_worst_recordings_come_first(said):
    results = [
        said("squats/right", [30, 90], starts=[30, 90], repetitions=["squats"] * 2),
        said("squats/one-off", [30, 90], starts=[30], repetitions=["squats"]),
        said("squats/far", [30, 90], starts=[60, 120], repetitions=["squats"] * 2),
        said("squats/unknown", None, 1),
        said("squats/wrong-class", None, class_name="dips"),
        said("no-exercise/three", [], repetitions=["dips"] * 3),
    ]
    table = result_rows(results)
    assert [row["name"].split("/")[1] for row in table] == [
        "three", "one-off", "wrong-class", "far", "right", "unknown",
    ]  # fmt: skip
    assert [is_right(row) for row in table] == [False, False, False, True, True, True]
    far = table[3]
    assert (far["missed_15"], far["false_15"], far["counted_class_given"]) == (2, 2, 2)
    assert (table[0]["missed_15"], table[0]["counted_class_given"]) == (None, 0)


@pytest.mark.parametrize(
    ("starts", "heights", "problem"),
    [
        ([5, 9], [1.0], "a height for each start"),
        ([5], [np.nan], "finite heights"),
        ([9, 5], [1.0, 1.0], "sorted starts"),
        ([900], [1.0], "starts inside the recording"),
        ([-1], [1.0], "starts inside the recording"),
    ],
)
def test_what_does_not_fit_together(said, starts, heights, problem):
    with pytest.raises(ValueError, match=f"squats/a must have {problem}"):
        said("squats/a", [], starts=starts, heights=heights)


def timeline(n_frames, signal, classes=("squats", "dips", "no-exercise")):
    probabilities_FxC = np.zeros((n_frames, 3), np.float32)
    probabilities_FxC[: n_frames * 2 // 3, 0] = 1
    probabilities_FxC[n_frames * 2 // 3 :, 2] = 1
    signal_F = np.zeros(n_frames, np.float32)
    for frame, height in signal.items():
        signal_F[frame] = height
    return Timeline(classes, probabilities_FxC, signal_F, np.ones(n_frames, bool))


def test_a_timeline_is_judged(make_recording):
    counting = Counting(smoothing_frames=0, class_smoothing_frames=0)
    peaks = {30: 0.9, 90: 0.3, 150: 0.5, 250: 0.8}
    one = make_result(make_recording("squats/a", 300, (30, 90)), timeline(300, peaks), counting)
    assert one.class_name == "squats"
    assert one.starts.tolist() == [30, 90, 150, 250]
    assert one.heights == pytest.approx([0.9, 0.3, 0.5, 0.8])
    assert one.n_class_given == 3  # 90 is too low
    assert [r.frame for r in one.repetitions] == [30, 150]  # 250 lies in the rest


def test_nobody_seen_is_no_class(make_recording):
    empty = Timeline(("squats", "dips", "no-exercise"), np.zeros((60, 3)), np.zeros(60), np.zeros(60, bool))
    one = make_result(make_recording("squats/a", 60, ()), empty, Counting())
    assert (one.class_name, one.repetitions, len(one.starts)) == (None, (), 0)


def test_a_signal_of_nan_is_refused(make_recording):
    broken = timeline(300, {30: np.nan})
    with pytest.raises(ValueError, match="NaN"):
        make_result(make_recording("squats/a", 300, ()), broken, Counting())
