"""Landmarks of one video -> the 25 joint angles at 30 frames a second, with a mask of the usable frames.

Letters: F frames, L landmarks (33), J angles (25). Training, evaluation, video and webcam all come
through `angle_sequence`, so a model is served what it was trained on.
"""

import numpy as np

from wt_jax.skeleton import FRAME_RATE_HZ, HIPS, N_ANGLES, N_LANDMARKS, TRIPLETS

MAX_GAP_S = 0.25  # between the usable frames on both sides: a quarter of the fastest repetitions seen
FARTHEST_PX = 1e15  # of a landmark from the image's corner; one farther off (inf, 1e30) is none
_FARTHEST_FROM_HIPS_PX = 30_000.0  # float16 holds it
_SAME_TIME_S = 1e-6  # rounding of timestamps; no camera has frames this close


def joint_angles(landmarks_FxLx4: np.ndarray, width_px: float, height_px: float) -> np.ndarray:
    """Angles in the image plane, measured in pixels and divided by pi: float32 (F, J) in [0, 1].

    NaN where a landmark is missing, or farther off than FARTHEST_PX, or a limb has no length. x and y are
    shares of the image, which is `width_px` by `height_px`; without the pixels a 16:9 image would bend every
    angle.
    """
    landmarks_FxLx4 = np.asarray(landmarks_FxLx4)
    if landmarks_FxLx4.ndim != 3 or landmarks_FxLx4.shape[1:] != (N_LANDMARKS, 4):
        raise ValueError(f"landmarks of shape {landmarks_FxLx4.shape}: must be (frames, {N_LANDMARKS}, 4)")
    with np.errstate(over="ignore", invalid="ignore"):
        points_FxLx2 = landmarks_FxLx4[..., :2] * np.array([width_px, height_px], np.float64)
    points_FxLx2[~(np.abs(points_FxLx2) <= FARTHEST_PX)] = np.nan
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

    `times_s` are the timestamps of the video's frames, strictly increasing. Output frame k stands at the
    first timestamp + k/30, up to the last one, and is interpolated linearly between the video's usable
    frames (all 25 angles there) on either side; a video at 30 fps comes out as it is. Where those two
    are more than MAX_GAP_S apart, and before the first and after the last usable frame, valid is False
    and the angles are 0. Never a NaN.
    """
    angles_FxJ = joint_angles(landmarks_FxLx4, width_px, height_px)
    return _resample(angles_FxJ, np.isfinite(angles_FxJ).all(-1), times_s)


def point_sequence(
    landmarks_FxLx4: np.ndarray, times_s: np.ndarray, width_px: float, height_px: float
) -> np.ndarray:
    """The landmarks behind `angle_sequence`, at the same 30 frames a second: float16 (F, L, 3).

    x, y and z in pixels from the middle between the hips (y grows downwards, z away from the camera);
    interpolated between the same frames of the video, 0 where the angles are not valid.
    """
    return pose_sequence(landmarks_FxLx4, times_s, width_px, height_px)[1]


def pose_sequence(
    landmarks_FxLx4: np.ndarray, times_s: np.ndarray, width_px: float, height_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles, points and valid of `angle_sequence` and `point_sequence`, in one go."""
    angles_FxJ = joint_angles(landmarks_FxLx4, width_px, height_px)
    usable_F = np.isfinite(angles_FxJ).all(-1)
    points_FxLx3, valid_F = _resample(_points(landmarks_FxLx4, width_px, height_px), usable_F, times_s)
    return _resample(angles_FxJ, usable_F, times_s)[0], points_FxLx3.astype(np.float16), valid_F


def _points(landmarks_FxLx4: np.ndarray, width_px: float, height_px: float) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # of z, and of frames that are not usable
        points_FxLx3 = landmarks_FxLx4[..., :3] * np.array([width_px, height_px, width_px], np.float64)
        points_FxLx3 = points_FxLx3 - points_FxLx3[:, HIPS].mean(1, keepdims=True)
    return np.nan_to_num(np.clip(points_FxLx3, -_FARTHEST_FROM_HIPS_PX, _FARTHEST_FROM_HIPS_PX))


