"""How clips of an exercise are moved, and what it says of other people: on angles made by hand."""

import dataclasses

import numpy as np
import pytest
from moving_angles import ALL, STARTS, angles, repeated

from wt_jax.counting.prediction import read_timeline
from wt_jax.counting.principal_motion import repeated as find_repeated
from wt_jax.counting.segments import find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.taught_motion import TaughtMotion, odds_by_motion, taught_motion, uprightness, weighed
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.recording_result import make_result
from wt_jax.pose.joint_angles import point_sequence
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.motion import synthetic_motion
from wt_jax.training.step_folder import counting_of

SQUAT = angles(knee_left=repeated(), knee_right=repeated(), hip_left=repeated(), hip_right=repeated())
CURL = angles(elbow_left=repeated(), elbow_right=repeated())
KNEES = angles(knee_left=repeated(), knee_right=repeated())
MOTION = taught_motion("squats", SQUAT, ALL)
COUNTING = Counting(taught=("squats",), taught_threshold=0.3, motions=(MOTION,))


def odds(angles_FxJ, motions=(MOTION,)):
    return odds_by_motion(motions, find_repeated(angles_FxJ, ALL))["squats"]


def said(angles_FxJ, share, other=NO_EXERCISE):
    """Somebody moving so, of whom the network says squats with this probability, at each frame."""
    shares = np.tile(np.float32([share, 1 - share]), (360, 1))
    return Timeline(("squats", other), shares, np.zeros(360, np.float32), ALL, angles_FxJ)


def names(timeline, counting=COUNTING):
    return [one.class_name for one in find_segments(timeline, counting)]


def test_what_is_moved_alike_is_likelier_and_what_is_not_less_likely():
    assert odds(SQUAT) == 30 and odds(CURL) == 0.2
    assert odds(KNEES) == 1  # 0.7 of it: neither


def test_of_several_clips_the_nearest_is_asked():
    curl = taught_motion("squats", CURL, ALL)
    assert odds(CURL, (MOTION, curl)) == 30 and odds(SQUAT, (MOTION, curl)) == 30


def test_less_than_half_of_the_swing_and_what_is_not_steady_are_no_news():
    small = repeated(depth=0.15)
    less = angles(knee_left=small, knee_right=small, hip_left=small, hip_right=small)
    assert odds(less) == 1
    assert odds(less, (dataclasses.replace(MOTION, swing=MOTION.swing / 2),)) == 30
    rng = np.random.default_rng(0)
    aimless = np.interp(np.arange(360), np.arange(0, 361, 15), rng.uniform(0.3, 0.9, 25)).astype(np.float32)
    assert odds(angles(knee_left=aimless, knee_right=aimless, hip_left=aimless, hip_right=aimless)) == 1


def test_who_lies_does_not_do_what_the_clips_do_upright():
    found, standing = find_repeated(SQUAT, ALL), dataclasses.replace(MOTION, upright=0.9)

    def told(motions, *uprights):
        return [odds_by_motion(motions, found, upright)["squats"] for upright in uprights]

    assert told([standing], 0.95, 0.51, 0.49, 0.31, 0.29, -0.9, None) == [30, 30, 1, 1, 0.2, 0.2, 30]
    lying = dataclasses.replace(MOTION, upright=0.0)
    assert told([standing, lying], 0.1) == [30]  # as in the other clip
    curl = dataclasses.replace(taught_motion("squats", CURL, ALL), upright=0.0)
    assert told([standing, curl], 0.0) == [1]  # moved as in one, lying as in another


@pytest.mark.parametrize(("name", "low", "high"), [("squats", 0.6, 1), ("push-ups", -0.45, 0.45)])
def test_who_stands_is_upright_and_who_lies_is_not_from_whichever_side(name, low, high):
    film = synthetic_motion(name, np.random.default_rng(0), Body(np.random.default_rng(1)))
    points = point_sequence(film.landmarks_FxLx4, np.arange(len(film.landmarks_FxLx4)) / 30, 720, 1280)
    x, y, z = np.moveaxis(points.astype(float), -1, 0)
    for yaw in np.radians(range(0, 360, 15)):
        turned = np.stack([x * np.cos(yaw) + z * np.sin(yaw), y, z * np.cos(yaw) - x * np.sin(yaw)], -1)
        assert low < uprightness(turned).mean() < high
        np.testing.assert_allclose(uprightness(turned * [1, -1, 1]), -uprightness(turned))
    np.testing.assert_array_equal(uprightness(np.zeros_like(points)), 0)


