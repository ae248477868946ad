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

from collections.abc import Callable, Iterator
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
_PIECE_ROWS = 192  # of what is between products: with all rows at once, values go to memory and back


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
    # x, dout and dx, each twice, as one is moved while one is used; what a layer leaves; the last block's
    # output; the padded tile.
    tiles = 3 * 2 + (2.5 * layers) + 1 + 3
    of_a_window = row * (tiles * dtype.itemsize + 10 * 4)  # ten tiles in float32, of which Mosaic keeps eight
    of_a_window += layers * frames * _LANES * 4  # a number a row takes a row of them
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
            "inputs": tpu.VMEM((layers // 2 + 1, *tile), dtype),  # of blocks
            "standards": tpu.VMEM((layers, *tile), dtype),  # of normalisations, before scale and offset
            "inverses": tpu.VMEM((layers, *tile[:2], 1), jnp.float32),  # that made them
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
        for piece, _, _, out in layers.run(2 * block):
            layers.read[piece] = out
        for piece, _, _, out in layers.run(2 * block + 1):
            layers.read[piece] = x[piece] = x[piece] + out

    layers.read[...] = x[...] = ins["x"][...]
    lax.fori_loop(0, len(stack.shifts_of_blocks), run_block, None)


def _backward(stack: _Stack, ins: dict[str, Any], sums: dict[str, Any], scratch: dict[str, Any]) -> None:
    layers, blocks = _Layers(stack, ins, scratch), len(stack.shifts_of_blocks)
    inputs, outs, dout, total = (scratch[name] for name in ("inputs", "outs", "dout", "total"))

    @pl.when(pl.program_id(0) == 0)
    def begin() -> None:
        for name in ("kernel", "vectors"):
            sums[name][...] = jnp.zeros_like(sums[name])

    def run_block(block: Any, nothing: None) -> None:
        for i, layer in enumerate((2 * block, 2 * block + 1)):
            for piece, standard, inverse, out in layers.run(layer):
                scratch["standards"][layer, piece] = standard.astype(out.dtype)
                scratch["inverses"][layer, piece] = inverse
                outs[layer, piece] = out
                if i:
                    inputs[block + 1, piece] = out = inputs[block, piece] + out
                layers.read[piece] = out

    def differentiate_block(i: Any, nothing: None) -> None:
        block = blocks - 1 - i
        layers.differentiate(2 * block + 1, outs.at[2 * block], dout, sums)
        layers.differentiate(2 * block, inputs.at[block], total, sums)
        dout[...] += total[...]

    layers.read[...] = inputs[0] = ins["x"][...]
    lax.fori_loop(0, blocks, run_block, None)
    dout[...] = ins["dout"][...].astype(jnp.float32)
    lax.fori_loop(0, blocks, differentiate_block, None)
    sums["dx"][...] = dout[...].astype(sums["dx"].dtype)


class _Layers:
    """The layers, on the windows of a program."""

    def __init__(self, stack: _Stack, ins: dict[str, Any], scratch: dict[str, Any]) -> None:
        self.ins, self.stack, self.scratch, self.tile = ins, stack, scratch, ins["x"].shape
        self.frames, windows, self.filters = self.tile
        self.padded, self.total, reach = scratch["padded"], scratch["total"], _reach(stack, self.frames)
        self.reach, self.read = reach, self.padded.at[reach : reach + self.frames]
        edge = jnp.zeros((reach, *self.tile[1:]), self.padded.dtype)
        self.padded[:reach] = self.padded[reach + self.frames :] = edge
        self.gain = 1 / (1 - stack.rate) if "keys" in ins else 1.0
        step = max(_PIECE_ROWS // windows, 1)
        self.pieces = [slice(i, min(i + step, self.frames)) for i in range(0, self.frames, step)]

    def run(self, layer: Any) -> Iterator[tuple[slice, jax.Array, jax.Array, jax.Array]]:
        """Of `read`, piece by piece: normalised, what it was multiplied with, after ReLU and dropout."""

        def convolve(tap: int, rows: jax.Array) -> jax.Array:
            return dot(rows, self.ins["kernel"][layer, tap], 1, 0)

        self._sum_taps(layer, 1, convolve, self._vector(layer, 0))
        scale, offset = (self._vector(layer, which)[None] * self.gain for which in (1, 2))
        for piece in self.pieces:
            standard, inverse = standardise(self.total[piece])
            out = jnp.maximum(standard * scale + offset, 0)
            if "keys" in self.ins:
                out = jnp.where(self._kept(layer, piece), out, 0)
            yield piece, standard, inverse, out.astype(self.padded.dtype)

    def differentiate(self, layer: Any, x: Any, dout: Any, sums: dict[str, Any]) -> None:
        """The gradient of the layer's input `x` becomes `total`, those of its weights come to `sums`."""
        scale, vectors = self._vector(layer, 1)[None] * self.gain, [jnp.zeros((1, self.filters))] * 3
        for piece in self.pieces:
            standard = self.scratch["standards"][layer, piece].astype(jnp.float32)
            # Through what ReLU or dropout made 0, nothing comes back: the mask is not needed again.
            passed = self.scratch["outs"][layer, piece].astype(jnp.float32) > 0
            dz = jnp.where(passed, dout[piece], 0)  # but for dropout's gain
            dy = differentiate_norm(dz, standard, self.scratch["inverses"][layer, piece], scale)
            parts = dy, dz * standard * self.gain, dz * self.gain
            vectors = [v + _rows(p).sum(0, keepdims=True) for v, p in zip(vectors, parts, strict=True)]
            self.read[piece] = dy.astype(self.padded.dtype)
        sums["vectors"][layer] += jnp.concatenate(vectors)

        def convolve_back(tap: int, dy: jax.Array) -> jax.Array:
            sums["kernel"][layer, tap] += dot(_rows(x[...]), dy, 0, 0)
            return dot(dy, self.ins["kernel"][layer, tap], 1, 1)

        self._sum_taps(layer, -1, convolve_back, jnp.zeros((1, self.filters)))

    def _sum_taps(self, layer: Any, sign: int, product: Callable, first: jax.Array) -> None:
        """`total`: `first`, and the products of each tap and what it reads in `read`, zeros beyond it."""
        still = self.stack.shifts_of_blocks[0].index(0)  # this tap reads every frame in its place
        self.total[...] = (product(still, _rows(self.read[...])) + first).reshape(self.tile)
        for tap in range(self.ins["shifts"].shape[1]):
            if tap == still:
                continue
            shift = sign * self.ins["shifts"][lax.div(layer, 2), tap]

            @pl.when(jnp.abs(shift) < self.frames)
            def add(tap: int = tap, shift: Any = shift) -> None:
                rows = _rows(self.padded[pl.ds(self.reach - shift, self.frames)])
                self.total[...] += product(tap, rows).reshape(self.tile)

    def _vector(self, layer: Any, which: int) -> jax.Array:
        """(1, D): 0 the bias, 1 the scale, 2 the offset."""
        return self.ins["vectors"][layer, which : which + 1]

    def _kept(self, layer: Any, piece: slice) -> jax.Array:
        """Dropout's mask of these frames."""
        shape = piece.stop - piece.start, 1, self.filters
        frame, column = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 2))
        place = (layer * self.frames + piece.start + frame) * self.filters + column
        first_key, second_key = (self.ins["keys"][:, i : i + 1][None] for i in range(2))
        return kept_at(place.astype(jnp.uint32), first_key, second_key, self.stack.rate)


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])
