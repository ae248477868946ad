"""Self-attention, its residual sum and the normalisation after it as three Triton kernels, written in Pallas.

Unmeasured on hardware, as the residual stack's: compiled ahead of time, and checked in Pallas's interpreter.

A window reads no other window. So a program takes a few windows with all their frames as one tile of rows
(frame, window), and the scores between all of its rows at once: those between two windows count as nothing.
It goes from head to head, and nothing that one leaves is read by the next. For the gradients memory keeps
what the heads mixed; the backward kernel computes the rest again, from the input.

Letters: T frames, B windows, D filters, H heads, d filters of a head, R rows of a program, P parts of a sum.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from wt_jax.models.kernel_rows import differentiate_norm, dot, standardise
from wt_jax.models.window_tiles import Tile, call, windows_of

_LEAST_ROWS = 64  # of a program: a tensor core's four warps; more would score more rows of other windows
_LEAST_SIZE = 16  # of a head: what Triton multiplies at least
_PARTS = 64  # of a gradient: with 4 heads 256 programs, about two for each of an H200's 132 processors
_PART_ROWS = 64  # that one of these multiplies at once


class _Attention(NamedTuple):
    """What is known when an attention is traced."""

    rows: int
    size: int  # of a head, without what is added to it
    causal: bool
    interpret: bool


def attend_and_normalise(
    x_TxBxD: jax.Array, mask_BxT: jax.Array, attention: Any, norm: Any, causal: bool, interpret: bool = False
) -> jax.Array:
    """LayerNorm(x + self-attention(x)): (T, B, D), in the type of `x_TxBxD`.

    `attention` and `norm` are the parameters, float32, of `tcn.SelfAttention` and of the `nn.LayerNorm` after
    it, and the results are theirs, of a window without a real frame too. Sums, scores and the sum that is
    normalised are float32. `interpret`: on any machine, slowly. What it does not take:
    `residual_kernel_gpu.refusal`.
    """
    frames, windows, _ = x_TxBxD.shape
    size = attention["key_bias"].shape[-1]
    rows = max(_LEAST_ROWS, pl.next_power_of_2(frames))
    surplus = -windows % windows_of(rows, frames)  # gradients of these rows are 0, and cut off
    if surplus:
        x_TxBxD = jnp.pad(x_TxBxD, ((0, 0), (0, surplus), (0, 0)))
        mask_BxT = jnp.pad(mask_BxT, ((0, surplus), (0, 0)))
    kernels = [attention[name]["kernel"].transpose(1, 0, 2) for name in ("query", "key", "value")]
    kernel_4xHxDxd = jnp.stack([*kernels, attention["out"]["kernel"].transpose(0, 2, 1)])
    key_bias_Hxd = lax.stop_gradient(attention["key_bias"][0, 0])
    bias_3xHxd = jnp.stack([attention["query"]["bias"], key_bias_Hxd, attention["value"]["bias"]])
    vectors_3xD = jnp.stack([attention["out"]["bias"], norm["scale"], norm["bias"]])
    if size < _LEAST_SIZE:
        kernel_4xHxDxd, bias_3xHxd = (
            jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, _LEAST_SIZE - size)])
            for array in (kernel_4xHxDxd, bias_3xHxd)
        )
    known = _Attention(rows, size, causal, interpret)
    mask_TxB = mask_BxT.T.astype(jnp.int8)
    return _run(known, x_TxBxD, mask_TxB, kernel_4xHxDxd, bias_3xHxd, vectors_3xD)[:, :windows]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(known: _Attention, x_TxBxD: jax.Array, *weights: jax.Array) -> jax.Array:
    return _run_forward(known, x_TxBxD, *weights)[0]


def _run_forward(
    known: _Attention,
    x_TxBxD: jax.Array,
    mask_TxB: jax.Array,
    kernel_4xHxDxd: jax.Array,
    bias_3xHxd: jax.Array,
    vectors_3xD: jax.Array,
) -> tuple:
    ins = {"x": x_TxBxD, "mask": mask_TxB, "kernel": kernel_4xHxDxd.astype(x_TxBxD.dtype)}
    ins |= {"bias": bias_3xHxd, "vectors": vectors_3xD}
    _, heads, _, size = kernel_4xHxDxd.shape
    mixed_HxTxBxd = jax.ShapeDtypeStruct((heads, *x_TxBxD.shape[:2], size), x_TxBxD.dtype)
    done = _call(_forward, known, ins, {"mixed": mixed_HxTxBxd, "out": x_TxBxD})
    return done["out"], ins | {"mixed": done["mixed"]}


def _run_backward(known: _Attention, saved: dict[str, Any], dout_TxBxD: jax.Array) -> tuple:
    mixed_HxTxBxd = saved["mixed"]
    programs = dout_TxBxD.shape[1] // windows_of(known.rows, len(dout_TxBxD))
    outs = {
        "dx": dout_TxBxD,
        "dy": dout_TxBxD,
        "dparts": jax.ShapeDtypeStruct((3, *mixed_HxTxBxd.shape), mixed_HxTxBxd.dtype),
        "sums_of_parts": jax.ShapeDtypeStruct((programs, *saved["bias"].shape), jnp.float32),
        "sums": jax.ShapeDtypeStruct((programs, *saved["vectors"].shape), jnp.float32),
    }
    done = _call(_backward, known, saved | {"dout": dout_TxBxD}, outs)
    dkernel_4xHxDxd = _differentiate_kernels(known, saved["x"], done["dparts"], done["dy"], mixed_HxTxBxd)
    dmask = np.zeros(saved["mask"].shape, jax.dtypes.float0)
    return done["dx"], dmask, dkernel_4xHxDxd, done["sums_of_parts"].sum(0), done["sums"].sum(0)


_run.defvjp(_run_forward, _run_backward)


def _call(kernel: Any, known: _Attention, ins: dict[str, Any], outs: dict[str, Any]) -> dict[str, jax.Array]:
    whole = ("kernel", "bias", "vectors")
    return call(partial(kernel, known), known.rows, ins["x"], ins, outs, whole, known.interpret)


class _Heads:
    """What each head of a program computes of its rows."""

    def __init__(self, known: _Attention, ins: dict[str, Any]) -> None:
        self.known, self.ins = known, ins
        self.rows, self.part = (Tile(known.rows, ref.shape) for ref in (ins["x"], ins["mixed"]))
        self.x = self.rows.load(ins["x"])
        frame, window = self.rows.frame, self.rows.window
        real = triton.load(ins["mask"].at[frame, window], mask=self.rows.real, other=0) > 0
        self.is_own = (window[:, None] == window[None]) & self.rows.real[None]
        self.is_seen = self.is_own & real[None]
        if known.causal:
            self.is_seen &= frame[None] <= frame[:, None]

    def vector(self, which: int) -> jax.Array:
        """(1, D): 0 the bias of what leaves attention, 1 the normalisation's scale, 2 its offset."""
        return self.ins["vectors"][which, :][None]

    def project(self, head: Any) -> tuple[jax.Array, ...]:
        """(R, d): queries, already over the root of d, keys and values."""
        kernel, bias = self.ins["kernel"], self.ins["bias"]
        parts = [dot(self.x, kernel[i, head], 1, 0) + bias[i, head][None] for i in range(3)]
        parts[0] *= self.known.size**-0.5
        return tuple(part.astype(self.x.dtype) for part in parts)

    def weigh(self, queries: jax.Array, keys: jax.Array) -> jax.Array:
        """Float32 (R, R): how much a row takes of each; in a window without a real frame, of all alike."""
        scores = jnp.where(self.is_seen, dot(queries, keys, 1, 1), jnp.finfo(jnp.float32).min)
        scores = jnp.where(self.is_own, scores, -jnp.inf)
        powers = jnp.exp(scores - scores.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)


