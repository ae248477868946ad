import warnings

import numpy as np
import pytest

from wt_jax import skeleton
from wt_jax.pose.joint_angles import (
    MAX_GAP_S,
    SequenceStream,
    angle_sequence,
    joint_angles,
    pose_sequence,
    to_frame,
)

ELBOW = skeleton.ANGLE_NAMES.index("elbow_left")  # landmarks 11, 13, 15


def moving_body(n_frames: int) -> np.ndarray:
    """Landmarks (F, 33, 4) with every limb in the picture, each frame different."""
    rng = np.random.default_rng(0)
    start, drift = rng.uniform(0.2, 0.8, (33, 4)), rng.uniform(-0.002, 0.002, (33, 4))
    return (start + np.arange(n_frames)[:, None, None] * drift).astype(np.float32)


def arm(shoulder, elbow, wrist) -> np.ndarray:
    body = moving_body(1)
    body[0, [11, 13, 15], :2] = shoulder, elbow, wrist
    return body


@pytest.mark.parametrize(
    ("shoulder", "elbow", "wrist", "size", "expected"),
    [
        ((0.5, 0.25), (0.5, 0.5), (0.5, 0.75), (100, 100), 1.0),  # straight
        ((0.5, 0.25), (0.5, 0.5), (0.75, 0.5), (100, 100), 0.5),  # right angle
        ((0.5, 0.25), (0.5, 0.5), (0.25, 0.5), (640, 360), 0.5),  # on the other side, another image
        ((0.5, 0.25), (0.5, 0.5), (0.5, 0.125), (100, 100), 0.0),  # folded
        ((0.75, 0.5), (0.5, 0.5), (0.75, 0.75), (100, 100), 0.25),  # 45 degrees in a square image,
        ((0.75, 0.5), (0.5, 0.5), (0.75, 0.75), (1600, 900), 0.16310),  # atan(9/16) = 29.36 in 16:9
    ],
)
def test_joint_angle_by_hand(shoulder, elbow, wrist, size, expected):
    angles = joint_angles(arm(shoulder, elbow, wrist), *size)
    assert angles.shape == (1, 25)
    assert angles.dtype == np.float32
    assert angles[0, ELBOW] == pytest.approx(expected, abs=1e-5)


def test_limb_without_length_and_missing_landmark_are_nan():
    folded = joint_angles(arm((0.5, 0.5), (0.5, 0.5), (0.7, 0.5)), 100, 100)
    missing = joint_angles(arm((0.5, 0.3), (np.nan, 0.5), (0.7, 0.5)), 100, 100)
    assert np.isnan(folded[0, ELBOW])
    assert np.isnan(missing[0, ELBOW])
    assert np.isfinite(missing[0, skeleton.ANGLE_NAMES.index("knee_left")])


def test_30_fps_comes_out_as_it_is():
    body = moving_body(200)
    angles, valid = angle_sequence(body, np.arange(200) / 30, 640, 480)
    np.testing.assert_array_equal(angles, joint_angles(body, 640, 480))
    assert valid.all()


@pytest.mark.parametrize(
    ("fps", "n_source", "n_frames"),
    [(30, 31, 31), (25, 26, 31), (24, 25, 31), (60, 61, 31), (60, 62, 31), (29.97, 1000, 1001), (15, 2, 3)],
)
def test_length_after_resampling(fps, n_source, n_frames):
    angles, valid = angle_sequence(moving_body(n_source), 7.5 + np.arange(n_source) / fps, 640, 480)
    assert angles.shape == (n_frames, 25)
    assert valid.all()


def test_25_fps_is_interpolated_by_timestamp():
    body = moving_body(26)
    source = joint_angles(body, 640, 480)
    angles, _ = angle_sequence(body, np.arange(26) / 25, 640, 480)
    np.testing.assert_allclose(angles[6], source[5], atol=1e-6)  # both at 0.2 s
    np.testing.assert_allclose(
        angles[1], source[0] / 6 + source[1] * 5 / 6, atol=1e-6
    )  # 1/30 s = 5/6 of 1/25 s


def test_60_fps_keeps_every_second_frame():
    body = moving_body(61)
    angles, _ = angle_sequence(body, np.arange(61) / 60, 640, 480)
    np.testing.assert_allclose(angles, joint_angles(body, 640, 480)[::2], atol=1e-6)


def test_uneven_timestamps_of_a_webcam():
    body = moving_body(3)
    source = joint_angles(body, 640, 480)
    angles, valid = angle_sequence(body, np.array([0.0, 0.05, 0.1]), 640, 480)
    np.testing.assert_allclose(angles[1], source[0] / 3 + source[1] * 2 / 3, atol=1e-6)
    assert valid.tolist() == [True] * 4


