"""The residual stack as two Pallas kernels for TPUs, forward and backward.

Unmeasured on hardware: compiled ahead of time for TPU v5e and v6e, its results checked in Pallas's
interpreter. What it moves, by the compiled program and not by a clock, is in benchmarks/RESULTS.md.

A window reads no other window. So a block of windows goes through all layers in the chip's vector memory:
main memory sees the stack's input, its output and their gradients, and no activation between. The backward
kernel computes its block's activations anew and keeps them beside it; the weights' gradients stay there
from block to block, and leave the chip once. Frames are the leading axis, so that what a tap reads is the
same rows a few frames on.

Letters: T frames, B windows, D filters, K taps, N layers (two a block), R rows (frame, window) of a program.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from wt_jax.models.layers import EPSILON, kept_at

_MEMORY_BYTES = 48 * 2**20  # of the 64 and more of vector memory that chips from v5e on have
_WINDOWS = 32  # of a program at most


class _Stack(NamedTuple):
    """What is known when a stack is traced."""

    shifts_of_blocks: tuple[tuple[int, ...], ...]
    rate: float
    windows: int  # of a program
    interpret: bool


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
    those of `layers.kept`. Sums are float32. `interpret`: on any machine, slowly. Raises ValueError where
    the smallest block of windows does not fit the chip's vector memory.
    """
    frames, windows, filters = x_TxBxD.shape
    kernel_NxKxDxD, *vectors = (jnp.stack(layers) for layers in zip(*weights, strict=True))
    block = windows_of(frames, kernel_NxKxDxD.shape, x_TxBxD.dtype)
    block = min(block, -(-windows // 16) * 16)
    surplus = -windows % block  # these rows' gradients are 0, and cut off
    if surplus:
        x_TxBxD = jnp.pad(x_TxBxD, ((0, 0), (0, surplus), (0, 0)))
        keys_2xB = None if keys_2xB is None else jnp.pad(keys_2xB, ((0, 0), (0, surplus)))
    stack = _Stack(shifts_of_blocks, rate, block, interpret)
    return _run(stack, x_TxBxD, kernel_NxKxDxD, jnp.stack(vectors, 1), keys_2xB)[:, :windows]


def windows_of(frames, kernel_shape, dtype) -> int:
    return _WINDOWS


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(
    stack: _Stack, x_TxBxD: jax.Array, kernel_NxKxDxD: jax.Array, vectors_Nx3xD: jax.Array, keys_2xB: Any
) -> jax.Array:
    return _run_forward(stack, x_TxBxD, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB)[0]


def _run_forward(
    stack: _Stack, x_TxBxD: jax.Array, kernel_NxKxDxD: jax.Array, vectors_Nx3xD: jax.Array, keys_2xB: Any
) -> tuple:
    ins = {"x": x_TxBxD, "kernel": kernel_NxKxDxD.astype(x_TxBxD.dtype), "vectors": vectors_Nx3xD}
    if keys_2xB is not None:
        ins["keys"] = keys_2xB.T
    return _call(_forward, stack, ins, {"out": x_TxBxD})["out"], (ins, keys_2xB)


def _run_backward(stack: _Stack, saved: tuple, dout_TxBxD: jax.Array) -> tuple:
    ins, keys_2xB = saved
    sums = {name: jax.ShapeDtypeStruct(ins[name].shape, jnp.float32) for name in ("kernel", "vectors")}
    done = _call(_backward, stack, {**ins, "dout": dout_TxBxD}, {"dx": dout_TxBxD, **sums})
    dkeys = None if keys_2xB is None else np.zeros(keys_2xB.shape, jax.dtypes.float0)
    return done["dx"], done["kernel"], done["vectors"], dkeys


_run.defvjp(_run_forward, _run_backward)


def _call(kernel: Any, stack: _Stack, ins: dict[str, Any], outs: dict[str, Any]) -> dict[str, jax.Array]:
    """One program for a block of windows after the other: it sees those of each array, and the weights."""
    frames, windows, filters = ins["x"].shape
    dtype, layers, tile = ins["x"].dtype, len(ins["kernel"]), (frames, stack.windows, filters)

    def spec(name: str, shape: tuple[int, ...]) -> pl.BlockSpec:
        if name == "shifts":
            return pl.BlockSpec(memory_space=tpu.SMEM)
        if name in ("kernel", "vectors"):
            return pl.BlockSpec(shape, lambda b: (0,) * len(shape), pipeline_mode=pl.Buffered(1))
        if name == "keys":
            return pl.BlockSpec((stack.windows, 2), lambda b: (b, 0))
        return pl.BlockSpec(tile, lambda b: (0, b, 0))

    scratch = {
        "padded": tpu.VMEM((frames + 2 * _reach(stack, frames), *tile[1:]), dtype),
        "total": tpu.VMEM(tile, jnp.float32),
    }
    if "dx" in outs:
        scratch |= {
            "inputs": tpu.VMEM((layers // 2, *tile), dtype),
            "ys": tpu.VMEM((layers, *tile), dtype),
            "outs": tpu.VMEM((layers, *tile), dtype),
            "d": tpu.VMEM(tile, jnp.float32),
        }
    ins = {**ins, "shifts": jnp.asarray(stack.shifts_of_blocks, jnp.int32)}
    return pl.pallas_call(
        partial(kernel, stack),
        grid=(windows // stack.windows,),
        in_specs=[{name: spec(name, array.shape) for name, array in ins.items()}],
        out_specs={name: spec(name, array.shape) for name, array in outs.items()},
        out_shape={name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in outs.items()},
        scratch_shapes=[scratch],
        compiler_params=tpu.CompilerParams(
            dimension_semantics=("arbitrary",), vmem_limit_bytes=_MEMORY_BYTES
        ),
        interpret=stack.interpret,
    )(ins)


def _reach(stack: _Stack, frames: int) -> int:
    """The furthest frame that a tap reads."""
    return max(abs(s) for shifts in stack.shifts_of_blocks for s in shifts if abs(s) < frames)


class _Block:
    """A program's windows, and the layers."""

    def __init__(self, stack: _Stack, ins: dict[str, Any], scratch: dict[str, Any]) -> None:
        self.stack, self.ins, self.scratch, self.tile = stack, ins, scratch, ins["x"].shape
        self.frames, _, self.filters = self.tile
        self.reach = _reach(stack, self.frames)
        edge = jnp.zeros((self.reach, *self.tile[1:]), ins["x"].dtype)
        scratch["padded"][: self.reach] = edge
        scratch["padded"][self.reach + self.frames :] = edge

    def over_taps(self, x_TxBxD, layer: Any, sign: int, use) -> None:
        padded = self.scratch["padded"]
        padded[self.reach : self.reach + self.frames] = x_TxBxD
        for tap in range(self.ins["shifts"].shape[1]):
            shift = sign * self.ins["shifts"][lax.div(layer, 2), tap]

            @pl.when(jnp.abs(shift) < self.frames)
            def _():
                use(tap, _rows(padded[pl.ds(self.reach - shift, self.frames)]))

    def vector(self, layer: Any, which: int) -> jax.Array:
        """(1, D): 0 the bias, 1 the scale, 2 the offset."""
        return self.ins["vectors"][layer, which : which + 1]

    def run_layer(self, layer: Any, x_TxBxD: jax.Array) -> tuple[jax.Array, jax.Array]:
        total = self.scratch["total"]
        total[...] = jnp.broadcast_to(self.vector(layer, 0)[None], self.tile)

        def add(tap, read):
            total[...] += _dot(read, self.ins["kernel"][layer, tap], 1, 0).reshape(self.tile)

        self.over_taps(x_TxBxD, layer, 1, add)
        y = total[...].astype(x_TxBxD.dtype)
        out = jnp.maximum(_standardise(_rows(y))[0] * self.vector(layer, 1) + self.vector(layer, 2), 0)
        out = out.reshape(self.tile)
        if "keys" in self.ins:
            out = jnp.where(self.kept(layer), out * (1 / (1 - self.stack.rate)), 0)
        return y, out.astype(y.dtype)

    def kept(self, layer: Any) -> jax.Array:
        """This tile of dropout's mask."""
        frame, filter_ = (lax.broadcasted_iota(jnp.int32, (self.frames, 1, self.filters), a) for a in (0, 2))
        place = ((layer * self.frames + frame) * self.filters + filter_).astype(jnp.uint32)
        first_key, second_key = (self.ins["keys"][:, i : i + 1][None] for i in range(2))
        return kept_at(place, first_key, second_key, self.stack.rate)


def _forward(stack: _Stack, ins: dict[str, Any], outs: dict[str, Any], scratch) -> None:
    windows, out = _Block(stack, ins, scratch), outs["out"]
    out[...] = ins["x"][...]

    def run_block(block: Any, nothing: None) -> None:
        x = out[...]
        y = windows.run_layer(2 * block, x)[1]
        out[...] = out[...] + windows.run_layer(2 * block + 1, y)[1]

    lax.fori_loop(0, len(stack.shifts_of_blocks), run_block, None)


def _backward(stack: _Stack, ins: dict[str, Any], results: dict[str, Any], scratch) -> None:
    windows, blocks = _Block(stack, ins, scratch), len(stack.shifts_of_blocks)
    inputs, outs, ys, d, total = (scratch[n] for n in ("inputs", "outs", "ys", "d", "total"))

    @pl.when(pl.program_id(0) == 0)
    def _():
        results["vectors"][...] = jnp.zeros_like(results["vectors"])
        results["kernel"][...] = jnp.zeros_like(results["kernel"])

    def run_block(block, nothing):
        for i in range(2):
            layer = 2 * block + i
            ys[layer], outs[layer] = windows.run_layer(layer, outs[2 * block] if i else inputs[block])

        @pl.when(block < blocks - 1)
        def _():
            inputs[block + 1] = inputs[block] + outs[2 * block + 1]

    inputs[0] = ins["x"][...]
    lax.fori_loop(0, blocks, run_block, None)

    def layer_back(layer, dout, x):
        scale = windows.vector(layer, 1)
        standard, inverse = _standardise(_rows(ys[layer]))
        gain = 1 / (1 - stack.rate) if "keys" in ins else 1.0
        dz = jnp.where(_rows(outs[layer]).astype(jnp.float32) > 0, _rows(dout) * gain, 0)
        dzx = dz * standard
        dy = inverse * (dz * scale - _mean(dz * scale) - standard * _mean(dzx * scale))
        for i, summed in enumerate((dy, dzx, dz)):
            results["vectors"][layer, i : i + 1] += summed.sum(0, keepdims=True)
        total[...] = jnp.zeros_like(total)

        def add(tap, read):
            total[...] += _dot(read, ins["kernel"][layer, tap], 1, 1).reshape(total.shape)
            results["kernel"][layer, tap] += _dot(_rows(x[...]), read, 0, 0)

        windows.over_taps(dy.reshape(total.shape).astype(ys.dtype), layer, -1, add)

    def block_back(i, nothing):
        block = blocks - 1 - i
        layer_back(2 * block + 1, d[...], outs.at[2 * block])
        layer_back(2 * block, total[...], inputs.at[block])
        d[...] += total[...]

    d[...] = ins["dout"][...].astype(jnp.float32)
    lax.fori_loop(0, blocks, block_back, None)
    results["dx"][...] = d[...].astype(results["dx"].dtype)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _dot(a: jax.Array, b: jax.Array, axis_a: int, axis_b: int) -> jax.Array:
    return lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ())), preferred_element_type=jnp.float32)


def _mean(x: jax.Array) -> jax.Array:
    return x.sum(1, keepdims=True) * (1 / x.shape[1])


def _standardise(y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows with mean 0 and variance 1, float32, and what they were multiplied with."""
    y = y.astype(jnp.float32)
    mean = _mean(y)
    inverse = lax.rsqrt(jnp.maximum(_mean(y * y) - mean * mean, 0) + EPSILON)
    return (y - mean) * inverse, inverse
