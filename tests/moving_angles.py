"""Joint angles made by hand, of 360 frames: one that goes down and up again five times."""

import numpy as np

from wt_jax.skeleton import ANGLE_NAMES

ALL = np.ones(360, bool)
STARTS = [20, 80, 140, 200, 260]


def angles(**joints):
    """Of 360 frames all angles 0.6, but those named."""
    angles_FxJ = np.full((360, len(ANGLE_NAMES)), 0.6, np.float32)
    for name, values in joints.items():
        angles_FxJ[:, ANGLE_NAMES.index(name)] = values
    return angles_FxJ


def repeated(starts=STARTS, depth=0.4):
    """0.9, and from each start 20 frames down and 20 up again."""
    values = np.full(360, 0.9, np.float32)
    for start in starts:
        values[start : start + 41] -= depth * (1 - np.abs(np.linspace(-1, 1, 41)))
    return values
