"""What the model sees of each frame of a window, computed on the device from angles or landmarks.

A feature is a function of the batch with an entry in `FEATURES`; data.inputs chooses some by name, of those
that the options list as INPUTS.

Inside, windows are the last axis: a joint is then a plane, and taking some joints copies planes, where a
device with long vectors would go over all landmarks for each (benchmarks/RESULTS.md).
Letters: B windows, T frames of a window, L landmarks (33), J angles (25), I inputs, P pairs of landmarks.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from wt_jax import config
from wt_jax.skeleton import HIPS, LIMBS, N_ANGLES, SHOULDERS, TRIPLETS

_LEAST_SPREAD = 0.03  # half turns (5 degrees): a joint that moves less is not blown up to one that moves
_TINY = 1e-4  # keeps a limb without length from a division by zero; invalid frames are masked anyway

Planes = dict[str, jax.Array]


class Feature(NamedTuple):
    """One input feature: `compute` makes (width, T, B) of the planes of windows.

    They are angles_JxTxB and mask_TxB, and points_3xLxTxB where a feature `needs_landmarks`.
    """

    compute: Callable[[Planes], jax.Array]
    width: int
    needs_landmarks: bool = False


def n_inputs(names: Sequence[str]) -> int:
    """How many numbers the model sees of a frame, with these features."""
    return sum(_feature(name).width for name in names)


def needs_points(options: config.Config) -> bool:
    """Do the inputs or their augmentation need landmarks? Angles alone take a quarter of the memory."""
    return options.augment.moves_points or any(_feature(name).needs_landmarks for name in options.data.inputs)


def make_inputs(names: Sequence[str], batch: dict[str, jax.Array]) -> jax.Array:
    """Inputs of windows that hold points_BxTxLx3 or else angles_BxTxJ, and mask_BxT: float32 (B, T, I).

    The features of these `names`, in their order. What stands in frames outside the mask means nothing.
    """
    planes = {"mask_TxB": batch["mask_BxT"].T}
    if "points_BxTxLx3" in batch:
        planes["points_3xLxTxB"] = turned(batch["points_BxTxLx3"].astype(jnp.float32))
        planes["angles_JxTxB"] = point_angles(planes["points_3xLxTxB"])
    else:
        planes["angles_JxTxB"] = turned(batch["angles_BxTxJ"])
    inputs = []
    for name in names:
        feature = _feature(name)
        assert not feature.needs_landmarks or "points_3xLxTxB" in planes, (
            f"{name} needs landmarks: `needs_points` says when to keep them"
        )
        inputs.append(feature.compute(planes))
    return turned(jnp.concatenate(inputs))


def turned(x: jax.Array) -> jax.Array:
    """With its axes in reverse: windows first, or planes first."""
    return x.transpose()


def _feature(name: str) -> Feature:
    assert name in FEATURES, f"no input feature {name!r}: FEATURES has {', '.join(FEATURES)}"
    return FEATURES[name]


def point_angles(points_3xLxTxB: jax.Array) -> jax.Array:
    """The angles of `pose.joint_angles`, here from points in pixels, on the device: (J, T, B) in [0, 1]."""
    from_, middle, to = (points_3xLxTxB[:2, TRIPLETS[:, i]] for i in range(3))
    (ax, ay), (bx, by) = from_ - middle, to - middle
    return jnp.arctan2(jnp.abs(ax * by - ay * bx) + _TINY, ax * bx + ay * by) / jnp.pi


def angles(planes: Planes) -> jax.Array:
    """The joint angles as they are, in half turns."""
    return planes["angles_JxTxB"]


def orientation(planes: Planes) -> jax.Array:
    """Directions of the torso and the limbs in the image: cosine to straight down, and |sine|, halved."""
    x_PxTxB, y_PxTxB = _torso_and(LIMBS, planes)
    length_PxTxB = jnp.maximum(jnp.sqrt(x_PxTxB**2 + y_PxTxB**2), _TINY)
    return 0.5 * jnp.concatenate([y_PxTxB / length_PxTxB, jnp.abs(x_PxTxB / length_PxTxB)])


def lengths(planes: Planes) -> jax.Array:
    """Lengths in the image of torso, shoulders, hips and limbs, beside their root mean square: what is turned
    away from the camera is short."""
    x_PxTxB, y_PxTxB = _torso_and((*LIMBS, SHOULDERS, HIPS), planes)
    squares_PxTxB = x_PxTxB**2 + y_PxTxB**2
    return 0.5 * jnp.sqrt(squares_PxTxB / jnp.maximum(squares_PxTxB.mean(0, keepdims=True), _TINY) + _TINY)


def _torso_and(pairs: Sequence[tuple[int, int]], planes: Planes) -> jax.Array:
    """From hips to shoulders, and from the one landmark of each pair to the other: (2, P, T, B)."""
    points = planes["points_3xLxTxB"][:2]
    torso = points[:, np.array(SHOULDERS)].mean(1) - points[:, np.array(HIPS)].mean(1)
    from_, to = np.array(pairs).T
    return jnp.concatenate([torso[:, None], points[:, to] - points[:, from_]], 1)


def normalised(planes: Planes) -> jax.Array:
    """Angles with their mean over the window's real frames taken off, in (twice) standard deviations."""
    angles_JxTxB = planes["angles_JxTxB"]
    weights = planes["mask_TxB"][None].astype(angles_JxTxB.dtype)
    n_real = jnp.maximum(weights.sum(1, keepdims=True), 1)
    centred = angles_JxTxB - (angles_JxTxB * weights).sum(1, keepdims=True) / n_real
    variance = (centred**2 * weights).sum(1, keepdims=True) / n_real
    return 0.5 * centred * weights / jnp.sqrt(variance + _LEAST_SPREAD**2)


FEATURES: dict[str, Feature] = {
    "angles": Feature(angles, N_ANGLES),
    "orientation": Feature(orientation, 2 * (1 + len(LIMBS)), needs_landmarks=True),
    "lengths": Feature(lengths, 3 + len(LIMBS), needs_landmarks=True),
    "normalised": Feature(normalised, N_ANGLES),
}
