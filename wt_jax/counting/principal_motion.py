"""Whatever repeats, counted without being taught: along the one way in which joint angles move the most.

Letters: F frames at 30 a second, J joint angles, M what is looked at of them, P points of a cycle.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported where they are first used: half a second before training starts

from wt_jax.counting.key_angle import KEY_JOINTS, angle_starts, last_extended
from wt_jax.skeleton import ANGLE_NAMES

_LIMBS = ("elbow", "shoulder", "hip", "knee")  # hands and feet jitter too much to ask
N_CURVES = 2 * len(_LIMBS)  # of each the mean of both sides, and half their difference
_LEFT, _RIGHT = ([ANGLE_NAMES.index(f"{limb}_{side}") for limb in _LIMBS] for side in ("left", "right"))

# Chosen on recordings of the corpus that are for training (benchmarks/adaptation.py judges).
_SMOOTHING_FRAMES = 3.0  # standard deviation of the Gaussian over the angles
_SLOW_FRAMES = 90.0  # ... over what is taken off them: how somebody sits, stands, turns
_SHARE_OF_SWING = 0.5  # of the recording's own swing that a repetition has to reach
_LEAST_SHARE = 0.1  # ... where it is known how many there are
_LEAST_SWING = 0.08  # half turns: less is nobody's exercise
_MIN_DISTANCE_FRAMES = 12  # between two turning points
_POINTS = 16  # of a cycle, to compare it with others
_LEAST_LIKENESS = 0.75  # for something to be said to repeat: of exercises seven in eight are above
FEWEST = 3  # times that something is done for it to be said to repeat: twice is chance


@dataclass(frozen=True, eq=False)
class Repeated:
    """What is done again and again: along which `direction_M` (unit length, either sign; 0 where nothing
    moves), how far (`swing`, half turns), from which frames on (`starts`), and how `alike` (`likeness`).
    """

    direction_M: np.ndarray
    swing: float
    starts: np.ndarray
    alike: float

    @property
    def sure_starts(self) -> np.ndarray:
        """The starts, where the repetitions are so alike that it is no chance."""
        return self.starts if self.alike >= _LEAST_LIKENESS else self.starts[:0]


def principal_motion(angles_FxJ: np.ndarray, valid_F: np.ndarray) -> np.ndarray:
    """How far somebody is along their main movement, (F,) float64 in half turns, high where they stay longer.

    The first principal component of elbows, shoulders, hips and knees: of each the mean of both sides, and
    how far apart they are, so that a left and a right leg in turn are two repetitions. What changes over
    many seconds is left out. Frames that are not valid are interpolated; 0 where none is.
    """
    motion_FxM = _motion(angles_FxJ, valid_F)
    return _along(motion_FxM, _direction(motion_FxM))


def _direction(motion_FxM: np.ndarray) -> np.ndarray:
    if not motion_FxM.any():
        return np.zeros(motion_FxM.shape[1])
    return np.linalg.eigh(motion_FxM.T @ motion_FxM)[1][:, -1]


def _along(motion_FxM: np.ndarray, direction_M: np.ndarray) -> np.ndarray:
    along_F = motion_FxM @ direction_M
    if not along_F.any():
        return along_F
    low, high = np.percentile(along_F, [5, 95])
    return along_F if np.median(along_F) >= (low + high) / 2 else -along_F


def _swing(along_F: np.ndarray) -> float:
    return float(np.ptp(np.percentile(along_F, [5, 95]))) if along_F.size else 0.0


def motion_starts(angles_FxJ: np.ndarray, valid_F: np.ndarray, count: int | None = None) -> np.ndarray:
    """Where repetitions of whatever is done start: int32, sorted, at 30 frames a second.

    A repetition is a valley of the principal motion; it starts at the last frame before at which the position
    that somebody comes from is still held. [] where nobody is seen, or nothing moves. Where somebody has
    counted them, the deepest `count` valleys are taken, or fewer where there are no more.
    """
    return _starts(principal_motion(angles_FxJ, valid_F), count)


def _starts(along_F: np.ndarray, count: int | None = None) -> np.ndarray:
    swing = _swing(along_F)
    if swing < _LEAST_SWING:
        return np.zeros(0, np.int32)
    share = _SHARE_OF_SWING if count is None else _LEAST_SHARE
    valleys, found = scipy.signal.find_peaks(
        -along_F, prominence=share * swing, distance=_MIN_DISTANCE_FRAMES
    )
    if count is not None:
        valleys = np.sort(valleys[np.argsort(-found["prominences"], kind="stable")[:count]])
    starts = [
        before + last_extended(along_F[before : valley + 1])
        for before, valley in zip([0, *valleys], valleys, strict=False)
    ]
    return np.array(starts, np.int32)


def untaught_starts(angles_FxJ: np.ndarray, valid_F: np.ndarray, class_name: str) -> np.ndarray:
    """Starts without a model: by the key angle of an exercise that has one, else by what repeats."""
    if class_name in KEY_JOINTS:
        return angle_starts(angles_FxJ, valid_F, class_name)
    return motion_starts(angles_FxJ, valid_F)


def likeness(angles_FxJ: np.ndarray, valid_F: np.ndarray, starts: np.ndarray) -> float:
    """How alike the cycles between these starts are: the median of their correlations with their mean.

    In [-1, 1]; 0 of fewer than `FEWEST` starts.
    """
    return _likeness(_motion(angles_FxJ, valid_F), starts)


def repeated(angles_FxJ: np.ndarray, valid_F: np.ndarray) -> Repeated:
    """The `principal_motion` and what is found along it."""
    motion_FxM = _motion(angles_FxJ, valid_F)
    direction_M = _direction(motion_FxM)
    along_F = _along(motion_FxM, direction_M)
    starts = _starts(along_F)
    return Repeated(direction_M, _swing(along_F), starts, _likeness(motion_FxM, starts))


def _likeness(motion_FxM: np.ndarray, starts: np.ndarray) -> float:
    if len(starts) < FEWEST:
        return 0.0
    frames_CxP = np.linspace(starts[:-1], starts[1:], _POINTS, axis=1)
    cycles = np.stack(
        [[np.interp(at_P, np.arange(len(motion_FxM)), of_F) for of_F in motion_FxM.T] for at_P in frames_CxP]
    ).reshape(len(starts) - 1, -1)
    mean = cycles.mean(0)
    products = cycles @ mean / (np.linalg.norm(cycles, axis=1) * np.linalg.norm(mean) + 1e-9)
    return float(np.median(products))


def _motion(angles_FxJ: np.ndarray, valid_F: np.ndarray) -> np.ndarray:
    """Of each limb the mean of both sides and half their difference, (F, M), less their slow changes."""
    if not valid_F.any():
        return np.zeros((len(valid_F), N_CURVES))
    frames_F, at = np.arange(len(valid_F)), np.flatnonzero(valid_F)
    sides = [
        np.stack([np.interp(frames_F, at, angles_FxJ[at, i].astype(np.float64)) for i in side], 1)
        for side in (_LEFT, _RIGHT)
    ]
    left, right = (_smooth(side, _SMOOTHING_FRAMES) for side in sides)
    left, right = left - _smooth(left, _SLOW_FRAMES), right - _smooth(right, _SLOW_FRAMES)
    motion_FxM = np.concatenate([left + right, np.abs(left - right)], 1) / 2
    return motion_FxM - motion_FxM.mean(0)


def _smooth(values_FxM: np.ndarray, sigma_frames: float) -> np.ndarray:
    return scipy.ndimage.gaussian_filter1d(values_FxM, sigma_frames, axis=0, mode="nearest")
