"""What a pose estimator makes of a filmed skeleton: MediaPipe's mistakes, in sizes measured on people.

The sizes are of benchmarks/estimator_errors.py on recordings of people less their smoothed tracks, in torso
lengths. Letters: F frames, L landmarks (33).
"""

import numpy as np
import scipy  # its parts are imported where they are first used

from wt_jax.skeleton import DEPTH_FACTOR, MIRRORED
from wt_jax.synthetic.bodies import Rng

_HANDS_AND_FEET = np.isin(np.arange(33), [*range(15, 23), *range(27, 33)])
_ENDS, _THEIR_JOINT = [*range(17, 23), *range(29, 33)], [15, 16] * 3 + [27, 28] * 2  # fingers, heels, toes
_ARMS, _LEGS = [*range(11, 23)], [*range(23, 33)]
# Of which limb each landmark's depth is taken to be: body, left and right arm, left and right leg.
_LIMB = np.array([0] * 13 + [1, 2] * 5 + [0, 0] + [3, 4] * 4)
_DEPTH_SPREAD = 0.35  # of the logarithm of DEPTH_FACTOR, over recordings
_SEEN, _HIDDEN = 0.014, 0.06  # standard deviation of x and y, of landmarks in view and on the far side
_MEMORY = 0.8  # double root of their AR(2) at 30 frames a second
_DEPTH_NOISE = 0.3  # standard deviation of a limb's z
_REFLECTED = np.array(MIRRORED)


def estimate(
    rng: Rng, points_FxLx2: np.ndarray, z_FxL: np.ndarray, t_F: np.ndarray, width_px: int, height_px: int
) -> np.ndarray:
    """Landmarks (F, L, 4) of a body seen at `points_FxLx2` and `z_FxL` behind its hips, in pixels.

    x, y are not cut off at the picture's edge, and z is in units of x and too deep, as MediaPipe gives them;
    a frame in which the person is lost is NaN.
    """
    frame_px, fps = np.array([width_px, height_px]), 1 / (t_F[1] - t_F[0])
    torso_FxLx2 = points_FxLx2[:, 11:13].mean(1) - points_FxLx2[:, 23:25].mean(1)
    size = max(
        float(np.percentile(np.hypot(*torso_FxLx2.T), 90)), 0.08 * np.ptp(points_FxLx2[::8, :, 1]), 1.0
    )
    hidden = 1 / (1 + np.exp(np.clip((0.3 - z_FxL / size) / 0.1, -30, 30)))  # 1: the far side of the body
    outside = ((points_FxLx2 < 0) | (points_FxLx2 > frame_px)).any(-1)
    hidden = np.maximum(hidden, outside)

    xy, z = _guessed(rng, points_FxLx2, hidden), z_FxL.copy()
    sure = (_SEEN + (_HIDDEN - _SEEN) * hidden) * np.where(_HANDS_AND_FEET, 1.2, 1.0) * (1 + outside)
    spread = np.exp(rng.normal(0, 0.7) + 0.4 * rng.normal(size=33))
    error = (sure * spread)[..., None] * _coloured(rng, t_F, fps, 33, 2)
    # Its landmark lies elsewhere in the body, in all of a recording.
    error += 0.015 * rng.normal(size=(33, 2))
    error[:, _ENDS] = 0.9 * error[:, _THEIR_JOINT] + 0.35 * error[:, _ENDS]
    _steps(rng, error, t_F)
    xy += size * error
    _fall_over(rng, xy, t_F)
    _exchange(rng, xy, z, t_F)
    lag_s = rng.uniform(0, 0.05)
    keep = np.exp(-1 / (fps * lag_s)) if lag_s > 0.005 else 0.0
    xy = scipy.signal.lfilter([1 - keep], [1, -keep], xy, axis=0, zi=keep * xy[:1])[0]

    limbs = _DEPTH_NOISE / DEPTH_FACTOR * np.exp(rng.normal(0, 0.5)) * _coloured(rng, t_F, fps, 5)[:, _LIMB]
    tilt = rng.normal(0, 0.15) + 0.1 * _coloured(rng, t_F, fps, 1)
    upwards = xy[:, 23:25, 1].mean(1, keepdims=True) - xy[..., 1]
    z = (z + size * limbs - tilt * upwards) * DEPTH_FACTOR * np.exp(rng.normal(0, _DEPTH_SPREAD))
    z -= z[:, 23:25].mean(1, keepdims=True)

    seen = np.clip(0.99 - 0.8 * hidden * rng.uniform(0.5, 1), 0.01, 1)
    parts = [xy / frame_px, z[..., None] / width_px, seen[..., None]]
    landmarks = np.concatenate(parts, -1).astype(np.float32)
    if rng.random() < 0.15:  # nobody is found: for a frame or two, or somebody walks through the picture
        for first in rng.integers(0, len(t_F), rng.poisson(2) + 1):
            landmarks[first : first + rng.integers(1, 4 if rng.random() < 0.8 else 20)] = np.nan
    return landmarks


