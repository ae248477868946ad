"""The residual stack as three Triton kernels, written in Pallas: forward, backward, the weights' gradients.

Unmeasured on hardware: compiled ahead of time for an H200, its results checked in Pallas's interpreter.
What it moves, by the compiled program and not by a clock, is in benchmarks/RESULTS.md.

A window reads no other window. So a program takes a few windows with all their frames through all layers,
as one tile of 128 rows (frame, window) in registers; what a tap reads from other frames, the same program
has just stored, and its cache still holds. Activations go to memory once, for the gradients. Programs never
wait for one another. Within one, barriers keep a row's store apart from other threads' loads of it, and as
pipelining would carry loads across them, these two kernels have a single stage.

Letters: T frames, B windows, D filters, K taps, N layers (two a block), R rows of a program, P parts of a
sum.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from wt_jax import config
from wt_jax.models.kernel_rows import differentiate_norm, dot, standardise
from wt_jax.models.layers import kept_at
from wt_jax.models.window_tiles import FILTERS, MOST_ROWS, Tile, call, windows_of

_PARTS = 8  # of a gradient: 3 taps of 16 layers are then 384 programs for an H200's 132 processors
_PART_ROWS = 64  # that one of these multiplies at once


class _Stack(NamedTuple):
    """What is known when a stack is traced."""

    shifts_of_blocks: tuple[tuple[int, ...], ...]
    rate: float
    interpret: bool


def refusal(options: config.Model, frames: int) -> str:
    """Why the kernels do not take such a model on windows of so many frames; "" where they do."""
    if frames <= MOST_ROWS and options.filters in FILTERS:
        return ""
    return (
        f"a GPU's takes data.window_frames up to {MOST_ROWS} (this is {frames}) and model.filters of "
        f"{', '.join(map(str, FILTERS))} (this is {options.filters})"
    )


def residual_stack(
    x_TxBxD: jax.Array,
    weights: Any,
    keys_2xB: jax.Array | None,
    shifts_of_blocks: tuple[tuple[int, ...], ...],
    rate: float,
    interpret: bool = False,
) -> jax.Array:
    """x + (convolution, LayerNorm, ReLU, dropout) twice, a block: (T, B, D), in the type of `x_TxBxD`.

    `weights` has a kernel (K, D, D), bias, scale and offset (D,), float32, of each layer, two a block;
    `shifts_of_blocks` are those of `layers.tap_shifts`; `keys_2xB` None: no dropout, otherwise the masks are
    those of `layers.kept`. Sums are float32. `interpret`: on any machine, slowly. What it does not take:
    `refusal`.
    """
    frames, windows, _ = x_TxBxD.shape
    surplus = -windows % windows_of(MOST_ROWS, frames)  # these rows and their gradients are 0, and cut off
    if surplus:
        x_TxBxD = jnp.pad(x_TxBxD, ((0, 0), (0, surplus), (0, 0)))
        keys_2xB = None if keys_2xB is None else jnp.pad(keys_2xB, ((0, 0), (0, surplus)))
    kernel_NxKxDxD, *vectors = (jnp.stack(layers) for layers in zip(*weights, strict=True))
    stack = _Stack(shifts_of_blocks, rate, interpret)
    return _run(stack, x_TxBxD, kernel_NxKxDxD, jnp.stack(vectors, 1), keys_2xB)[:, :windows]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(
    stack: _Stack, x_TxBxD: jax.Array, kernel_NxKxDxD: jax.Array, vectors_Nx3xD: jax.Array, keys_2xB: Any
) -> jax.Array:
    return _run_forward(stack, x_TxBxD, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB)[0]


def _run_forward(
    stack: _Stack, x_TxBxD: jax.Array, kernel_NxKxDxD: jax.Array, vectors_Nx3xD: jax.Array, keys_2xB: Any
) -> tuple:
    kernel_NxKxDxD = kernel_NxKxDxD.astype(x_TxBxD.dtype)
    layers_NxTxBxD = jax.ShapeDtypeStruct((len(kernel_NxKxDxD), *x_TxBxD.shape), x_TxBxD.dtype)
    outs = {"inputs": layers_NxTxBxD, "ys": layers_NxTxBxD, "out": x_TxBxD}
    ins = {"x": x_TxBxD, "kernel": kernel_NxKxDxD, "vectors": vectors_Nx3xD, "keys": keys_2xB}
    done = _call(_forward, stack, ins, outs)
    return done["out"], (done["inputs"], done["ys"], kernel_NxKxDxD, vectors_Nx3xD, keys_2xB)


def _run_backward(stack: _Stack, saved: tuple, dout_TxBxD: jax.Array) -> tuple:
    inputs_NxTxBxD, ys_NxTxBxD, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB = saved
    programs = dout_TxBxD.shape[1] // windows_of(MOST_ROWS, len(dout_TxBxD))
    sums = jax.ShapeDtypeStruct((programs, *vectors_Nx3xD.shape), jnp.float32)
    outs = {"dys": ys_NxTxBxD, "dx": dout_TxBxD, "sums": sums}
    ins = {"dout": dout_TxBxD, "ys": ys_NxTxBxD, "kernel": kernel_NxKxDxD}
    done = _call(_backward, stack, ins | {"vectors": vectors_Nx3xD, "keys": keys_2xB}, outs)
    dkernel_NxKxDxD = _differentiate_kernels(stack, inputs_NxTxBxD, done["dys"])
    dkeys = None if keys_2xB is None else np.zeros(keys_2xB.shape, jax.dtypes.float0)
    return done["dx"], dkernel_NxKxDxD, done["sums"].sum(0), dkeys


_run.defvjp(_run_forward, _run_backward)


def _call(kernel: Any, stack: _Stack, ins: dict[str, Any], outs: dict[str, Any]) -> dict[str, jax.Array]:
    """One program for a few windows."""
    like = outs["out" if "out" in outs else "dx"]
    ins["shifts"] = jnp.asarray(stack.shifts_of_blocks, jnp.int32)
    whole = ("shifts", "kernel", "vectors")
    return call(partial(kernel, stack), MOST_ROWS, like, ins, outs, whole, stack.interpret)


class _Rows(Tile):
    """The rows of a program, what it reads beside them, and the barriers between its threads."""

    def __init__(self, stack: _Stack, ins: dict[str, Any], like: Any) -> None:
        super().__init__(MOST_ROWS, like.shape)
        self.stack, self.ins = stack, ins

    def store(self, ref: Any, rows: jax.Array, *layer: Any) -> None:
        """After all threads have loaded what they do before, and before what they load after."""
        self._wait()
        super().store(ref, rows, *layer)
        self._wait()

    def _wait(self) -> None:
        if not self.stack.interpret:  # which has one thread
            triton.debug_barrier()

    def convolve(self, ref: Any, layer: Any, back: bool = False) -> jax.Array:
        """Float32 (R, D): what the taps of this layer read in it, times their kernels; or the way back."""
        total = jnp.zeros((MOST_ROWS, self.columns), jnp.float32)
        for tap in range(self.ins["shifts"].shape[1]):
            shift = self.ins["shifts"][lax.div(layer, 2), tap] * (-1 if back else 1)

            def add(total: jax.Array, tap: int = tap, shift: jax.Array = shift) -> jax.Array:
                read = self.load(ref, layer, shift=shift)
                return total + dot(read, self.ins["kernel"][layer, tap], 1, int(back))

            total = lax.cond(jnp.abs(shift) < self.frames, add, lambda total: total, total)
        return total

    def vector(self, layer: Any, which: int) -> jax.Array:
        """(1, D): 0 the bias, 1 the scale, 2 the offset."""
        return self.ins["vectors"][layer, which, :][None]

    def kept(self, layer: Any) -> jax.Array:
        """This tile of dropout's mask."""
        filters = lax.iota(jnp.int32, self.columns)[None]
        place = ((layer * self.frames + self.frame) * self.columns)[:, None] + filters
        first_key, second_key = (self.ins["keys"][i, self.window][:, None] for i in range(2))
        return kept_at(place.astype(jnp.uint32), first_key, second_key, self.stack.rate)


