"""The residual stack as two Pallas kernels for TPUs, forward and backward.

Unmeasured on hardware: compiled ahead of time for TPU v5e and v6e, its results checked in Pallas's
interpreter. What it moves, by the compiled program and not by a clock, is in benchmarks/RESULTS.md.

A window reads no other window. So a few windows go through all layers in the chip's vector memory: main
memory sees the stack's input, its output and their gradients, and no activation between. The backward
kernel computes the activations of its windows anew, and keeps them beside it; the weights' gradients stay
there from program to program and leave the chip once. Time is the leading axis: what a tap reads is the
same tile some frames on. Layers are the turns of a loop, so that the code is that of two.

Letters: T frames, B windows, D filters, K taps, N layers (two a block).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from wt_jax import config
from wt_jax.models.kernel_rows import differentiate_norm, dot, standardise
from wt_jax.models.layers import kept_at

_MEMORY_BYTES = 48 * 2**20  # of the vector memory, of which v5e and v6e have 128 MiB, v5p has 64
_WINDOWS = 32  # of a program: with more, Mosaic takes longer to compile and main memory sees no less
_LEAST_WINDOWS = 16  # of which a bfloat16 tile has 16 rows
_LANES = 128


class _Stack(NamedTuple):
    """What is known when a stack is traced."""

    shifts_of_blocks: tuple[tuple[int, ...], ...]
    rate: float
    windows: int  # of a program
    interpret: bool


def refusal(options: config.Model, frames: int) -> str:
    """Why the kernel does not take such a model on windows of so many frames; "" where it does."""
    shape = (2 * options.blocks, options.kernel_size, options.filters, options.filters)
    if _most_windows(frames, shape, jnp.dtype(options.compute_dtype)):
        return ""
    return (
        f"{_LEAST_WINDOWS} windows of data.window_frames={frames} with all layers' activations and weights "
        f"do not fit {_MEMORY_BYTES >> 20} MiB of a TPU's vector memory: smaller data.window_frames, "
        "model.filters, model.blocks or model.kernel_size, or model.compute_dtype=bfloat16"
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
    kernel_NxKxDxD, *vectors = (jnp.stack(layers) for layers in zip(*weights, strict=True))
    most = _most_windows(frames, kernel_NxKxDxD.shape, x_TxBxD.dtype)
    sizes = range(_LEAST_WINDOWS, most + 1, _LEAST_WINDOWS)
    stack = _Stack(shifts_of_blocks, rate, min(sizes, key=lambda size: (-windows % size, -size)), interpret)
    surplus = -windows % stack.windows  # these rows' gradients are 0, and cut off
    if surplus:
        x_TxBxD = jnp.pad(x_TxBxD, ((0, 0), (0, surplus), (0, 0)))
        keys_2xB = None if keys_2xB is None else jnp.pad(keys_2xB, ((0, 0), (0, surplus)))
    return _run(stack, x_TxBxD, kernel_NxKxDxD, jnp.stack(vectors, 1), keys_2xB)[:, :windows]


def _most_windows(frames: int, kernel_shape: tuple[int, ...], dtype: jnp.dtype) -> int:
    """Windows of a program that its memory has room for; 0 where the least do not fit."""
    layers, _, filters, _ = kernel_shape
    row = frames * -(-filters // _LANES) * _LANES
    # x, dout and dx, each twice, as one is moved while one is used; what a layer leaves; the padded tile.
    tiles = 3 * 2 + (2.5 * layers) + 3
    of_a_window = row * (tiles * dtype.itemsize + 10 * 4)  # ten tiles in float32, of which Mosaic keeps eight
    weights = int(np.prod(kernel_shape)) // filters * (row // frames) * (dtype.itemsize + 4)
    fitting = max(int((_MEMORY_BYTES - weights) / of_a_window), 0)
    return min(_WINDOWS, fitting) // _LEAST_WINDOWS * _LEAST_WINDOWS


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


def _call(kernel: Callable, stack: _Stack, ins: dict[str, Any], outs: dict[str, Any]) -> dict[str, jax.Array]:
    """One program after the other: each sees its own windows of every array, and the weights whole."""
    (frames, windows, filters), dtype = ins["x"].shape, ins["x"].dtype
    layers, tile = len(ins["kernel"]), (frames, stack.windows, filters)
    ins = {**ins, "shifts": jnp.asarray(stack.shifts_of_blocks, jnp.int32)}

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
    if kernel is _backward:
        scratch |= {
            "inputs": tpu.VMEM((layers // 2, *tile), dtype),  # of blocks
            "ys": tpu.VMEM((layers, *tile), dtype),  # of convolutions, which the normalisations read
            "outs": tpu.VMEM((layers, *tile), dtype),  # of dropouts
            "dout": tpu.VMEM(tile, jnp.float32),
        }
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
    """The furthest that a tap reads a frame."""
    return max(abs(shift) for shifts in stack.shifts_of_blocks for shift in shifts if abs(shift) < frames)


def _forward(stack: _Stack, ins: dict[str, Any], outs: dict[str, Any], scratch: dict[str, Any]) -> None:
    layers, x = _Layers(stack, ins, scratch), outs["out"]

    def run_block(block: Any, nothing: None) -> None:
        middle = layers.run(2 * block, x[...])[1]
        x[...] += layers.run(2 * block + 1, middle)[1]

    x[...] = ins["x"][...]
    lax.fori_loop(0, len(stack.shifts_of_blocks), run_block, None)


def _backward(stack: _Stack, ins: dict[str, Any], sums: dict[str, Any], scratch: dict[str, Any]) -> None:
    layers, blocks = _Layers(stack, ins, scratch), len(stack.shifts_of_blocks)
    inputs, ys, outs, dout, total = (scratch[name] for name in ("inputs", "ys", "outs", "dout", "total"))

    @pl.when(pl.program_id(0) == 0)
    def begin() -> None:
        for name in ("kernel", "vectors"):
            sums[name][...] = jnp.zeros_like(sums[name])

    def run_block(block: Any, nothing: None) -> None:
        first, second = 2 * block, 2 * block + 1
        ys[first], outs[first] = layers.run(first, inputs[block])
        ys[second], outs[second] = layers.run(second, outs[first])

        @pl.when(block < blocks - 1)
        def go_on() -> None:
            inputs[block + 1] = inputs[block] + outs[second]

    def differentiate_block(i: Any, nothing: None) -> None:
        block = blocks - 1 - i
        first, second = 2 * block, 2 * block + 1
        layers.differentiate(second, outs.at[first], ys[second], outs[second], dout[...], sums)
        layers.differentiate(first, inputs.at[block], ys[first], outs[first], total[...], sums)
        dout[...] += total[...]

    inputs[0] = ins["x"][...]
    lax.fori_loop(0, blocks, run_block, None)
    dout[...] = ins["dout"][...].astype(jnp.float32)
    lax.fori_loop(0, blocks, differentiate_block, None)
    sums["dx"][...] = dout[...].astype(sums["dx"].dtype)


class _Layers:
    """The layers, on the windows of a program."""

    def __init__(self, stack: _Stack, ins: dict[str, Any], scratch: dict[str, Any]) -> None:
        self.ins, self.rate, self.tile = ins, stack.rate, ins["x"].shape
        self.frames, _, self.filters = self.tile
        self.padded, self.total, self.reach = scratch["padded"], scratch["total"], _reach(stack, self.frames)
        edge = jnp.zeros((self.reach, *self.tile[1:]), self.padded.dtype)
        self.padded[: self.reach] = self.padded[self.reach + self.frames :] = edge

    def run(self, layer: Any, x_TxBxD: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The convolution, and what normalisation, ReLU and dropout make of it."""
        self.total[...] = jnp.broadcast_to(self._vector(layer, 0)[None], self.tile)

        def add(tap: int, read: jax.Array) -> None:
            self.total[...] += dot(read, self.ins["kernel"][layer, tap], 1, 0).reshape(self.tile)

        self._read(layer, x_TxBxD, 1, add)
        y = self.total[...].astype(x_TxBxD.dtype)
        out = jnp.maximum(standardise(_rows(y))[0] * self._vector(layer, 1) + self._vector(layer, 2), 0)
        out = out.reshape(self.tile)
        if "keys" in self.ins:
            out = jnp.where(self._kept(layer), out * (1 / (1 - self.rate)), 0)
        return y, out.astype(y.dtype)

    def differentiate(
        self, layer: Any, x: Any, y: jax.Array, out: jax.Array, dout: jax.Array, sums: dict[str, Any]
    ) -> None:
        """The gradient of the layer's input `x` becomes `total`, those of its weights come to `sums`."""
        scale, (standard, inverse) = self._vector(layer, 1), standardise(_rows(y))
        gain = 1 / (1 - self.rate) if "keys" in self.ins else 1.0
        # Through what ReLU or dropout made 0, nothing comes back: the mask is not needed again.
        dz = jnp.where(_rows(out).astype(jnp.float32) > 0, _rows(dout) * gain, 0)
        dy = differentiate_norm(dz, standard, inverse, scale)
        for i, summed in enumerate((dy, dz * standard, dz)):
            sums["vectors"][layer, i : i + 1] += summed.sum(0, keepdims=True)
        self.total[...] = jnp.zeros_like(self.total)

        def add(tap: int, read: jax.Array) -> None:
            self.total[...] += dot(read, self.ins["kernel"][layer, tap], 1, 1).reshape(self.tile)
            sums["kernel"][layer, tap] += dot(_rows(x[...]), read, 0, 0)

        self._read(layer, dy.reshape(self.tile).astype(out.dtype), -1, add)

    def _read(self, layer: Any, x_TxBxD: jax.Array, sign: int, use: Callable) -> None:
        """Calls `use` with each tap that reads a frame, and what it reads: zeros beyond the window."""
        self.padded[self.reach : self.reach + self.frames] = x_TxBxD
        for tap in range(self.ins["shifts"].shape[1]):
            shift = sign * self.ins["shifts"][lax.div(layer, 2), tap]

            @pl.when(jnp.abs(shift) < self.frames)
            def read(tap: int = tap, shift: Any = shift) -> None:
                use(tap, _rows(self.padded[pl.ds(self.reach - shift, self.frames)]))

    def _vector(self, layer: Any, which: int) -> jax.Array:
        """(1, D): 0 the bias, 1 the scale, 2 the offset."""
        return self.ins["vectors"][layer, which : which + 1]

    def _kept(self, layer: Any) -> jax.Array:
        """Dropout's mask."""
        frame, column = (lax.broadcasted_iota(jnp.int32, (self.frames, 1, self.filters), i) for i in (0, 2))
        place = ((layer * self.frames + frame) * self.filters + column).astype(jnp.uint32)
        first_key, second_key = (self.ins["keys"][:, i : i + 1][None] for i in range(2))
        return kept_at(place, first_key, second_key, self.rate)


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])
