"""A timeline to starts, segments and counts: worked out by hand."""

import dataclasses

import numpy as np
import pytest

from wt_jax.counting.decoding import align, count_repetitions, find_starts
from wt_jax.counting.segments import class_scores, find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline, smooth
from wt_jax.skeleton import ANGLE_NAMES, N_ANGLES

CLASSES = ("push-ups", "squats", "no-exercise")
RAW = Counting(
    peak_height=0.5,
    relative_height=0,
    smoothing_frames=0,
    class_smoothing_frames=0,
    min_distance_frames=1,
    min_segment_frames=45,
)


def signal(n_frames, **heights):
    """Zero but at frames: signal(50, f10=0.9)."""
    signal_F = np.zeros(n_frames, np.float32)
    for frame, height in heights.items():
        signal_F[int(frame[1:])] = height
    return signal_F


def starts_of(signal_F, invalid=(), **changes):
    valid_F = np.ones(len(signal_F), bool)
    valid_F[list(invalid)] = False
    starts, heights = find_starts(signal_F, valid_F, dataclasses.replace(RAW, **changes))
    assert starts.dtype == np.int32
    assert heights.dtype == np.float32
    return starts.tolist(), heights.tolist()


def timeline(*spans, starts=()):
    """Spans of (class or None for nobody seen, frames, probability), and starts of height 0.9."""
    probabilities, valid = [], []
    for name, n_frames, *certain in spans:
        share = certain[0] if certain else 1.0
        row = np.full(3, (1 - share) / 2) if name else np.zeros(3)
        if name:
            row[CLASSES.index(name)] = share
        probabilities += [row] * n_frames
        valid += [name is not None] * n_frames
    signal_F = np.zeros(len(valid), np.float32)
    signal_F[list(starts)] = 0.9
    return Timeline(CLASSES, np.array(probabilities, np.float32), signal_F, np.array(valid))


def spans_of(one, **changes):
    segments = find_segments(one, dataclasses.replace(RAW, **changes))
    return [(segment.class_name, segment.first, segment.last) for segment in segments]


def test_peaks_of_at_least_the_height():
    assert starts_of(signal(50, f10=0.9, f20=0.5, f30=0.49)) == ([10, 20], pytest.approx([0.9, 0.5]))


def test_peaks_far_below_the_recordings_own_do_not_count():
    """The upper quartile of 0.9, 0.8, 0.3, 0.2 is 0.825: half of it is 0.41."""
    peaks = signal(50, f5=0.2, f10=0.9, f20=0.8, f30=0.3)
    assert starts_of(peaks, peak_height=0.1)[0] == [5, 10, 20, 30]
    assert starts_of(peaks, peak_height=0.1, relative_height=0.5)[0] == [10, 20]
    assert starts_of(peaks / 4, peak_height=0.05, relative_height=0.5)[0] == [10, 20]  # a faint signal
    assert starts_of(peaks / 4, peak_height=0.21, relative_height=0.5)[0] == [10]


def test_starts_move_to_where_the_limb_begins_to_bend():
    """The knee is straight up to frame 40 and bent in 50; the signal is highest in 33."""
    one = timeline(("squats", 100), starts=(33,))
    knee_F = np.interp(np.arange(100), [40, 50, 60], [1.0, 0.5, 1.0])
    angles_FxJ = np.full((100, N_ANGLES), 0.5, np.float32)
    for side in ("left", "right"):
        angles_FxJ[:, ANGLE_NAMES.index(f"knee_{side}")] = knee_F
    assert [r.frame for r in count_repetitions(one, RAW, find_segments(one, RAW))] == [33]
    moved = dataclasses.replace(one, angles_FxJ=angles_FxJ)
    (repetition,) = count_repetitions(moved, RAW, find_segments(moved, RAW))
    assert 34 < repetition.frame <= 41  # the angle is smoothed before it is asked
    assert align(moved, np.array([33], np.int32), "no-exercise").tolist() == [33]


def test_a_start_that_moves_stays_in_its_segment():
    """Squats begin in frame 100, the knee bends from frame 90 on; the signal is highest in 106."""
    one = timeline(("no-exercise", 100), ("squats", 100), starts=(106,))
    knee_F = np.interp(np.arange(200), [90, 110, 130], [1.0, 0.5, 1.0])
    angles_FxJ = np.full((200, N_ANGLES), 0.5, np.float32)
    for side in ("left", "right"):
        angles_FxJ[:, ANGLE_NAMES.index(f"knee_{side}")] = knee_F
    moved = dataclasses.replace(one, angles_FxJ=angles_FxJ)
    assert align(moved, np.array([106], np.int32), "squats")[0] < 100
    segments = find_segments(moved, RAW)
    assert [r.frame for r in count_repetitions(moved, RAW, segments)] == [segments[1].first] == [100]


