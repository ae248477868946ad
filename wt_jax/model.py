"""The model: residual dilated convolutions over a window, self-attention, a class head and a frame head.

Letters: B batch, T frames of a window, I inputs, C classes, D filters, H heads, S dropout sites.
Inside, time is the leading axis: a convolution's shifted taps are then contiguous rows, so that each
tap is one plain matmul (XLA's dilated convolution, in a scan on two CPU cores, took 20 times as long).
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from wt_jax import config
from wt_jax.inputs import n_inputs

_EPSILON = 1e-6  # of LayerNorm; Flax's default


def tap_shifts(kernel_size: int, dilation: int, causal: bool) -> list[int]:
    """For each tap of a convolution, how many frames before (> 0) or after (< 0) its output it reads."""
    return [
        (kernel_size - 1 - tap if causal else kernel_size // 2 - tap) * dilation for tap in range(kernel_size)
    ]


class DilatedConv(nn.Module):
    """A 1-D convolution over time with zero padding: x_TxBxD -> y_TxBxD.

    Equal to `nn.Conv` with `kernel_dilation`, centred or causal padding. Taps, and positions of a tap,
    that would only read padding are never computed.
    """

    filters: int
    kernel_size: int
    dilation: int
    causal: bool
    dtype: Any

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array) -> jax.Array:
        frames, batch, width = x_TxBxD.shape
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(), (self.kernel_size, width, self.filters), jnp.float32
        )
        bias = self.param("bias", nn.initializers.zeros, (self.filters,), jnp.float32)
        x_TxBxD, kernel, bias = nn.dtypes.promote_dtype(x_TxBxD, kernel, bias, dtype=self.dtype)
        y_TxBxD = jnp.broadcast_to(bias, (frames, batch, self.filters))
        for tap, shift in enumerate(tap_shifts(self.kernel_size, self.dilation, self.causal)):
            if abs(shift) >= frames:
                continue
            seen = x_TxBxD[max(-shift, 0) : frames - max(shift, 0)]
            rows = seen.reshape(-1, width) @ kernel[tap]
            y_TxBxD += jnp.pad(
                rows.reshape(-1, batch, self.filters), ((max(shift, 0), max(-shift, 0)), (0, 0), (0, 0))
            )
        return y_TxBxD


def dropout_threshold(rate: float) -> int:
    """Bytes below it are dropped: the rate in steps of 1/256."""
    return round(rate * 256)


def _dropout(x: jax.Array, bits: jax.Array | None, rate: float) -> jax.Array:
    threshold = dropout_threshold(rate)
    if bits is None or threshold == 0:
        return x
    return jnp.where(bits >= threshold, x * (256 / (256 - threshold)), jnp.zeros_like(x))


def draw_bits(options: config.Model, key: jax.Array, samples_B: jax.Array, frames: int) -> jax.Array:
    """Random bytes for all dropout sites of a step: uint8 (S, T, B, D).

    Each sample has its own stream, folded from its position in the global batch, so that the masks do
    not depend on how many devices share the batch. The barrier keeps XLA from drawing the bits again
    inside every consumer (which doubled a step's time on CPU).
    """
    words = -(-options.filters // 4)
    keys_B = jax.vmap(lambda sample: jax.random.fold_in(key, sample))(samples_B)
    shape = (2 * options.blocks, frames, words)
    words_SxTxBxW = jax.vmap(lambda k: jax.random.bits(k, shape, jnp.uint32), out_axes=2)(keys_B)
    bits = lax.bitcast_convert_type(words_SxTxBxW, jnp.uint8).reshape(*words_SxTxBxW.shape[:3], 4 * words)
    return lax.optimization_barrier(bits[..., : options.filters])


class ResidualBlock(nn.Module):
    """x + (convolution, LayerNorm, ReLU, dropout) twice: x_TxBxD -> x_TxBxD."""

    options: config.Model
    dilation: int

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array, bits: Iterator[jax.Array | None]) -> jax.Array:
        options, dtype = self.options, jnp.dtype(self.options.compute_dtype)
        y = x_TxBxD
        for i in range(2):
            y = DilatedConv(
                options.filters, options.kernel_size, self.dilation, options.causal, dtype, name=f"conv_{i}"
            )(y)
            y = nn.LayerNorm(epsilon=_EPSILON, dtype=dtype, name=f"norm_{i}")(y)
            y = _dropout(nn.relu(y), next(bits), options.dropout)
        return x_TxBxD + y


class SelfAttention(nn.Module):
    """Multi-head self-attention over the real frames of a window (earlier ones only if causal)."""

    options: config.Model

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array, mask_BxT: jax.Array) -> jax.Array:
        options, dtype = self.options, jnp.dtype(self.options.compute_dtype)
        size = options.filters // options.heads
        queries, keys, values = (
            nn.DenseGeneral((options.heads, size), use_bias=name != "key", dtype=dtype, name=name)(x_TxBxD)
            for name in ("query", "key", "value")
        )
        # A key's bias moves all scores of a query alike, and softmax ignores that: its gradient is zero.
        # Said so here, because AdamW would turn the rounding of a zero into a random walk.
        bias = self.param("key_bias", nn.initializers.zeros, (1, 1, options.heads, size), jnp.float32)
        keys += lax.stop_gradient(bias).astype(dtype)
        scores_BxHxTxS = jnp.einsum("tbhd,sbhd->bhts", queries, keys) / jnp.sqrt(size).astype(dtype)
        seen = mask_BxT[:, None, None, :]
        if options.causal:
            seen = seen & jnp.tril(jnp.ones((1, 1, *(x_TxBxD.shape[0],) * 2), bool))
        scores_BxHxTxS = jnp.where(seen, scores_BxHxTxS.astype(jnp.float32), jnp.finfo(jnp.float32).min)
        weights_BxHxTxS = nn.softmax(scores_BxHxTxS).astype(dtype)
        mixed_TxBxHxd = jnp.einsum("bhts,sbhd->tbhd", weights_BxHxTxS, values)
        return nn.DenseGeneral(options.filters, axis=(-2, -1), dtype=dtype, name="out")(mixed_TxBxHxd)


class Head(nn.Module):
    """Dense layers with ReLU, then `outputs` logits in float32."""

    options: config.Model
    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, units in enumerate(self.options.dense_units):
            x = nn.relu(nn.Dense(units, dtype=jnp.dtype(self.options.compute_dtype), name=f"dense_{i}")(x))
        return nn.Dense(self.outputs, name="logits")(x.astype(jnp.float32))


class WorkoutModel(nn.Module):
    """Windows of poses -> which exercise, and for each frame whether a repetition starts.

    Call: inputs_BxTxI (`inputs.make_inputs`), mask_BxT (True where a frame is real; what stands in other
    frames is never read), bits_SxTxBxD from `draw_bits` (None: no dropout).
    Returns logits_BxC (softmax over classes) and logits_BxT (sigmoid), float32. A window without a real
    frame gives finite logits that mean nothing.
    """

    options: config.Model
    n_classes: int

    @nn.compact
    def __call__(
        self, inputs_BxTxI: jax.Array, mask_BxT: jax.Array, bits_SxTxBxD: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        options, dtype = self.options, jnp.dtype(self.options.compute_dtype)
        bits = iter([None] * 2 * options.blocks if bits_SxTxBxD is None else bits_SxTxBxD)
        real_TxBx1 = mask_BxT.T[..., None]
        x_TxBxD = nn.Dense(options.filters, dtype=dtype, name="projection")(inputs_BxTxI.transpose(1, 0, 2))
        x_TxBxD = jnp.where(real_TxBx1, x_TxBxD, 0)
        for i in range(options.blocks):
            dilation = options.dilations[i % len(options.dilations)]
            x_TxBxD = ResidualBlock(options, dilation, name=f"block_{i}")(x_TxBxD, bits)
        x_TxBxD += SelfAttention(options, name="attention")(x_TxBxD, mask_BxT)
        x_TxBxD = nn.LayerNorm(epsilon=_EPSILON, dtype=dtype, name="norm")(x_TxBxD)
        n_real_Bx1 = jnp.maximum(mask_BxT.sum(-1, keepdims=True), 1)
        mean_BxD = jnp.where(real_TxBx1, x_TxBxD, 0).astype(jnp.float32).sum(0) / n_real_Bx1
        logits_BxC = Head(options, self.n_classes, name="classification")(mean_BxD.astype(dtype))
        logits_TxBx1 = Head(options, 1, name="segmentation")(x_TxBxD)
        return logits_BxC, logits_TxBx1[..., 0].T


def make_model(options: config.Config) -> WorkoutModel:
    return WorkoutModel(options.model, len(options.data.classes))


def init_params(options: config.Config) -> Any:
    """Parameters drawn from `seed`."""
    inputs = jnp.zeros((1, options.data.window_frames, n_inputs(options.data.inputs)))
    mask = jnp.ones(inputs.shape[:2], bool)
    return jax.jit(make_model(options).init)(jax.random.key(options.seed), inputs, mask)["params"]