def _forward(stack: _Stack, ins: dict[str, Any], outs: dict[str, Any]) -> None:
    rows, inputs, blocks = _Rows(stack, ins, ins["x"]), outs["inputs"], len(stack.shifts_of_blocks)

    def run_layer(layer: Any) -> jax.Array:
        y = (rows.convolve(inputs, layer) + rows.vector(layer, 0)).astype(inputs.dtype)
        rows.store(outs["ys"], y, layer)
        out = jnp.maximum(standardise(y)[0] * rows.vector(layer, 1) + rows.vector(layer, 2), 0)
        if "keys" in ins:
            out = jnp.where(rows.kept(layer), out * (1 / (1 - stack.rate)), 0)
        return out.astype(inputs.dtype)

    def run_block(block: Any, nothing: int) -> int:
        layer = 2 * block
        rows.store(inputs, run_layer(layer), layer + 1)
        out = rows.load(inputs, layer) + run_layer(layer + 1)
        is_last = block == blocks - 1
        lax.cond(is_last, lambda: rows.store(outs["out"], out), lambda: rows.store(inputs, out, layer + 2))
        return nothing

    rows.store(inputs, rows.load(ins["x"]), 0)
    lax.fori_loop(0, blocks, run_block, 0)


def _backward(stack: _Stack, ins: dict[str, Any], outs: dict[str, Any]) -> None:
    rows, blocks = _Rows(stack, ins, ins["dout"]), len(stack.shifts_of_blocks)

    def run_layer(layer: Any, dout: jax.Array) -> jax.Array:
        scale = rows.vector(layer, 1)
        x, inverse = standardise(rows.load(ins["ys"], layer))
        passed = x * scale + rows.vector(layer, 2) > 0
        if "keys" in ins:
            passed &= rows.kept(layer)
            dout *= 1 / (1 - stack.rate)
        dz = jnp.where(passed, dout, 0)
        dy = differentiate_norm(dz, x, inverse, scale)
        for i, summed in enumerate((dy, dz * x, dz)):
            outs["sums"][layer, i, :] = summed.sum(0)
        rows.store(outs["dys"], dy, layer)
        return rows.convolve(outs["dys"], layer, back=True)

    def run_block(i: Any, nothing: int) -> int:
        layer = 2 * (blocks - 1 - i)
        dx = run_layer(layer, run_layer(layer + 1, rows.load(outs["dx"]).astype(jnp.float32)))
        rows.store(outs["dx"], rows.load(outs["dx"]).astype(jnp.float32) + dx)
        return nothing

    rows.store(outs["dx"], rows.load(ins["dout"]))
    lax.fori_loop(0, blocks, run_block, 0)