def test_a_peak_in_the_first_and_the_last_frame_counts():
    assert starts_of(signal(50, f0=0.9, f49=0.75))[0] == [0, 49]
    assert starts_of(np.ones(1, np.float32))[0] == [0]


def test_of_near_peaks_the_higher_stays():
    assert starts_of(signal(50, f10=0.6, f19=0.9, f28=0.7), min_distance_frames=10)[0] == [19]
    assert starts_of(signal(50, f10=0.6, f20=0.9, f30=0.7), min_distance_frames=10)[0] == [10, 20, 30]
    assert starts_of(signal(50, f10=0.6, f11=0.9), min_distance_frames=0)[0] == [11]


def test_starts_of_a_lower_height_hold_those_of_a_higher():
    """What precision-recall curves rest on: the working starts are the high ones of all."""
    signal_F = smooth(np.random.default_rng(0).random(2000), 3)
    signal_F = ((signal_F - signal_F.min()) / np.ptp(signal_F)).astype(np.float32)
    low, low_heights = starts_of(signal_F, peak_height=0.01, min_distance_frames=15)
    high, _ = starts_of(signal_F, peak_height=0.6, min_distance_frames=15)
    assert 5 < len(high) < len(low)
    assert [s for s, height in zip(low, low_heights, strict=True) if height >= 0.6] == high


def test_frames_that_are_not_valid_hold_no_start_and_add_nothing():
    ramp = np.linspace(0, 1, 40, dtype=np.float32)
    assert starts_of(ramp, invalid=range(30, 40)) == ([29], pytest.approx([29 / 39]))
    assert starts_of(np.ones(40, np.float32), invalid=range(40)) == ([], [])
    one = signal(50, f20=0.9)
    assert starts_of(one, invalid=[20], smoothing_frames=2, peak_height=0.01) == ([], [])


def test_smoothing_makes_no_start_where_nobody_is_seen():
    """Two starts on both sides of a gap of three frames: smoothed, the middle of the gap is the highest."""
    twins = signal(60, f28=0.9, f32=0.9)
    assert starts_of(twins, smoothing_frames=4, peak_height=0.1)[0] == [30]
    assert starts_of(twins, invalid=(29, 30, 31), smoothing_frames=4, peak_height=0.1)[0] == [28, 32]


def test_smoothing_joins_a_split_peak_and_keeps_its_mass():
    twins = signal(60, f28=0.9, f32=0.9)
    assert starts_of(twins)[0] == [28, 32]
    assert starts_of(twins, smoothing_frames=4, peak_height=0.1)[0] == [30]
    assert smooth(twins, 4).sum() == pytest.approx(1.8)
    # a Gaussian of 2 frames has 0.1995 at its middle, and 3 standard deviations of it are used
    assert smooth(signal(60, f30=1), 2)[30] == pytest.approx(0.1995 / 0.9973, abs=2e-3)
    assert not smooth(signal(60, f30=1), 2)[37:].any()


def test_beyond_the_ends_there_is_nothing():
    assert smooth(np.ones(100), 3)[0] == pytest.approx(0.5, abs=0.07)
    assert smooth(np.ones(100), 3)[50] == pytest.approx(1)
    assert smooth(np.zeros(0), 3).tolist() == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_signal_is_refused(bad):
    with pytest.raises(ValueError, match=r"NaN or infinity: the checkpoint's parameters"):
        starts_of(signal(50, f10=bad))


@pytest.mark.parametrize("taught", ["abc", ["lunges", 3]])
def test_what_was_taught_is_a_list_of_names(taught):
    with pytest.raises(ValueError, match="must be a list of names of exercises"):
        Counting(taught=taught)
    assert Counting(taught=["lunges"]).taught == ("lunges",)


