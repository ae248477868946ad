"""The loss: one value a window and one a frame, which the step masks, sums and divides, and their total."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from wt_jax import config
from wt_jax.options import is_off


def losses(
    options: config.Loss,
    logits_BxC: jax.Array,
    labels_B: jax.Array,
    logits_BxT: jax.Array,
    targets_BxT: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Of each window, (B,), and of each of its frames, (B, T); `total_loss` takes the means of both."""
    class_losses_B = focal_losses(logits_BxC, labels_B, options.focal_gamma, options.focal_alpha)
    return class_losses_B, segmentation_losses(logits_BxT, targets_BxT)


def total_loss(options: config.Loss, class_loss: Any, frame_loss: Any) -> Any:
    """What is minimised, of the means over windows of known class and over frames of known repetitions."""
    return class_loss + options.segmentation_weight * frame_loss


def focal_losses(logits_BxC: jax.Array, labels_B: jax.Array, gamma: float, alpha: float) -> jax.Array:
    """Focal loss -alpha (1 - p)^gamma log p of the true class's probability p: (B,).

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equation 5. `labels_B` in [0, C);
    a label outside gives a finite value that must be masked.
    """
    log_p_B = jnp.take_along_axis(
        jax.nn.log_softmax(logits_BxC), jnp.maximum(labels_B, 0)[:, None].astype(jnp.int32), axis=1
    )[:, 0]
    if is_off(gamma):
        return -alpha * log_p_B
    # 1 - p is kept off zero: the power of a fractional gamma has no derivative there.
    miss_B = jnp.maximum(-jnp.expm1(log_p_B), 1e-12)
    return -alpha * miss_B**gamma * log_p_B


def segmentation_losses(logits_BxT: jax.Array, targets_BxT: jax.Array) -> jax.Array:
    """Binary cross-entropy against soft targets in [0, 1]: (B, T)."""
    return optax.sigmoid_binary_cross_entropy(logits_BxT, targets_BxT)
