"""What a person's body does over a video, as curves: the key joint angle, and how far the body travels.

Letters: F frames at 30 a second, J angles, L landmarks (33).
"""

from dataclasses import dataclass

import numpy as np
import scipy

from wt_jax.counting.key_angle import KEY_JOINTS, smooth_key_angle
from wt_jax.pose.joint_angles import pose_sequence
from wt_jax.pose.landmarks import Landmarks
from wt_jax.skeleton import FRAME_RATE_HZ, HIPS, SHOULDERS

_WRISTS, _ANKLES = (15, 16), (27, 28)
_TRAVELS = {"shoulders over wrists": (SHOULDERS, _WRISTS), "hips over ankles": (HIPS, _ANKLES)}
# Of exercises that are known: arms that swing along in a squat move more than the hips, and say less.
_TRAVEL_OF = {"squats": "hips over ankles"} | dict.fromkeys(
    ("push-ups", "pull-ups", "dips"), "shoulders over wrists"
)
_SMOOTHING_FRAMES = 3.0  # standard deviation of the Gaussian, as of the angle
_LEAST_SWING = 0.1  # half turns, or torso lengths: what moves less is drawn flat, not as jitter blown up


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves of one video, each with its name: (F,) as shares of its own swing, most values in [0, 1].

    `times_s` (F,) are those of their frames, in seconds of the video; `valid_F` is True where somebody is
    seen.
    """

    times_s: np.ndarray
    valid_F: np.ndarray
    shares: dict[str, np.ndarray]


def make_curves(landmarks: Landmarks, class_name: str) -> Curves:
    """The key angle of the exercise (1: the limb is straight) and the body's travel (1: high).

    The travel is the height of the shoulders over the wrists or of the hips over the ankles, the means of
    both sides: of squats the hips', of push-ups, pull-ups and dips the shoulders', of any other exercise
    what moves the most.
    """
    angles_FxJ, points_FxLx3, valid_F = pose_sequence(
        landmarks.landmarks_FxLx4, landmarks.times_s, landmarks.width_px, landmarks.height_px
    )
    limb = KEY_JOINTS.get(class_name, "limb that moves most")
    curves = {f"{limb}: angle": smooth_key_angle(angles_FxJ, valid_F, class_name)}
    heights = {
        name: _height(points_FxLx3.astype(np.float64), valid_F, *ends) for name, ends in _TRAVELS.items()
    }
    name = _TRAVEL_OF.get(class_name) or max(heights, key=lambda name: _swing(heights[name], valid_F)[1])
    curves[f"{name}: height"] = heights[name]
    return Curves(
        times_s=landmarks.times_s[0] + np.arange(len(valid_F)) / FRAME_RATE_HZ,
        valid_F=valid_F,
        shares={name: _share(values_F, valid_F) for name, values_F in curves.items()},
    )


def _height(
    points_FxLx3: np.ndarray, valid_F: np.ndarray, upper: tuple[int, int], lower: tuple[int, int]
) -> np.ndarray:
    """How high the middle of one pair is over that of another, (F,) in torso lengths; 0 with nobody seen."""
    if not valid_F.any():
        return np.zeros(len(valid_F))
    torsos_F = np.hypot(*points_FxLx3[:, SHOULDERS, :2].mean(1).T)  # points are measured from the hips
    torso = max(float(np.median(torsos_F[valid_F])), 1e-6)
    height_F = (points_FxLx3[:, lower, 1].mean(1) - points_FxLx3[:, upper, 1].mean(1)) / torso
    frames_F = np.arange(len(valid_F))
    filled_F = np.interp(frames_F, frames_F[valid_F], height_F[valid_F])
    return scipy.ndimage.gaussian_filter1d(filled_F, _SMOOTHING_FRAMES, mode="nearest")


def _swing(values_F: np.ndarray, valid_F: np.ndarray) -> tuple[float, float]:
    """Middle and size of what a curve moves through, outliers aside."""
    if not valid_F.any():
        return 0.0, 0.0
    low, high = np.percentile(values_F[valid_F], [2, 98])
    return (low + high) / 2, high - low


def _share(values_F: np.ndarray, valid_F: np.ndarray) -> np.ndarray:
    middle, swing = _swing(values_F, valid_F)
    return 0.5 + (values_F - middle) / max(swing, _LEAST_SWING)
