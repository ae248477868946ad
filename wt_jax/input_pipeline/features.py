"""What the model sees of each frame of a window, computed on the device from angles or landmarks.

A feature is a function of the batch with an entry in `FEATURES`; data.inputs chooses some by name, of those
that the options list as INPUTS.

Letters: B windows, T frames of a window, L landmarks (33), J angles (25), I inputs.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from wt_jax import config
from wt_jax.skeleton import HIPS, LIMBS, N_ANGLES, SHOULDERS, TRIPLETS

_LEAST_SPREAD = 0.03  # half turns (5 degrees): a joint that moves less is not blown up to one that moves
_TINY = 1e-4  # keeps a limb without length from a division by zero; invalid frames are masked anyway

Batch = dict[str, jax.Array]


class Feature(NamedTuple):
    """One input feature: `compute` makes (B, T, width) of a batch of windows.

    A batch holds angles_BxTxJ and mask_BxT, and points_BxTxLx3 where a feature `needs_landmarks`.
    """

    compute: Callable[[Batch], jax.Array]
    width: int
    needs_landmarks: bool = False


def n_inputs(names: Sequence[str]) -> int:
    """How many numbers the model sees of a frame, with these features."""
    return sum(_feature(name).width for name in names)


def needs_points(options: config.Config) -> bool:
    """Do the inputs or their augmentation need landmarks? Angles alone take a quarter of the memory."""
    return options.augment.moves_points or any(_feature(name).needs_landmarks for name in options.data.inputs)


def make_inputs(names: Sequence[str], batch: Batch) -> jax.Array:
    """Inputs of windows that hold points_BxTxLx3 or else angles_BxTxJ, and mask_BxT: float32 (B, T, I).

    The features of these `names`, in their order. What stands in frames outside the mask means nothing.
    """
    if "points_BxTxLx3" in batch:
        batch = {**batch, "angles_BxTxJ": point_angles(batch["points_BxTxLx3"])}
    inputs = []
    for name in names:
        feature = _feature(name)
        assert not feature.needs_landmarks or "points_BxTxLx3" in batch, (
            f"{name} needs landmarks: `needs_points` says when to keep them"
        )
        inputs.append(feature.compute(batch))
    return jnp.concatenate(inputs, -1)


def _feature(name: str) -> Feature:
    assert name in FEATURES, f"no input feature {name!r}: FEATURES has {', '.join(FEATURES)}"
    return FEATURES[name]


def point_angles(points_BxTxLx3: jax.Array) -> jax.Array:
    """The angles of `pose.joint_angles`, here from points in pixels, on the device: (B, T, J) in [0, 1]."""
    points = points_BxTxLx3[..., :2].astype(jnp.float32)
    middle = points[..., TRIPLETS[:, 1], :]
    a, b = points[..., TRIPLETS[:, 0], :] - middle, points[..., TRIPLETS[:, 2], :] - middle
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return jnp.arctan2(jnp.abs(cross) + _TINY, (a * b).sum(-1)) / jnp.pi


def angles(batch: Batch) -> jax.Array:
    """The joint angles as they are, in half turns."""
    return batch["angles_BxTxJ"]


def orientation(batch: Batch) -> jax.Array:
    """Directions of the torso and the limbs in the image: cosine to straight down, and |sine|, halved."""
    limbs = _torso_and(LIMBS, batch)
    units = limbs / jnp.maximum(jnp.linalg.norm(limbs, axis=-1, keepdims=True), _TINY)
    return 0.5 * jnp.concatenate([units[..., 1], jnp.abs(units[..., 0])], -1)


def lengths(batch: Batch) -> jax.Array:
    """Lengths in the image of torso, shoulders, hips and limbs, beside their root mean square: what is turned
    away from the camera is short."""
    squares = (_torso_and((*LIMBS, SHOULDERS, HIPS), batch) ** 2).sum(-1)
    return 0.5 * jnp.sqrt(squares / jnp.maximum(squares.mean(-1, keepdims=True), _TINY) + _TINY)


def _torso_and(pairs: Sequence[tuple[int, int]], batch: Batch) -> jax.Array:
    """From hips to shoulders, and from the one landmark of each pair to the other: (B, T, 1 + n, 2)."""
    points = batch["points_BxTxLx3"][..., :2].astype(jnp.float32)
    torso = points[..., SHOULDERS, :].mean(-2) - points[..., HIPS, :].mean(-2)
    from_, to = jnp.array(pairs).T
    return jnp.concatenate([torso[..., None, :], points[..., to, :] - points[..., from_, :]], -2)


def normalised(batch: Batch) -> jax.Array:
    """Angles with their mean over the window's real frames taken off, in (twice) standard deviations."""
    angles_BxTxJ = batch["angles_BxTxJ"]
    weights = batch["mask_BxT"][..., None].astype(angles_BxTxJ.dtype)
    n_real = jnp.maximum(weights.sum(1, keepdims=True), 1)
    centred = angles_BxTxJ - (angles_BxTxJ * weights).sum(1, keepdims=True) / n_real
    variance = (centred**2 * weights).sum(1, keepdims=True) / n_real
    return 0.5 * centred * weights / jnp.sqrt(variance + _LEAST_SPREAD**2)


FEATURES: dict[str, Feature] = {
    "angles": Feature(angles, N_ANGLES),
    "orientation": Feature(orientation, 2 * (1 + len(LIMBS)), needs_landmarks=True),
    "lengths": Feature(lengths, 3 + len(LIMBS), needs_landmarks=True),
    "normalised": Feature(normalised, N_ANGLES),
}