class SequenceStream:
    """`angle_sequence` and `point_sequence`, one video frame at a time: the same numbers, as they settle.

    An output frame is settled by a usable frame at or after it, or once MAX_GAP_S have passed since
    the last usable one. `push` and `flush` return those settled since: angles_NxJ, points_NxLx3, valid_N.
    """

    def __init__(self, width_px: float, height_px: float):
        self._size_px = (width_px, height_px)
        self._first_s: float | None = None
        self._last_s = 0.0
        self._n_settled = 0
        # Usable frames of the video, from the last one at or before the next output frame on.
        self._times_s: np.ndarray = np.zeros(0)
        self._angles: np.ndarray = np.zeros((0, N_ANGLES), np.float32)
        self._points: np.ndarray = np.zeros((0, N_LANDMARKS, 3))

    def push(self, landmarks_Lx4: np.ndarray, time_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next frame of the video. Raises ValueError for a time that is not after the last one."""
        if not np.isfinite(time_s) or (self._first_s is not None and time_s <= self._last_s):
            raise ValueError("timestamps must be finite and strictly increasing, in seconds")
        if self._first_s is None:
            self._first_s = time_s
        self._last_s = time_s
        angles_1xJ = joint_angles(landmarks_Lx4[None], *self._size_px)
        if np.isfinite(angles_1xJ).all():
            self._times_s = np.append(self._times_s, time_s)
            self._angles = np.concatenate([self._angles, angles_1xJ])
            self._points = np.concatenate([self._points, _points(landmarks_Lx4[None], *self._size_px)])
        n_settled = self._n_settled
        if self._times_s.size:
            n_settled = max(n_settled, _n_output_frames(self._times_s[-1] - self._first_s))
        if not self._times_s.size or time_s - self._times_s[-1] > MAX_GAP_S + 2 * _SAME_TIME_S:
            n_settled = max(n_settled, _n_output_frames(time_s - self._first_s - 3 * _SAME_TIME_S))
        return self._settle(n_settled)

    def flush(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rest, up to the last frame: none comes after it."""
        if self._first_s is None:
            return self._settle(0)
        return self._settle(_n_output_frames(self._last_s - self._first_s))

    def _settle(self, n_settled: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frames = np.arange(self._n_settled, n_settled)
        grid_s = (self._first_s or 0.0) + frames / FRAME_RATE_HZ
        angles_NxJ, valid_N = _interpolate(self._angles, self._times_s, grid_s)
        points_NxLx3, _ = _interpolate(self._points, self._times_s, grid_s)
        self._n_settled = n_settled
        next_s = (self._first_s or 0.0) + n_settled / FRAME_RATE_HZ
        past = max(0, int(np.searchsorted(self._times_s, next_s + _SAME_TIME_S, side="right")) - 1)
        self._times_s = self._times_s[past:]
        self._angles, self._points = self._angles[past:], self._points[past:]
        return angles_NxJ, points_NxLx3.astype(np.float16), valid_N


def _resample(
    values_Fx: np.ndarray, usable_F: np.ndarray, times_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`values_Fx` (frames of the video, ...) at 30 frames a second, and which of them are real."""
    times_s = np.asarray(times_s, np.float64)
    if times_s.shape != usable_F.shape:
        raise ValueError(
            f"timestamps of shape {times_s.shape} for {len(usable_F)} frames: one each, in seconds"
        )
    if not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any():
        raise ValueError("timestamps must be finite and strictly increasing, in seconds")
    if not len(times_s):
        return np.zeros((0, *values_Fx.shape[1:]), np.float32), np.zeros(0, bool)
    grid_s = times_s[0] + np.arange(_n_output_frames(times_s[-1] - times_s[0])) / FRAME_RATE_HZ
    return _interpolate(values_Fx[usable_F], times_s[usable_F], grid_s)


def _interpolate(
    values_Fx: np.ndarray, times_s: np.ndarray, grid_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The values of usable frames of a video at the times of output frames, and which of these are real."""
    if not len(times_s):
        return np.zeros((len(grid_s), *values_Fx.shape[1:]), np.float32), np.zeros(len(grid_s), bool)
    before = np.searchsorted(times_s, grid_s + _SAME_TIME_S, side="right") - 1
    after = np.searchsorted(times_s, grid_s - _SAME_TIME_S, side="left")
    inside_F = (before >= 0) & (after < len(times_s))
    before, after = np.maximum(before, 0), np.minimum(after, len(times_s) - 1)
    gap_s = times_s[after] - times_s[before]  # 0 where an output frame falls on one of the video
    valid_F = inside_F & (gap_s <= MAX_GAP_S + _SAME_TIME_S)
    share_F = np.where(gap_s > 0, (grid_s - times_s[before]) / np.where(gap_s > 0, gap_s, 1.0), 0.0)
    over = (slice(None), *(None,) * (values_Fx.ndim - 1))  # (F,) to the shape of the values
    output_Fx = values_Fx[before] + share_F[over] * (values_Fx[after] - values_Fx[before])
    return np.where(valid_F[over], output_Fx, 0.0).astype(np.float32), valid_F


def to_frame(frames: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Frames of a video -> the nearest frames at 30 a second, int32 (halves go up).

    `times_s` are the times of all frames of the video; the last one never maps beyond the last output frame.
    """
    since_s = np.asarray(times_s, np.float64) - times_s[0]
    nearest = np.floor(since_s[np.asarray(frames, np.int64)] * FRAME_RATE_HZ + 0.5)
    return np.minimum(nearest, _n_output_frames(since_s[-1]) - 1).astype(np.int32)


def nearest_frames(at_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """The frames of a video, whose times are `times_s`, that are nearest to some times: int32, increasing.

    Fewer than times where two are nearest to one frame, of a slow camera.
    """
    return np.unique(np.abs(times_s[:, None] - at_s).argmin(0)).astype(np.int32)


def _n_output_frames(duration_s: float) -> int:
    return int(np.floor((duration_s + _SAME_TIME_S) * FRAME_RATE_HZ)) + 1
