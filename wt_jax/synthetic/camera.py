"""A pinhole camera that films moving skeletons from anywhere around: in the hand, on a stand, walking by.

The landmarks take the road of real ones: one function computes angles for both.
"""

import numpy as np

from wt_jax.synthetic.bodies import Rng, rotation
from wt_jax.synthetic.estimator_errors import estimate

FRAME_SIZES_PX = ((1280, 720), (1920, 1080), (640, 480), (320, 240), (720, 1280), (1080, 1920))
FRAME_RATES_HZ = (24.0, 25.0, 30000 / 1001, 30.0, 60.0)
_SHARE_OF_RATES = (0.1, 0.25, 0.25, 0.35, 0.05)


def choose_frames(rng: Rng) -> tuple[float, int, int]:
    """Frames a second, and the picture's width and height in pixels."""
    width_px, height_px = FRAME_SIZES_PX[rng.integers(len(FRAME_SIZES_PX))]
    return float(rng.choice(FRAME_RATES_HZ, p=_SHARE_OF_RATES)), width_px, height_px


def drift(rng: Rng, t_F: np.ndarray, *size: int) -> np.ndarray:
    """Slow wandering of standard deviation 1, (F, *size): three sinusoids of 1.5 to 7 s each."""
    rate_hz, phase = rng.uniform(0.14, 0.65, (3, *size)), rng.uniform(0, 2 * np.pi, (3, *size))
    coarse_s = np.arange(0, t_F[-1] + 0.3, 0.15)  # far below a period: what lies between is a straight line
    time_s = coarse_s.reshape(-1, 1, *[1] * len(size))
    wave = np.sqrt(2 / 3) * np.sin(2 * np.pi * rate_hz * time_s + phase).sum(1)
    k = np.minimum((t_F / 0.15).astype(int), len(coarse_s) - 2)
    share = (t_F / 0.15 - k).reshape(-1, *[1] * len(size))
    return wave[k] + share * (wave[k + 1] - wave[k])


def film(rng: Rng, points_FxLx3: np.ndarray, t_F: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Landmarks (F, L, 4) as a pose estimator gives them, filmed from anywhere around, with its mistakes.

    The camera stands between the floor and the ceiling; some are held in a hand, and some go round.
    """
    yaw, pitch, roll, distance = rng.uniform([0, -0.6, -0.1, 1.6], [2 * np.pi, 0.6, 0.1, 6.0])
    roll = roll if rng.random() < 0.88 else rng.normal(0, 0.4)  # a phone held askew
    distance = distance if rng.random() < 0.75 else 1.2 + 0.15 * distance  # of a phone on the floor near by
    pitch *= rng.uniform(0.2, 1)  # most look on level, and many from a side or straight
    pitch = pitch if rng.random() < 0.9 else rng.uniform(-1.1, 1.1)  # from the floor, from a balcony
    yaw = yaw if rng.random() < 0.6 else rng.integers(4) * np.pi / 2 + rng.normal(0, 0.25)
    hand = rng.choice([0.0, 0.01, 0.04], p=[0.5, 0.35, 0.15]) * drift(rng, t_F, 3)
    turn_FxD = np.array([roll, -pitch, yaw]) + hand * [0.5, 1, 2]
    if rng.random() < 0.1:  # round the person
        turn_FxD[:, 2] += rng.uniform(-0.12, 0.12) * t_F
    middle = points_FxLx3[::4, 23:25].mean((0, 1)) + rng.normal(0, [0, 0, 0.1])
    view = (points_FxLx3 - middle) @ _looks(turn_FxD)  # the camera looks along -x
    depth = np.maximum(distance + max(0.0, np.percentile(view[..., 0], 99) - 0.5) - view[..., 0], 0.4)
    flat = np.stack([view[..., 1], -view[..., 2]], -1) / depth[..., None]

    frame_px = np.array([width_px, height_px])
    low, high = np.percentile(flat.reshape(-1, 2)[::7], [1, 99], axis=0)
    fills = rng.uniform(0.45, 0.92) if rng.random() < 0.85 else rng.uniform(0.95, 1.4)  # cut off at the edge
    focal_px = fills * (frame_px / (high - low)).min()
    place = 0.5 + rng.uniform(-0.5, 0.5, 2) * np.maximum(1 - focal_px * (high - low) / frame_px, 0.1)
    points_px = (flat - (low + high) / 2) * focal_px + place * frame_px
    hip_depth = depth[:, 23:25].mean(1, keepdims=True)
    z_px = (depth - hip_depth) * focal_px / hip_depth
    landmarks = estimate(rng, points_px, z_px, t_F, width_px, height_px)
    if rng.random() < 0.2:  # somebody stated the picture's size wrong
        landmarks[..., 0] = 0.5 + np.exp(rng.normal(0, 0.25)) * (landmarks[..., 0] - 0.5)
    return landmarks


def _looks(turn_FxD: np.ndarray) -> np.ndarray:
    """What turns the world into the camera's view, (F, 3, 3): by roll, pitch and yaw of each frame."""
    level = np.zeros_like(turn_FxD)
    level[:, 2] = turn_FxD[:, 2]
    tipped = turn_FxD[:, [1, 0, 2]] * [1, 1, 0]
    return rotation(level) @ rotation(tipped)
