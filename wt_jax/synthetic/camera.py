"""A pinhole camera that films moving skeletons from anywhere around, with a pose estimator's mistakes.

The landmarks take the road of real ones: one function computes angles for both.
"""

import numpy as np

from wt_jax.synthetic.bodies import (
    Rng,
    rotation,
)

FRAME_SIZES_PX = ((1280, 720), (1920, 1080), (640, 480), (320, 240), (720, 1280), (1080, 1920))
FRAME_RATES_HZ = (24.0, 25.0, 30000 / 1001, 30.0, 60.0)


def drift(rng: Rng, t_F: np.ndarray, *size: int) -> np.ndarray:
    """Slow wandering of standard deviation 1, (F, *size): three sinusoids of 1.5 to 7 s each."""
    rate_hz, phase = rng.uniform(0.14, 0.65, (3, *size)), rng.uniform(0, 2 * np.pi, (3, *size))
    time_s = t_F.reshape(-1, *[1] * (len(size) + 1))
    return np.sqrt(2 / 3) * np.sin(2 * np.pi * rate_hz * time_s + phase).sum(1)


def film(rng: Rng, points_FxLx3: np.ndarray, t_F: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Landmarks (F, L, 4) as a pose estimator gives them, filmed from anywhere around, with its mistakes."""
    yaw, pitch, roll, distance = rng.uniform([0, -0.05, -0.05, 2.2], [2 * np.pi, 0.4, 0.05, 6.0])
    middle = (points_FxLx3.min((0, 1)) + points_FxLx3.max((0, 1))) / 2
    turn = rotation(np.array([0, 0, yaw])) @ rotation(np.array([-pitch, roll, 0]))
    view = (points_FxLx3 - middle) @ turn  # the camera looks along -x
    depth = distance + view[..., 0].max() - view[..., 0]
    flat = np.stack([view[..., 1], -view[..., 2]], -1) / depth[..., None]
    frame_px, extent = np.array([width_px, height_px]), np.ptp(flat, (0, 1))
    focal_px = rng.uniform(0.5, 0.92) * (frame_px / extent).min()
    corner_px = 0.04 * frame_px + rng.uniform(0, 1, 2) * (0.92 * frame_px - focal_px * extent)

    hip_depth = depth[:, 23:25].mean(1, keepdims=True)
    hidden = 1 / (1 + np.exp((depth.mean(1, keepdims=True) - depth) / 0.08))  # 1: the far side of the body
    unsure = (1 + hidden) * np.where(np.isin(np.arange(33), [*range(17, 23), *range(27, 33)]), 1.5, 1.0)
    shake, wander = rng.uniform([0.0005, 0.002], [0.003, 0.01])  # metres, of a landmark in plain view
    error = shake * rng.normal(size=flat.shape) + wander * drift(rng, t_F, 33, 2)
    for first in rng.integers(0, len(t_F), rng.poisson(2)):  # an elbow, wrist, knee or ankle is misplaced
        limb, frames = rng.choice([13, 14, 15, 16, 25, 26, 27, 28]), rng.integers(1, 5)
        error[first : first + frames, limb] += rng.normal(0, 0.08, 2)
    error_px = unsure[..., None] * error * focal_px / hip_depth.mean()
    xy = np.clip(((flat - flat.min((0, 1))) * focal_px + corner_px + error_px) / frame_px, 0, 1)
    z = (depth - hip_depth) * focal_px / hip_depth / width_px
    landmarks = np.concatenate([xy, z[..., None], (0.99 - 0.5 * hidden)[..., None]], -1).astype(np.float32)
    for first in rng.integers(0, len(t_F), rng.poisson(0.7)):  # somebody walks through the picture
        landmarks[first : first + rng.integers(1, 13)] = np.nan
    return landmarks
