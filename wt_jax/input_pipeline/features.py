"""What the model sees of each frame of a window, computed on the device from angles or landmarks.

Letters: B windows, T frames of a window, L landmarks (33), J angles (25), I inputs.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from wt_jax import config
from wt_jax.skeleton import HIPS, LIMBS, N_ANGLES, SHOULDERS, TRIPLETS

_LEAST_SPREAD = 0.03  # half turns (5 degrees): a joint that moves less is not blown up to one that moves
_TINY = 1e-4  # keeps a limb without length from a division by zero; invalid frames are masked anyway
_WIDTHS = {"angles": N_ANGLES, "orientation": 2 * (1 + len(LIMBS)), "normalised": N_ANGLES}


def n_inputs(names: Sequence[str]) -> int:
    return sum(_WIDTHS[name] for name in names)


def needs_points(options: config.Config) -> bool:
    """Do the inputs or their augmentation need landmarks? Angles alone take a quarter of the memory."""
    return "orientation" in options.data.inputs or options.augment.moves_points


def make_inputs(names: Sequence[str], batch: dict[str, jax.Array]) -> jax.Array:
    """Inputs of windows that hold points_BxTxLx3 or else angles_BxTxJ, and mask_BxT: float32 (B, T, I).

    The `names` in their order, see `config.INPUTS`. What stands in frames outside the mask means nothing.
    """
    points = batch.get("points_BxTxLx3")
    angles_BxTxJ = batch["angles_BxTxJ"] if points is None else joint_angles(points)
    inputs = []
    for name in names:
        if name == "angles":
            inputs.append(angles_BxTxJ)
        elif name == "orientation":
            assert points is not None, "`needs_points` says when to keep landmarks"
            inputs.append(orientations(points))
        else:
            inputs.append(normalised(angles_BxTxJ, batch["mask_BxT"]))
    return jnp.concatenate(inputs, -1)


def joint_angles(points_BxTxLx3: jax.Array) -> jax.Array:
    """The angles of `wt_jax.angles.joint_angles`, in the image plane, from pixels: (B, T, J) in [0, 1]."""
    points = points_BxTxLx3[..., :2].astype(jnp.float32)
    middle = points[..., TRIPLETS[:, 1], :]
    a, b = points[..., TRIPLETS[:, 0], :] - middle, points[..., TRIPLETS[:, 2], :] - middle
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return jnp.arctan2(jnp.abs(cross) + _TINY, (a * b).sum(-1)) / jnp.pi


def orientations(points_BxTxLx3: jax.Array) -> jax.Array:
    """Directions of the torso and the limbs in the image: cosine to straight down, and |sine|, halved."""
    points = points_BxTxLx3[..., :2].astype(jnp.float32)
    torso = points[..., SHOULDERS, :].mean(-2) - points[..., HIPS, :].mean(-2)
    from_, to = jnp.array(LIMBS).T
    limbs = jnp.concatenate([torso[..., None, :], points[..., to, :] - points[..., from_, :]], -2)
    units = limbs / jnp.maximum(jnp.linalg.norm(limbs, axis=-1, keepdims=True), _TINY)
    return 0.5 * jnp.concatenate([units[..., 1], jnp.abs(units[..., 0])], -1)


def normalised(angles_BxTxJ: jax.Array, mask_BxT: jax.Array) -> jax.Array:
    """Angles with their mean over the window's real frames taken off, in (twice) standard deviations."""
    weights = mask_BxT[..., None].astype(angles_BxTxJ.dtype)
    n_real = jnp.maximum(weights.sum(1, keepdims=True), 1)
    centred = angles_BxTxJ - (angles_BxTxJ * weights).sum(1, keepdims=True) / n_real
    variance = (centred**2 * weights).sum(1, keepdims=True) / n_real
    return 0.5 * centred * weights / jnp.sqrt(variance + _LEAST_SPREAD**2)
