"""Whatever repeats, on angles made by hand."""

import numpy as np
import pytest
from moving_angles import ALL, STARTS, angles, repeated

from wt_jax.counting.decoding import UNKNOWN, count_unknown
from wt_jax.counting.prediction import read_timeline
from wt_jax.counting.principal_motion import likeness, motion_starts, principal_motion
from wt_jax.counting.segments import Segment
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.inference.results import headline
from wt_jax.skeleton import ANGLE_NAMES, NO_EXERCISE


@pytest.mark.parametrize("limb", ["elbow", "shoulder", "hip", "knee"])
def test_a_movement_of_any_limb_is_counted_where_its_position_is_left(limb):
    starts = motion_starts(angles(**{f"{limb}_left": repeated(), f"{limb}_right": repeated()}), ALL)
    np.testing.assert_allclose(starts, STARTS, atol=6)


def test_one_arm_alone_is_enough_and_which_way_it_goes_does_not_matter():
    starts = motion_starts(angles(elbow_left=1.4 - repeated()), ALL)  # bent, and straightened again and again
    np.testing.assert_allclose(starts, STARTS, atol=6)


def test_the_left_leg_and_then_the_right_are_two_repetitions():
    left, right = repeated(STARTS[::2]), repeated(STARTS[1::2])
    np.testing.assert_allclose(motion_starts(angles(knee_left=left, knee_right=right), ALL), STARTS, atol=6)


def test_it_is_high_where_somebody_stays():
    along_F = principal_motion(angles(knee_left=repeated(), knee_right=repeated()), ALL)
    assert along_F[340] > along_F[40] + 0.3


def test_what_changes_slowly_is_left_out():
    drift = np.linspace(0, 0.5, 360, dtype=np.float32)
    moving = angles(knee_left=repeated(), knee_right=repeated(), hip_left=0.3 + drift, hip_right=0.3 + drift)
    assert len(motion_starts(moving, ALL)) == len(STARTS)


def test_of_so_many_as_were_counted_the_deepest_are_taken():
    knees = repeated(STARTS[:2], 0.1) + repeated(STARTS[2:], 0.4) - np.float32(0.9)
    moving = angles(knee_left=knees, knee_right=knees)
    np.testing.assert_allclose(motion_starts(moving, ALL, 3), STARTS[2:], atol=6)
    np.testing.assert_allclose(motion_starts(moving, ALL, 5), STARTS, atol=6)


def test_nothing_that_moves_and_nobody_there_have_no_starts():
    assert motion_starts(angles(), ALL).size == 0
    assert (
        motion_starts(angles(knee_left=repeated(depth=0.03), knee_right=repeated(depth=0.03)), ALL).size == 0
    )
    assert motion_starts(np.zeros((50, 25), np.float32), np.zeros(50, bool)).size == 0
    assert motion_starts(np.zeros((0, 25), np.float32), np.zeros(0, bool)).size == 0


def test_gaps_are_interpolated():
    gaps = ALL.copy()
    gaps[100:110] = False
    hidden = np.where(gaps, repeated(), np.float32(0))
    assert len(motion_starts(angles(knee_left=hidden, knee_right=hidden), gaps)) == len(STARTS)


def test_repetitions_are_alike_and_aimless_moves_are_not():
    moving = angles(knee_left=repeated(), knee_right=repeated())
    assert likeness(moving, ALL, motion_starts(moving, ALL)) > 0.95
    assert likeness(moving, ALL, np.array(STARTS[:2])) == 0
    rng = np.random.default_rng(0)
    aimless = angles()
    for i in range(len(ANGLE_NAMES)):
        aimless[:, i] = np.clip(np.interp(np.arange(360), np.arange(0, 361, 15), rng.random(25)), 0, 1)
    assert likeness(aimless, ALL, motion_starts(aimless, ALL)) < 0.75


def timeline(angles_FxJ, is_squats_F):
    shares = np.stack([is_squats_F, ~is_squats_F], 1).astype(np.float32)
    return Timeline(("squats", NO_EXERCISE), shares, np.zeros(360, np.float32), ALL, angles_FxJ)


def test_what_repeats_in_no_exercise_is_said_and_is_no_count_of_an_exercise():
    moving = angles(knee_left=repeated(), knee_right=repeated())
    prediction = read_timeline(timeline(moving, np.zeros(360, bool)), Counting(), 2.0)
    assert prediction.counts == {} and prediction.repetitions == []
    assert [one.exercise for one in prediction.unknown_repetitions] == [UNKNOWN] * 5
    assert headline(prediction) == "repeating, exercise unknown: 5"
    assert prediction.so_far(2 + 150 / 30) == (NO_EXERCISE, {}, 3)
    said = prediction.document()
    assert said["segments"][0]["unknown_repetitions"] == 5 and said["segments"][0]["repetitions"] == 0
    assert said["any"]["count"] == 5 and len(said["unknown_repetitions"]) == 5
    np.testing.assert_allclose(said["any"]["starts_s"], 2 + np.array(STARTS) / 30, atol=0.2)


def test_an_exercise_that_clips_have_taught_is_named_early_and_counted_by_what_repeats():
    moving = angles(knee_left=repeated(), knee_right=repeated())
    shares = np.tile(np.float32([0.35, 0.65]), (360, 1))
    shy = Timeline(("squats", NO_EXERCISE), shares, np.zeros(360, np.float32), ALL, moving)
    assert read_timeline(shy, Counting(), 0.0).counts == {}
    prediction = read_timeline(shy, Counting(taught=("squats",), taught_threshold=0.3), 0.0)
    assert prediction.counts == {"squats": 5} and prediction.ranges == {"squats": (5, 5)}
    assert prediction.unknown_repetitions == []
    np.testing.assert_allclose(prediction.starts_as("squats"), np.array(STARTS) / 30, atol=0.2)
    assert read_timeline(shy, Counting(taught=("squats",), taught_threshold=0.4), 0.0).counts == {}


def test_only_segments_of_no_exercise_are_asked_and_each_by_itself():
    moving = angles(knee_left=repeated(), knee_right=repeated())
    of = timeline(moving, np.arange(360) < 130)
    segments = [Segment("squats", 0, 129, 1.0), Segment(NO_EXERCISE, 130, 359, 1.0)]
    np.testing.assert_allclose([one.frame for one in count_unknown(of, segments)], STARTS[2:], atol=6)
    assert count_unknown(of, [Segment(NO_EXERCISE, 200, 359, 1.0)]) == []  # twice is chance
    assert count_unknown(Timeline(of.classes, of.probabilities_FxC, of.signal_F, ALL), segments) == []
