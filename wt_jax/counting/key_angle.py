"""The plain repetition counter: valleys of the one joint angle that an exercise is about.

What `label --propose` starts from, and the baseline that a model has to beat. It has to be told the
exercise. Letters: F frames at 30 a second, J angles.
"""

import numpy as np
import scipy  # its parts are imported where they are first used: half a second before training starts

from wt_jax.skeleton import ANGLE_NAMES

KEY_JOINTS = {"push-ups": "elbow", "pull-ups": "elbow", "dips": "elbow", "squats": "knee"}
_LIMBS = ("elbow", "shoulder", "hip", "knee")  # of another exercise: hands and feet jitter too much to ask

# Chosen on recordings of the corpus that were for training (scores: tests/counting/test_key_angle.py).
_SMOOTHING_FRAMES = 3.0  # standard deviation of the Gaussian over the angle
_LEAST_SWING = 0.15  # of a repetition, in half turns: 27 degrees
_SHARE_OF_SWING = 0.3  # of the recording's own swing that a repetition has to reach
_MIN_DISTANCE_FRAMES = 15  # between two valleys
_MOVED_FRAMES = 20  # at most: farther off, what bends is not what the network saw
_UNKNOWN_FRAMES = 150  # that the last of fewer than three starts is taken to last
_EXTENDED = 0.01  # share of a repetition's way down that still counts as extended


def key_angle(angles_FxJ: np.ndarray, valid_F: np.ndarray, class_name: str) -> np.ndarray:
    """The angle to watch, (F,) float64 in [0, 1], half turns: 1 is a straight limb.

    The elbow for push-ups, pull-ups and dips, the knee for squats; for any other class, of elbow,
    shoulder, hip and knee the one that moves the most. The mean of both sides. Frames that are not valid
    are interpolated, and held before the first and after the last valid one; 0 where none is.
    """
    if not valid_F.any():
        return np.zeros(len(valid_F))
    frames_F = np.arange(len(valid_F))
    limbs = [KEY_JOINTS[class_name]] if class_name in KEY_JOINTS else _LIMBS
    means = [
        angles_FxJ[:, [ANGLE_NAMES.index(f"{limb}_left"), ANGLE_NAMES.index(f"{limb}_right")]].mean(1)
        for limb in limbs
    ]
    mean_F = max(means, key=lambda mean_F: _swing(mean_F[valid_F]))
    return np.interp(frames_F, frames_F[valid_F], mean_F[valid_F].astype(np.float64))


def smooth_key_angle(angles_FxJ: np.ndarray, valid_F: np.ndarray, class_name: str) -> np.ndarray:
    """`key_angle` without its jitter."""
    return scipy.ndimage.gaussian_filter1d(
        key_angle(angles_FxJ, valid_F, class_name), _SMOOTHING_FRAMES, mode="nearest"
    )


def angle_starts(angles_FxJ: np.ndarray, valid_F: np.ndarray, class_name: str) -> np.ndarray:
    """Where repetitions start by the key angle alone: int32, sorted, at 30 frames a second.

    A repetition is a valley of the smoothed angle. It starts at the last frame before the valley at which
    the limb is still extended, that is within a share of the way down from the highest angle since the
    valley before. [] where nobody is seen, or nothing moves.
    """
    smooth_F = smooth_key_angle(angles_FxJ, valid_F, class_name)
    prominence = max(_LEAST_SWING, _SHARE_OF_SWING * _swing(smooth_F)) if smooth_F.size else 1.0
    valleys, _ = scipy.signal.find_peaks(-smooth_F, prominence=prominence, distance=_MIN_DISTANCE_FRAMES)
    starts = []
    for before, valley in zip([0, *valleys], valleys, strict=False):
        starts.append(before + last_extended(smooth_F[before : valley + 1]))
    return np.array(starts, np.int32)


def align_starts(starts: np.ndarray, key_angle_F: np.ndarray) -> np.ndarray:
    """Starts moved to where the key angle leaves its extended position: int32, strictly increasing.

    A network says that a repetition starts, and about when: its labels lie anywhere in a pause. The angle
    says when the limb begins to bend, by the rule of `angle_starts`, between a little before a start and the
    lowest angle up to the next one.
    """
    aligned: list[int] = []
    valley = 0
    typical = int(np.median(np.diff(starts))) if len(starts) > 2 else _UNKNOWN_FRAMES
    for i, start in enumerate(starts):
        end = int(starts[i + 1]) if i + 1 < len(starts) else min(start + typical, len(key_angle_F))
        first = max(valley, start - _MOVED_FRAMES)
        moved = int(start)
        if end > start + 1:
            valley = start + int(key_angle_F[start:end].argmin())
            bends = first + last_extended(key_angle_F[first : valley + 1])
            moved = bends if bends <= start + _MOVED_FRAMES else moved
        aligned.append(max(moved, aligned[-1] + 1) if aligned else moved)
    return np.array(aligned, np.int32)


def last_extended(way_down: np.ndarray) -> int:
    """The last frame, of those up to a valley, at which the limb is still extended."""
    extended = way_down.max() - _EXTENDED * (way_down.max() - way_down[-1])
    return int(np.flatnonzero(way_down >= extended)[-1])


def _swing(values_F: np.ndarray) -> float:
    """How far an angle moves, outliers aside."""
    low, high = np.percentile(values_F, [5, 95])
    return float(high - low)