def test_short_gap_is_interpolated():
    body = moving_body(40)
    source = joint_angles(body, 640, 480)
    body[11:16] = np.nan  # 10 and 16 are 0.2 s apart
    angles, valid = angle_sequence(body, np.arange(40) / 30, 640, 480)
    assert valid.all()
    np.testing.assert_allclose(angles[12], source[10] * 2 / 3 + source[16] / 3, atol=1e-6)


@pytest.mark.parametrize(
    ("fps", "missing", "valid_again"),
    [
        (24, slice(11, 16), True),
        (24, slice(11, 17), False),
        (30, slice(11, 17), True),
        (30, slice(11, 18), False),
    ],
)
def test_longest_gap(fps, missing, valid_again):
    assert MAX_GAP_S == 0.25  # 6 frames at 24 fps, 7.5 at 30
    body = moving_body(40)
    body[missing] = np.nan
    _, valid = angle_sequence(body, np.arange(40) / fps, 640, 480)
    assert valid.all() == valid_again


def test_long_gap_and_both_ends_are_masked_and_zero():
    body = moving_body(60)
    body[:3] = body[20:30] = body[57:] = np.nan
    angles, valid = angle_sequence(body, np.arange(60) / 30, 640, 480)
    assert np.flatnonzero(~valid).tolist() == [0, 1, 2, *range(20, 30), 57, 58, 59]
    assert (angles[~valid] == 0).all()
    assert np.isfinite(angles).all()


def test_nobody_at_all_and_no_frames():
    angles, valid = angle_sequence(np.full((30, 33, 4), np.nan), np.arange(30) / 30, 640, 480)
    assert angles.shape == (30, 25)
    assert not angles.any()
    assert not valid.any()
    angles, valid = angle_sequence(np.zeros((0, 33, 4)), np.zeros(0), 640, 480)
    assert angles.shape == (0, 25)
    assert valid.shape == (0,)


@pytest.mark.parametrize(
    ("body", "times_s", "message"),
    [
        (np.zeros((3, 17, 4)), np.arange(3), r"shape \(3, 17, 4\): must be \(frames, 33, 4\)"),
        (np.zeros((3, 33, 4)), np.arange(2), "for 3 frames"),
        (np.zeros((3, 33, 4)), np.array([0, 0.1, 0.1]), "strictly increasing"),
        (np.zeros((3, 33, 4)), np.array([0, 0.1, np.nan]), "finite"),
    ],
)
def test_bad_input(body, times_s, message):
    with pytest.raises(ValueError, match=message):
        angle_sequence(body, times_s, 640, 480)


@pytest.mark.parametrize(
    ("frames", "fps", "n_frames", "expected"),
    [
        ([0, 7, 99], 30, 100, [0, 7, 99]),
        ([0, 1, 2, 3, 25], 25, 26, [0, 1, 2, 4, 30]),  # 1.2, 2.4, 3.6
        ([12, 24], 24, 25, [15, 30]),
        ([999], 29.97, 1000, [1000]),
        ([24], 24000 / 1001, 100, [30]),  # 30.03
        ([1, 2, 3], 60, 61, [1, 1, 2]),  # halves go up
        ([1], 60, 2, [0]),  # and never beyond the last frame
        ([], 25, 26, []),
    ],
)
def test_starts_move_along(frames, fps, n_frames, expected):
    moved = to_frame(np.array(frames), np.arange(n_frames) / fps)
    assert moved.tolist() == expected
    assert moved.dtype == np.int32


def test_starts_move_along_with_a_variable_rate():
    times_s = 7.0 + np.array([0.0, 0.1, 0.5, 0.6, 1.0])
    assert to_frame(np.array([0, 1, 2, 4]), times_s).tolist() == [0, 3, 15, 30]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30, 1e300, -1e308])
def test_landmarks_that_nobody_has_make_a_frame_not_valid(value):
    """Everywhere but in z they do, and without a word of NumPy's."""
    landmarks = np.random.default_rng(0).uniform(0.2, 0.8, (5, 33, 4))
    times_s = np.arange(5) / 2  # so that nothing is interpolated
    whole = pose_sequence(landmarks, times_s, 640, 360)
    for axis in (0, 1, 2):
        bad = landmarks.copy()
        bad[2, 24, axis] = value
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            angles_FxJ, points_FxLx3, valid_F = pose_sequence(bad, times_s, 640, 360)
            stream = SequenceStream(640, 360)
            pushed = [stream.push(row, time_s) for row, time_s in zip(bad, times_s, strict=True)]
        assert valid_F[30] == (axis == 2) and np.isfinite(points_FxLx3).all()
        expected_F = whole[2] & ((np.arange(len(valid_F)) != 30) | (axis == 2))
        np.testing.assert_array_equal(valid_F, expected_F)
        np.testing.assert_array_equal(angles_FxJ[valid_F], whole[0][valid_F])
        settled = np.concatenate([*(valid_N for _, _, valid_N in pushed), stream.flush()[2]])
        np.testing.assert_array_equal(settled, valid_F)
