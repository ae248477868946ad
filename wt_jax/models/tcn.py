"""The model: residual dilated convolutions over a window, self-attention, a class head and a frame head.

Letters: B batch, T frames of a window, I inputs, C classes, D filters, H heads. Inside, time is the leading
axis (`models.layers`).
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from wt_jax import config
from wt_jax.input_pipeline.features import n_inputs
from wt_jax.models.layers import EPSILON, convolve, matmul, norm_relu_dropout, surplus_rows, tap_shifts
from wt_jax.models.stack_kernels import attention_kernel, layer_weights, stack_kernel


class DilatedConv(nn.Module):
    """A 1-D convolution over time with zero padding.

    Equal to `nn.Conv` with `kernel_dilation`, centred or causal padding.
    """

    filters: int
    shifts: tuple[int, ...]
    dtype: Any

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array) -> jax.Array:
        """(T, B, D) of any width to (T, B, `filters`)."""
        shape = (len(self.shifts), x_TxBxD.shape[-1], self.filters)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.filters,), jnp.float32)
        x_TxBxD, kernel, bias = nn.dtypes.promote_dtype(x_TxBxD, kernel, bias, dtype=self.dtype)
        return convolve(x_TxBxD, kernel, bias, self.shifts)

    def surplus_flops(self, x_TxBxD: jax.Array) -> int:
        """Operations of the call that only meet padding, in a wide product."""
        frames, windows, width = x_TxBxD.shape
        return 2 * surplus_rows(self.shifts, frames) * windows * width * self.filters


class NormReluDropout(nn.Module):
    """LayerNorm, ReLU and dropout."""

    rate: float
    site: int

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array, keys_2xB: jax.Array | None) -> jax.Array:
        """(T, B, D) to (T, B, D); `keys_2xB` None: no dropout."""
        scale = self.param("scale", nn.initializers.ones, x_TxBxD.shape[-1:], jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, x_TxBxD.shape[-1:], jnp.float32)
        return norm_relu_dropout(x_TxBxD, scale, bias, keys_2xB, self.site, self.rate)


def draw_keys(key: jax.Array, samples_B: jax.Array) -> jax.Array:
    """Two random words of each sample, from which its dropout masks come: uint32 (2, B).

    Folded from the position in the global batch: the masks do not depend on how many devices share it.
    """
    return jax.vmap(lambda sample: jax.random.bits(jax.random.fold_in(key, sample), (2,)), out_axes=1)(
        samples_B
    )


class ResidualBlock(nn.Module):
    """x + (convolution, LayerNorm, ReLU, dropout) twice."""

    options: config.Model
    index: int

    @property
    def dilation(self) -> int:
        """Of both of its convolutions."""
        return self.options.dilations[self.index % len(self.options.dilations)]

    @property
    def detail(self) -> str:
        """What the summary says of it beside its name."""
        return f"2 convolutions, dilation {self.dilation}"

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array, keys_2xB: jax.Array | None) -> jax.Array:
        """(T, B, D) to (T, B, D); `keys_2xB` None: no dropout."""
        options, dtype = self.options, jnp.dtype(self.options.compute_dtype)
        shifts = tap_shifts(options.kernel_size, self.dilation, options.causal)
        y = x_TxBxD
        for i in range(2):
            y = DilatedConv(options.filters, shifts, dtype, name=f"conv_{i}")(y)
            y = NormReluDropout(options.dropout, 2 * self.index + i, name=f"norm_{i}")(y, keys_2xB)
        return x_TxBxD + y


class SelfAttention(nn.Module):
    """Multi-head self-attention over the real frames of a window (earlier ones only if causal)."""

    options: config.Model

    @nn.compact
    def __call__(self, x_TxBxD: jax.Array, mask_BxT: jax.Array) -> jax.Array:
        """(T, B, D) to (T, B, D); no frame reads one that `mask_BxT` leaves out."""
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
        """(..., D) to (..., `outputs`)."""
        for i, units in enumerate(self.options.dense_units):
            dtype = jnp.dtype(self.options.compute_dtype)
            x = nn.relu(nn.Dense(units, dtype=dtype, dot_general=matmul, name=f"dense_{i}")(x))
        return nn.Dense(self.outputs, name="logits")(x.astype(jnp.float32))


class WorkoutModel(nn.Module):
    """Windows of poses -> which exercise, and for each frame whether a repetition starts."""

    options: config.Model
    n_classes: int
    platform: str = "cpu"

    @nn.compact
    def __call__(
        self, inputs_BxTxI: jax.Array, mask_BxT: jax.Array, keys_2xB: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of classes (B, C), for a softmax, and of frames (B, T), for a sigmoid, float32.

        `inputs_BxTxI` are those of `features.make_inputs`; `mask_BxT` is True where a frame is real, and what
        stands in other frames is never read; `keys_2xB` are from `draw_keys`, None: no dropout. A window
        without a real frame gives finite logits that mean nothing.
        """
        options, dtype = self.options, jnp.dtype(self.options.compute_dtype)
        real_TxBx1 = mask_BxT.T[..., None]
        x_TxBxD = nn.Dense(options.filters, dtype=dtype, name="projection")(inputs_BxTxI.transpose(1, 0, 2))
        x_TxBxD = jnp.where(real_TxBx1, x_TxBxD, 0)
        blocks = [ResidualBlock(options, i, name=f"block_{i}") for i in range(options.blocks)]
        if run_stack := stack_kernel(options, len(x_TxBxD), self.platform):
            weights = layer_weights([self.variables["params"][f"block_{i}"] for i in range(options.blocks)])
            shifts = tuple(tap_shifts(options.kernel_size, b.dilation, options.causal) for b in blocks)
            x_TxBxD = run_stack(x_TxBxD, weights, keys_2xB, shifts, options.dropout)
        else:
            for block in blocks:
                x_TxBxD = block(x_TxBxD, keys_2xB)
        if attend_and_normalise := attention_kernel(options, len(x_TxBxD), self.platform):
            attention, norm = (self.variables["params"][name] for name in ("attention", "norm"))
            x_TxBxD = attend_and_normalise(x_TxBxD, mask_BxT, attention, norm, options.causal)
        else:
            x_TxBxD += SelfAttention(options, name="attention")(x_TxBxD, mask_BxT)
            x_TxBxD = nn.LayerNorm(epsilon=EPSILON, dtype=dtype, name="norm")(x_TxBxD)
        n_real_Bx1 = jnp.maximum(mask_BxT.sum(-1, keepdims=True), 1)
        mean_BxD = jnp.where(real_TxBx1, x_TxBxD, 0).astype(jnp.float32).sum(0) / n_real_Bx1
        logits_BxC = Head(options, self.n_classes, name="classification")(mean_BxD.astype(dtype))
        logits_TxBx1 = Head(options, 1, name="segmentation")(x_TxBxD)
        return logits_BxC, logits_TxBx1[..., 0].T


def make_model(options: config.Config, platform: str = "cpu") -> WorkoutModel:
    """The module, without parameters, for devices of this platform; its results are those of any other."""
    return WorkoutModel(options.model, len(options.data.classes), platform)


def init_params(options: config.Config) -> Any:
    """Parameters drawn from `seed`."""
    inputs = jnp.zeros((1, options.data.window_frames, n_inputs(options.data.inputs)))
    mask = jnp.ones(inputs.shape[:2], bool)
    return _drawing(make_model(options))(jax.random.key(options.seed), inputs, mask)["params"]


@functools.lru_cache(8)
def _drawing(model: WorkoutModel) -> Any:
    """Traced once for all seeds: the trials of a search draw theirs one after another."""
    return jax.jit(model.init)
