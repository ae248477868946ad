"""What every target's kernels compute of rows of filters (R, D): products, and LayerNorm without weights."""

import jax
import jax.numpy as jnp
from jax import lax

from wt_jax.models.layers import EPSILON


def dot(a: jax.Array, b: jax.Array, axis_a: int, axis_b: int) -> jax.Array:
    """The product over these axes, float32."""
    return lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ())), preferred_element_type=jnp.float32)


def mean(x_RxD: jax.Array) -> jax.Array:
    """Of each row: (R, 1)."""
    return x_RxD.sum(-1, keepdims=True) * (1 / x_RxD.shape[-1])


def standardise(y_RxD: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows with mean 0 and variance 1, float32, and what they were multiplied with (R, 1)."""
    y_RxD = y_RxD.astype(jnp.float32)
    mean_Rx1 = mean(y_RxD)
    inverse_Rx1 = lax.rsqrt(jnp.maximum(mean(y_RxD * y_RxD) - mean_Rx1 * mean_Rx1, 0) + EPSILON)
    return (y_RxD - mean_Rx1) * inverse_Rx1, inverse_Rx1


def differentiate_norm(
    dz_RxD: jax.Array, x_RxD: jax.Array, inverse_Rx1: jax.Array, scale_1xD: jax.Array
) -> jax.Array:
    """The gradient of what `standardise` made `x_RxD` of, from that of `x_RxD * scale_1xD`."""
    dx_RxD = dz_RxD * scale_1xD
    return inverse_Rx1 * (dx_RxD - mean(dx_RxD) - x_RxD * mean(dx_RxD * x_RxD))