def test_three_segments_and_two_counts():
    """Push-ups, rest, squats: what lies in the rest is not counted."""
    one = timeline(
        ("push-ups", 300), ("no-exercise", 150), ("squats", 240), starts=(30, 100, 299, 300, 400, 450, 689)
    )
    segments = find_segments(one, RAW)
    assert [(s.class_name, s.first, s.last, s.confidence) for s in segments] == [
        ("push-ups", 0, 299, 1.0), ("no-exercise", 300, 449, 1.0), ("squats", 450, 689, 1.0),
    ]  # fmt: skip
    repetitions = count_repetitions(one, dataclasses.replace(RAW, min_distance_frames=1), segments)
    assert [(r.frame, r.class_name) for r in repetitions] == [
        (30, "push-ups"), (100, "push-ups"), (299, "push-ups"), (450, "squats"), (689, "squats"),
    ]  # fmt: skip
    assert repetitions[0].confidence == pytest.approx(0.9)


def test_an_exercise_below_the_threshold_is_no_exercise():
    unsure = timeline(("push-ups", 100, 0.45), ("squats", 100, 0.55))
    assert spans_of(unsure) == [("no-exercise", 0, 99), ("squats", 100, 199)]
    assert spans_of(unsure, class_threshold=0.4) == [("push-ups", 0, 99), ("squats", 100, 199)]
    assert spans_of(timeline(("push-ups", 100, 0.5))) == [("push-ups", 0, 99)]  # that much is enough
    (rest, _) = find_segments(unsure, RAW)
    assert rest.confidence == pytest.approx(0.275)  # of no-exercise itself


def test_short_runs_join_the_longer_neighbour_the_shortest_first():
    one = timeline(("push-ups", 100), ("squats", 20), ("no-exercise", 60))
    assert spans_of(one) == [("push-ups", 0, 119), ("no-exercise", 120, 179)]
    # squats 40 are too short alone; the 10 between join them (40 > 30), and 50 are enough
    one = timeline(("push-ups", 30), ("no-exercise", 10), ("squats", 40), ("no-exercise", 100))
    assert spans_of(one) == [("squats", 0, 79), ("no-exercise", 80, 179)]
    assert spans_of(one, min_segment_frames=10) == [
        ("push-ups", 0, 29), ("no-exercise", 30, 39), ("squats", 40, 79), ("no-exercise", 80, 179),
    ]  # fmt: skip


def test_equal_neighbours_and_runs_at_the_ends():
    one = timeline(("push-ups", 60), ("squats", 20), ("no-exercise", 60))
    assert spans_of(one) == [("push-ups", 0, 79), ("no-exercise", 80, 139)]  # the earlier
    assert spans_of(timeline(("squats", 20), ("push-ups", 60))) == [("push-ups", 0, 79)]
    assert spans_of(timeline(("push-ups", 60), ("squats", 20))) == [("push-ups", 0, 79)]
    assert spans_of(timeline(("squats", 20))) == [("squats", 0, 19)]  # all there is


def test_a_run_that_joins_both_sides_makes_one():
    one = timeline(("squats", 100), ("no-exercise", 30), ("squats", 50))
    assert spans_of(one) == [("squats", 0, 179)]


def test_class_scores_look_past_frames_without_anybody():
    one = timeline(("squats", 60), (None, 20), ("squats", 60))
    scores_FxC = class_scores(one, dataclasses.replace(RAW, class_smoothing_frames=10))
    np.testing.assert_allclose(scores_FxC[:, 1], 1, atol=1e-6)
    unseen = timeline((None, 200), ("squats", 10))
    assert not class_scores(unseen, dataclasses.replace(RAW, class_smoothing_frames=10))[:150].any()


def test_nobody_seen_and_nothing_there():
    assert spans_of(timeline((None, 60))) == [("no-exercise", 0, 59)]
    (segment,) = find_segments(timeline((None, 60)), RAW)
    assert segment.confidence == 0
    empty = Timeline(CLASSES, np.zeros((0, 3)), np.zeros(0), np.zeros(0, bool))
    assert find_segments(empty, RAW) == []
    assert count_repetitions(empty, RAW, []) == []


def test_classes_without_rest():
    """A model of exercises alone: below the threshold there is still no exercise."""
    one = Timeline(
        ("push-ups", "squats"),
        np.array([[0.9, 0.1]] * 60 + [[0.5, 0.5]] * 60, np.float32),
        signal(120, f30=0.9, f90=0.9),
        np.ones(120, bool),
    )
    counting = dataclasses.replace(RAW, class_threshold=0.6)
    segments = find_segments(one, counting)
    assert [(s.class_name, s.first, s.last) for s in segments] == [
        ("push-ups", 0, 59),
        ("no-exercise", 60, 119),
    ]
    assert [r.frame for r in count_repetitions(one, counting, segments)] == [30]
