"""Random changes of training windows that leave the exercise and the repetitions what they are.

Drawn on the device, a stream of random numbers for each sample of the global batch, so that the number of
devices changes nothing. Letters: B windows, T frames of a window, L landmarks (33); `points` are 3xLxTxB.
"""

import jax
import jax.numpy as jnp
import numpy as np

from wt_jax import config
from wt_jax.input_pipeline.features import turned
from wt_jax.options import is_off
from wt_jax.runtime.materialize import stored
from wt_jax.skeleton import DEPTH_FACTOR, HIPS, MIRRORED, SHOULDERS


def draw_stretch(options: config.Augment, keys_B: jax.Array) -> jax.Array:
    """How much longer a stretch of the recording each window covers: (B,), 1 is as it was filmed."""
    return jnp.exp(options.speed * _uniform(keys_B, 0))


def augment(options: config.Augment, batch: dict[str, jax.Array], keys_B: jax.Array) -> dict[str, jax.Array]:
    """The batch with points_BxTxLx3 seen by another camera, and with a part of it missing."""
    batch = dict(batch)
    if options.moves_points:
        points = stored(turned(batch["points_BxTxLx3"].astype(jnp.float32)))
        points = _jitter(options, points, keys_B)
        points = _turn(options, points, keys_B)
        batch["points_BxTxLx3"] = turned(_mirror(points, keys_B) if options.mirror else points)
    if not is_off(options.missing):
        seen = _seen(options, batch["mask_BxT"].shape[1], keys_B)
        batch["mask_BxT"] &= seen
        batch["counted_BxT"] &= seen
    return batch


def _uniform(keys_B: jax.Array, stream: int, shape: tuple[int, ...] = (), low: float = -1.0) -> jax.Array:
    def draw(key: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(key, stream), shape, minval=low)

    return jax.vmap(draw)(keys_B)


def _normal(keys_B: jax.Array, stream: int, shape: tuple[int, ...]) -> jax.Array:
    return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, stream), shape))(keys_B)


def _mirror(points: jax.Array, keys_B: jax.Array) -> jax.Array:
    x, *others = points[:, np.array(MIRRORED)]
    return jnp.where((_uniform(keys_B, 1) > 0)[None, None, None], jnp.stack([-x, *others]), points)


def _turn(options: config.Augment, points: jax.Array, keys_B: jax.Array) -> jax.Array:
    """Rotations about the vertical, the horizontal and the viewing axis, in this order."""
    # Turned as deep as z is, limbs would grow.
    rotation = jnp.broadcast_to(jnp.diag(jnp.array([1, 1, 1 / DEPTH_FACTOR]))[..., None], (3, 3, len(keys_B)))
    for stream, (degrees, a, b) in enumerate(
        ((options.yaw_deg, 0, 2), (options.pitch_deg, 1, 2), (options.roll_deg, 0, 1)), 2
    ):
        if not is_off(degrees):
            angle = jnp.deg2rad(degrees) * _uniform(keys_B, stream)[None]
            cos, sin = jnp.cos(angle), jnp.sin(angle)
            both = cos * rotation[a] + sin * rotation[b], cos * rotation[b] - sin * rotation[a]
            rotation = rotation.at[a].set(both[0]).at[b].set(both[1])
    rotation = stored(rotation)
    x, y, z = (rotation[:, i, None, None] * points[i][None] for i in range(3))
    return x + y + z


def _jitter(options: config.Augment, points: jax.Array, keys_B: jax.Array) -> jax.Array:
    """Landmarks a little off: by as much all through the window, and by half as much to and fro, as slowly as
    a pose estimator's errors are."""
    if is_off(options.jitter):
        return points
    landmarks, frames, _ = points.shape[1:]
    torso = points[:2, np.array(SHOULDERS)].mean(1) - points[:2, np.array(HIPS)].mean(1)
    size_B = jnp.sqrt((torso**2).sum(0)).mean(0)  # also over frames without a person
    turns_B = 1.5 + _uniform(keys_B, 6)  # of a wave in the window
    angle_TxB = 2 * jnp.pi * jnp.linspace(0, 1, frames)[:, None] * turns_B[None]
    sine, cosine = (stored(0.5 * wave(angle_TxB))[None, None] for wave in (jnp.sin, jnp.cos))
    normal = stored(turned(_normal(keys_B, 5, (3, landmarks, 3))))
    still, by_sine, by_cosine = (normal[:, :, i, None] for i in range(3))
    noise = still + sine * by_sine + cosine * by_cosine
    return points + (options.jitter * size_B * _uniform(keys_B, 7, low=0.0))[None, None, None] * noise


def _seen(options: config.Augment, frames: int, keys_B: jax.Array) -> jax.Array:
    """Mask (B, T), False in one stretch of each window."""
    length = options.missing * frames * _uniform(keys_B, 8, (1,), low=0.0)
    first = (frames - length) * _uniform(keys_B, 9, (1,), low=0.0)
    frame = jnp.arange(frames)[None]
    return (frame < first) | (frame >= first + length)