def _coloured(rng: Rng, t_F: np.ndarray, fps: float, *size: int) -> np.ndarray:
    """Noise of standard deviation 1 that remembers a third of a second, (F, *size)."""
    root = _MEMORY ** (30 / fps)
    polynomial = np.convolve([1, -root], [1, -root])
    gain = np.sqrt((1 + root**2) / (1 - root**2) ** 3)  # of an AR(2) with a double root
    white = rng.standard_normal((len(t_F) + 30, *size), np.float32)
    return scipy.signal.lfilter([1 / gain], polynomial, white, axis=0)[30:]


def _guessed(rng: Rng, points_FxLx2: np.ndarray, hidden_FxL: np.ndarray) -> np.ndarray:
    """What is hidden is drawn to where the other side's is: far limbs are taken to move as near ones do."""
    points = points_FxLx2.copy()
    share = rng.uniform(0, 0.7, 2) * (rng.random(2) < 0.5)
    for landmarks, towards in zip((_ARMS, _LEGS), share, strict=True):
        if towards:
            root = points_FxLx2[:, landmarks[:2]]
            offset = np.tile(root, (1, len(landmarks) // 2, 1))
            local = points_FxLx2[:, landmarks] - offset
            other = local.reshape(len(local), -1, 2, 2)[:, :, ::-1].reshape(local.shape)
            weight = towards * hidden_FxL[:, landmarks, None]
            points[:, landmarks] += weight * (other - local)
    return points


def _steps(rng: Rng, error_FxLx2: np.ndarray, t_F: np.ndarray) -> None:
    """Now and then a joint is misplaced for a frame or two, and the limb's end with it."""
    for first in rng.integers(0, len(t_F), rng.poisson(0.15 * t_F[-1])):
        limb = rng.choice([13, 14, 15, 16, 25, 26, 27, 28])
        frames = 1 + int(rng.exponential(1.5))
        error_FxLx2[first : first + frames, limb] += rng.normal(0, 0.15, 2)


def _bursts(rng: Rng, t_F: np.ndarray, a_minute: float, typical_s: float) -> np.ndarray:
    """Frames that lie in stretches which begin so many times a minute, bool (F,)."""
    fps, within_F = 1 / (t_F[1] - t_F[0]), np.zeros(len(t_F), bool)
    for first in rng.integers(0, len(t_F), rng.poisson(a_minute * t_F[-1] / 60)):
        within_F[first : first + 1 + int(rng.exponential(typical_s) * fps)] = True
    return within_F


def _exchange(rng: Rng, xy: np.ndarray, z: np.ndarray, t_F: np.ndarray) -> None:
    """Left and right change places for some frames: of the arms, of the legs or of all."""
    if rng.random() < 0.3:
        within_F = _bursts(rng, t_F, np.exp(rng.uniform(0, 3.4)), 0.25)
        limbs = np.array((_ARMS, _LEGS, [*range(33)])[int(rng.integers(3))])
        at = np.ix_(within_F, limbs)
        xy[at], z[at] = xy[within_F][:, _REFLECTED[limbs]], z[within_F][:, _REFLECTED[limbs]]


def _fall_over(rng: Rng, xy_FxLx2: np.ndarray, t_F: np.ndarray) -> None:
    """Somebody who lies is taken for one whose head is where the feet are, for a while."""
    torso = xy_FxLx2[:, 11:13].mean(1) - xy_FxLx2[:, 23:25].mean(1)
    lies_F = np.abs(torso[:, 0]) > 1.5 * np.abs(torso[:, 1])
    if lies_F.any() and rng.random() < 0.12:
        turned_F = lies_F & _bursts(rng, t_F, 6, 1.0)
        middle = xy_FxLx2[turned_F, 23:25].mean(1, keepdims=True)
        xy_FxLx2[turned_F] = 2 * middle - xy_FxLx2[turned_F]