def test_of_frames_with_somebody_alone_it_is_the_mean():
    valid_F = np.arange(360) % 2 == 0
    upright_F = np.where(valid_F, 0.8, 0)
    assert taught_motion("squats", SQUAT, valid_F, upright_F).upright == 0.8
    timeline = dataclasses.replace(said(SQUAT, 0.02), valid_F=valid_F, upright_F=upright_F)
    assert timeline.upright(10, 50) == pytest.approx(0.8)
    assert timeline.upright(11, 11) is None


def test_segments_are_read_by_how_upright_somebody_is():
    lying = dataclasses.replace(said(SQUAT, 0.02), upright_F=np.zeros(360))
    standing = dataclasses.replace(said(SQUAT, 0.02), upright_F=np.ones(360))
    counting = dataclasses.replace(COUNTING, motions=(dataclasses.replace(MOTION, upright=0.9),))
    assert names(standing, counting) == ["squats"] and names(lying, counting) == [NO_EXERCISE]


def test_who_does_not_move_says_nothing():
    assert odds(angles()) == 1


def test_shyly_named_squats_are_squats_where_they_are_moved_like_the_clips():
    shy, quiet = said(SQUAT, 0.02), dataclasses.replace(COUNTING, motions=())
    assert names(shy) == ["squats"] and names(shy, quiet) == [NO_EXERCISE]
    prediction = read_timeline(shy, COUNTING, 0.0)
    assert prediction.counts == {"squats": len(STARTS)}
    assert prediction.naming.probability == pytest.approx(weighed(0.02, 30))
    assert prediction.segments[0].confidence == pytest.approx(0.6 / (0.98 + 0.6))
    assert names(said(SQUAT, 0.01)) == [NO_EXERCISE]  # the network has a say in it too


def test_what_is_moved_otherwise_is_squats_only_where_the_network_is_sure():
    assert names(said(CURL, 0.5)) == [NO_EXERCISE] and names(said(CURL, 0.9)) == ["squats"]
    assert names(said(CURL, 0.5), dataclasses.replace(COUNTING, motions=())) == ["squats"]


def test_an_exercise_that_the_network_knows_well_stays():
    assert names(said(SQUAT, 0.2, "dips")) == ["dips"]


def test_stretches_that_become_one_exercise_are_one_segment():
    shares = np.full((360, 2), 0.5, np.float32)
    shares[:180] = 0.1, 0.9
    halves = Timeline(("squats", NO_EXERCISE), shares, np.zeros(360, np.float32), ALL, SQUAT)
    counting = dataclasses.replace(COUNTING, class_smoothing_frames=0)
    assert len(find_segments(halves, dataclasses.replace(counting, motions=()))) == 2
    (whole,) = find_segments(halves, counting)
    assert (whole.first, whole.last, whole.class_name, whole.odds) == (0, 359, "squats", 30)


def test_scores_hear_it_too(make_recording):
    recording = make_recording("squats/a", 360, STARTS)
    recording = dataclasses.replace(recording, angles_FxJ=SQUAT, valid_F=ALL)
    result = make_result(recording, said(SQUAT, 0.2), COUNTING)
    assert result.class_name == "squats" and result.n_end_to_end == len(STARTS)


def test_it_is_kept_as_json():
    assert counting_of(COUNTING.values()) == COUNTING
    assert Counting().values()["motions"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"direction": (1.0, 0.0)},
        {"direction": (float("nan"),) * 8},
        {"swing": "far"},
        {"class_name": 3},
        {"upright": "yes"},
        {"upright": 1.5},
    ],
)
def test_a_motion_that_is_none_is_refused(change):
    values = {**COUNTING.values(), "motions": [{**COUNTING.values()["motions"][0], **change}]}
    with pytest.raises(ValueError, match="motions: "):
        counting_of(values)


def test_a_motion_of_what_was_not_taught_is_refused():
    with pytest.raises(ValueError, match="motions: squats: must be of what is taught"):
        Counting(motions=(TaughtMotion("squats", MOTION.direction, 0.5),))
