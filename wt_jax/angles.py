"""Landmarks of one video -> the 25 joint angles at 30 frames a second, with a mask of the usable frames.

Letters: F frames, L landmarks (33), J angles (25). Training, evaluation, video and webcam all come
through `angle_sequence`, so a model is served what it was trained on.
"""

import numpy as np

from wt_jax.skeleton import FRAME_RATE_HZ, N_ANGLES, N_LANDMARKS, TRIPLETS

MAX_GAP_S = 0.25  # between the usable frames on both sides: a quarter of the fastest repetitions seen
_SAME_TIME_S = 1e-6  # rounding of timestamps; no camera has frames this close


def joint_angles(landmarks_FxLx4: np.ndarray, width_px: float, height_px: float) -> np.ndarray:
    """Angles in the image plane, measured in pixels and divided by pi: float32 (F, J) in [0, 1].

    NaN where a landmark is missing or a limb has no length. x and y are shares of the image, which is
    `width_px` by `height_px`; without the pixels a 16:9 image would bend every angle.
    """
    landmarks_FxLx4 = np.asarray(landmarks_FxLx4)
    if landmarks_FxLx4.ndim != 3 or landmarks_FxLx4.shape[1:] != (N_LANDMARKS, 4):
        raise ValueError(f"landmarks of shape {landmarks_FxLx4.shape}: must be (frames, {N_LANDMARKS}, 4)")
    points_FxLx2 = landmarks_FxLx4[..., :2] * np.array([width_px, height_px], np.float64)
    middle_FxJx2 = points_FxLx2[:, TRIPLETS[:, 1]]
    a_FxJx2 = points_FxLx2[:, TRIPLETS[:, 0]] - middle_FxJx2
    b_FxJx2 = points_FxLx2[:, TRIPLETS[:, 2]] - middle_FxJx2
    cross_FxJ = a_FxJx2[..., 0] * b_FxJx2[..., 1] - a_FxJx2[..., 1] * b_FxJx2[..., 0]
    dot_FxJ = (a_FxJx2 * b_FxJx2).sum(-1)
    angles_FxJ = np.arctan2(np.abs(cross_FxJ), dot_FxJ) / np.pi
    has_length_FxJ = a_FxJx2.any(-1) & b_FxJx2.any(-1)  # NaN counts as a length here and stays NaN
    return np.where(has_length_FxJ, angles_FxJ, np.nan).astype(np.float32)


def angle_sequence(
    landmarks_FxLx4: np.ndarray, times_s: np.ndarray, width_px: float, height_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """The model's input: angles at 30 frames a second, float32 (F, J), and valid (F,), True where real.

    `times_s` are the timestamps of the source frames, strictly increasing. Output frame k stands at the
    first timestamp + k/30, up to the last one, and is interpolated linearly between the usable source
    frames (all 25 angles there) on either side; a source at 30 fps comes out as it is. Where those two
    are more than MAX_GAP_S apart, and before the first and after the last usable frame, valid is False
    and the angles are 0. Never a NaN.
    """
    angles_FxJ = joint_angles(landmarks_FxLx4, width_px, height_px)
    times_s = np.asarray(times_s, np.float64)
    if times_s.shape != angles_FxJ.shape[:1]:
        raise ValueError(
            f"timestamps of shape {times_s.shape} for {len(angles_FxJ)} frames: one each, in seconds"
        )
    if not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any():
        raise ValueError("timestamps must be finite and strictly increasing, in seconds")
    usable_F = np.isfinite(angles_FxJ).all(-1)
    n_frames = _n_output_frames(times_s[-1] - times_s[0]) if len(times_s) else 0
    if not usable_F.any():
        return np.zeros((n_frames, N_ANGLES), np.float32), np.zeros(n_frames, bool)

    grid_s = times_s[0] + np.arange(n_frames) / FRAME_RATE_HZ
    times_s, angles_FxJ = times_s[usable_F], angles_FxJ[usable_F]
    before = np.searchsorted(times_s, grid_s + _SAME_TIME_S, side="right") - 1
    after = np.searchsorted(times_s, grid_s - _SAME_TIME_S, side="left")
    inside_F = (before >= 0) & (after < len(times_s))
    before, after = np.maximum(before, 0), np.minimum(after, len(times_s) - 1)
    gap_s = times_s[after] - times_s[before]  # 0 where an output frame falls on a source frame
    valid_F = inside_F & (gap_s <= MAX_GAP_S + _SAME_TIME_S)
    share_F = np.where(gap_s > 0, (grid_s - times_s[before]) / np.where(gap_s > 0, gap_s, 1.0), 0.0)
    output_FxJ = angles_FxJ[before] + share_F[:, None] * (angles_FxJ[after] - angles_FxJ[before])
    return np.where(valid_F[:, None], output_FxJ, 0.0).astype(np.float32), valid_F


def to_frame(frames: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Source frame indices -> the nearest frames at 30 a second, int32 (halves go up).

    `times_s` are the times of all source frames; the last one never maps beyond the last output frame.
    """
    since_s = np.asarray(times_s, np.float64) - times_s[0]
    nearest = np.floor(since_s[np.asarray(frames, np.int64)] * FRAME_RATE_HZ + 0.5)
    return np.minimum(nearest, _n_output_frames(since_s[-1]) - 1).astype(np.int32)


def _n_output_frames(duration_s: float) -> int:
    return int(np.floor((duration_s + _SAME_TIME_S) * FRAME_RATE_HZ)) + 1