def _forward(known: _Attention, ins: dict[str, Any], outs: dict[str, Any]) -> None:
    heads = _Heads(known, ins | {"mixed": outs["mixed"]})

    def add(head: Any, y: jax.Array) -> jax.Array:
        queries, keys, values = heads.project(head)
        weights = heads.weigh(queries, keys).astype(values.dtype)
        mixed = dot(weights, values, 1, 0).astype(values.dtype)
        heads.part.store(outs["mixed"], mixed, head)
        return y + dot(mixed, ins["kernel"][3, head], 1, 1)

    y = heads.x.astype(jnp.float32) + heads.vector(0)
    y = lax.fori_loop(0, len(outs["mixed"]), add, y)
    heads.rows.store(outs["out"], standardise(y)[0] * heads.vector(1) + heads.vector(2))


def _backward(known: _Attention, ins: dict[str, Any], outs: dict[str, Any]) -> None:
    heads = _Heads(known, ins)
    n_heads, dtype = len(ins["mixed"]), heads.x.dtype

    def add(head: Any, y: jax.Array) -> jax.Array:
        return y + dot(heads.part.load(ins["mixed"], head), ins["kernel"][3, head], 1, 1)

    y = heads.x.astype(jnp.float32) + heads.vector(0)
    normal, inverse = standardise(lax.fori_loop(0, n_heads, add, y))
    dout = heads.rows.load(ins["dout"]).astype(jnp.float32)
    dy = differentiate_norm(dout, normal, inverse, heads.vector(1))
    for i, summed in enumerate((dy, dout * normal, dout)):
        outs["sums"][i, :] = summed.sum(0)
    heads.rows.store(outs["dy"], dy)
    dy_half = dy.astype(dtype)

    def add_back(head: Any, dx: jax.Array) -> jax.Array:
        queries, keys, values = heads.project(head)
        weights = heads.weigh(queries, keys)
        dmixed = dot(dy_half, ins["kernel"][3, head], 1, 0).astype(dtype)
        dvalues = dot(weights.astype(dtype), dmixed, 0, 0)
        dweights = dot(dmixed, values, 1, 1)
        dscores = weights * (dweights - (weights * dweights).sum(1, keepdims=True))
        dscores = jnp.where(heads.is_seen, dscores, 0).astype(dtype)
        dqueries = dot(dscores, keys, 1, 0) * known.size**-0.5
        for i, dpart in enumerate((dqueries, dot(dscores, queries, 0, 0), dvalues)):
            outs["sums_of_parts"][i, head, :] = dpart.sum(0)
            heads.part.store(outs["dparts"], dpart, i, head)
            dx += dot(dpart.astype(dtype), ins["kernel"][i, head], 1, 1)
        return dx

    heads.rows.store(outs["dx"], lax.fori_loop(0, n_heads, add_back, dy))