def _differentiate_kernels(stack: _Stack, inputs_NxTxBxD: jax.Array, dys_NxTxBxD: jax.Array) -> jax.Array:
    """The gradients of all layers' kernels (N, K, D, D), float32."""
    layers, frames, windows, filters = inputs_NxTxBxD.shape
    shifts = jnp.asarray(stack.shifts_of_blocks, jnp.int32)
    grid = (shifts.shape[1], layers, _PARTS)
    rows_of_a_layer = pl.BlockSpec((None, frames * windows, filters), lambda k, n, p: (n, 0, 0))
    return pl.pallas_call(
        partial(_differentiate_kernel, frames),
        grid=grid,
        in_specs=[pl.BlockSpec(shifts.shape, lambda k, n, p: (0, 0)), rows_of_a_layer, rows_of_a_layer],
        out_specs=pl.BlockSpec((None, None, None, filters, filters), lambda k, n, p: (p, n, k, 0, 0)),
        out_shape=jax.ShapeDtypeStruct((*grid[::-1], filters, filters), jnp.float32),
        compiler_params=triton.CompilerParams(num_warps=8, num_stages=3),
        interpret=stack.interpret,
    )(shifts, *(array.reshape(layers, -1, filters) for array in (inputs_NxTxBxD, dys_NxTxBxD))).sum(0)


def _differentiate_kernel(frames: int, shifts_ref: Any, x_ref: Any, dy_ref: Any, out_ref: Any) -> None:
    """One part of the rows of one tap of one layer."""
    rows, filters = x_ref.shape
    shift = shifts_ref[lax.div(pl.program_id(1), 2), pl.program_id(0)] * (rows // frames)
    start, end = jnp.maximum(shift, 0), rows + jnp.minimum(shift, 0)  # rows of dy whose tap read a frame
    steps = lax.div(jnp.maximum(end - start, 0) + _PART_ROWS - 1, _PART_ROWS)
    first, last = (lax.div(steps * part, _PARTS) for part in (pl.program_id(2), pl.program_id(2) + 1))

    def add(step: jax.Array, total: jax.Array) -> jax.Array:
        row, column = (lax.broadcasted_iota(jnp.int32, (_PART_ROWS, filters), axis) for axis in range(2))
        row += start + step * _PART_ROWS
        x = triton.load(x_ref.at[row - shift, column], mask=row < end, other=0)
        return total + dot(x, triton.load(dy_ref.at[row, column], mask=row < end, other=0), 0, 0)

    out_ref[...] = lax.fori_loop(first, last, add, jnp.zeros((filters, filters), jnp.float32))