def _differentiate_kernels(
    known: _Attention,
    x_TxBxD: jax.Array,
    dparts_3xHxTxBxd: jax.Array,
    dy_TxBxD: jax.Array,
    mixed_HxTxBxd: jax.Array,
) -> jax.Array:
    """The gradients of all products' kernels (4, H, D, d), float32."""
    heads, *_, size = mixed_HxTxBxd.shape
    filters = x_TxBxD.shape[-1]
    x_NxD, dy_NxD = (array.reshape(-1, filters) for array in (x_TxBxD, dy_TxBxD))
    dparts_3xHxNxd = dparts_3xHxTxBxd.reshape(3, heads, -1, size)
    mixed_HxNxd = mixed_HxTxBxd.reshape(heads, -1, size)
    all_columns = pl.BlockSpec(x_NxD.shape, lambda h, p: (0, 0))
    return pl.pallas_call(
        _differentiate_kernel,
        grid=(heads, _PARTS),
        in_specs=[
            all_columns,
            pl.BlockSpec((3, None, len(x_NxD), size), lambda h, p: (0, h, 0, 0)),
            all_columns,
            pl.BlockSpec((None, len(x_NxD), size), lambda h, p: (h, 0, 0)),
        ],
        out_specs=pl.BlockSpec((None, 4, None, filters, size), lambda h, p: (p, 0, h, 0, 0)),
        out_shape=jax.ShapeDtypeStruct((_PARTS, 4, heads, filters, size), jnp.float32),
        compiler_params=triton.CompilerParams(num_warps=4, num_stages=2),
        interpret=known.interpret,
    )(x_NxD, dparts_3xHxNxd, dy_NxD, mixed_HxNxd).sum(0)


def _differentiate_kernel(x_ref: Any, dparts_ref: Any, dy_ref: Any, mixed_ref: Any, out_ref: Any) -> None:
    """One part of the rows of one head."""
    rows, filters = x_ref.shape
    size = mixed_ref.shape[-1]
    steps = -(-rows // _PART_ROWS)
    first, last = (lax.div(steps * part, _PARTS) for part in (pl.program_id(1), pl.program_id(1) + 1))

    def load(ref: Any, step: jax.Array, *which: int) -> jax.Array:
        shape = (_PART_ROWS, ref.shape[-1])
        row, column = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in range(2))
        row += step * _PART_ROWS
        return triton.load(ref.at[(*which, row, column)], mask=row < rows, other=0)

    def add(step: jax.Array, totals: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        x = load(x_ref, step)
        products = [dot(x, load(dparts_ref, step, i), 0, 0) for i in range(3)]
        products.append(dot(load(dy_ref, step), load(mixed_ref, step), 0, 0))
        return tuple(total + product for total, product in zip(totals, products, strict=True))

    zeros = tuple(jnp.zeros((filters, size), jnp.float32) for _ in range(4))
    for i, total in enumerate(lax.fori_loop(first, last, add, zeros)):
        out_ref[i] = total
