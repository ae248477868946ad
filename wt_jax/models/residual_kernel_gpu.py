"""The residual stack as Triton kernels, written in Pallas: one a layer and direction. Unmeasured on hardware.

Compiled ahead of time for an H200, and its results were checked in Pallas's interpreter; no GPU has run it yet.
Bound, by compiled bytes and not by a clock: see benchmarks/RESULTS.md.

A row is one frame of one window, and all that a layer does besides its convolution stays within a row. With time
leading, the rows of one frame and neighbouring windows are a tile, and what a tap reads for it is another whole
tile, or nothing: a program computes one tile and keeps it in registers from the first product to the last store.
A kernel reads only what kernels before it wrote, so programs of one kernel never wait for each other.

Letters: T frames, B windows, D filters, K taps, N layers (two a block), P parts of a sum.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from wt_jax.models.layers import EPSILON, kept

_TILES = (128, 64, 32)  # windows of a tile: a warp group's product has 64 rows
_PARTS = 8  # that a kernel's gradient is summed in: 3 taps of 16 layers are then 384 programs for 132 processors
_FILTERS = (32, 64, 128)  # more would not fit the registers; Triton's arrays are powers of two
_COMPILER = triton.CompilerParams(num_warps=8, num_stages=3)


class _Stack(NamedTuple):
    """What is known when a stack is traced."""

    shifts_of_layers: tuple[tuple[int, ...], ...]
    rate: float
    interpret: bool


def residual_stack(
    x_TxBxD: jax.Array,
    weights: Any,
    keys_2xB: jax.Array | None,
    shifts_of_blocks: tuple[tuple[int, ...], ...],
    rate: float,
    interpret: bool = False,
) -> jax.Array:
    """x + (convolution, LayerNorm, ReLU, dropout) twice, for each block: (T, B, D), in the type of `x_TxBxD`.

    `weights` has of each layer its kernel (K, D, D), bias (D,), scale (D,) and offset (D,), float32, two layers a
    block; `shifts_of_blocks` are those of `layers.tap_shifts`; `keys_2xB` None: no dropout, otherwise the masks
    are those of `layers.kept`. Products are summed in float32. `interpret`: without a GPU, slowly. Raises
    ValueError where D is not one of 32, 64 and 128.
    """
    frames, windows, filters = x_TxBxD.shape
    if filters not in _FILTERS:
        raise ValueError(f"model.kernel=pallas: on a GPU model.filters is one of {_FILTERS}, not {filters}")
    stack = _Stack(tuple(s for shifts in shifts_of_blocks for s in (shifts, shifts)), rate, interpret)
    surplus = -windows % _tile(windows)  # these rows are 0, as are their gradients, and cut off
    if surplus:
        x_TxBxD = jnp.pad(x_TxBxD, ((0, 0), (0, surplus), (0, 0)))
        keys_2xB = None if keys_2xB is None else jnp.pad(keys_2xB, ((0, 0), (0, surplus)))
    kernel_NxKxDxD, *vectors = (jnp.stack(layers) for layers in zip(*weights, strict=True))
    kernel_NxKxDxD, vectors_Nx3xD = kernel_NxKxDxD.astype(x_TxBxD.dtype), jnp.stack(vectors, 1)
    return _run(stack, x_TxBxD, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB)[:, :windows]


def _tile(windows: int) -> int:
    """The largest tile with the fewest rows that do not count."""
    return min(_TILES, key=lambda tile: -(-windows // tile) * tile)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(
    stack: _Stack, x_TxBxD: jax.Array, kernel_NxKxDxD: jax.Array, vectors_Nx3xD: jax.Array, keys_2xB: Any
) -> jax.Array:
    return _run_forward(stack, x_TxBxD, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB)[0]


def _run_forward(
    stack: _Stack, x_TxBxD: jax.Array, kernel_NxKxDxD: jax.Array, vectors_Nx3xD: jax.Array, keys_2xB: Any
) -> tuple:
    inputs, ys = [x_TxBxD], []
    for layer in range(len(kernel_NxKxDxD)):
        ins = {"read": inputs[-1], "kernel": kernel_NxKxDxD, "vectors": vectors_Nx3xD, "keys": keys_2xB}
        if layer % 2:
            ins |= {"residual": inputs[-2]}
        done = _call(_forward, stack, layer, layer, ins, ("y", "out"))
        inputs, ys = [*inputs, done["out"]], [*ys, done["y"]]
    return inputs.pop(), (inputs, ys, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB)


def _run_backward(stack: _Stack, saved: tuple, dout_TxBxD: jax.Array) -> tuple:
    inputs, ys, kernel_NxKxDxD, vectors_Nx3xD, keys_2xB = saved
    dx_TxBxD, dys, sums = dout_TxBxD, [], []
    for layer in range(len(ys) - 1, -2, -1):  # whose normalisation comes next; none is below the first layer
        ins: dict[str, Any] = {}
        outs: tuple[str, ...] = ()
        if dys:  # through the convolution above
            ins |= {"read": dys[0], "kernel": kernel_NxKxDxD}
        if layer % 2:  # between blocks: the gradient also went past the block above
            ins |= {"residual": dx_TxBxD}
            outs += ("dx",) if dys else ()
        if layer >= 0:
            ins |= {"y": ys[layer], "vectors": vectors_Nx3xD, "keys": keys_2xB}
            outs += ("dy", "sums")
        done = _call(_backward, stack, layer, layer + 1, ins, outs)
        dx_TxBxD = done.get("dx", dx_TxBxD)
        if layer >= 0:
            dys, sums = [done["dy"], *dys], [done["sums"], *sums]
    dkernel_NxKxDxD = _differentiate_kernels(stack, inputs, dys).astype(kernel_NxKxDxD.dtype)
    dkeys = None if keys_2xB is None else np.zeros(keys_2xB.shape, jax.dtypes.float0)
    return dx_TxBxD, dkernel_NxKxDxD, jnp.stack(sums).sum((1, 2)), dkeys


_run.defvjp(_run_forward, _run_backward)


def _call(
    kernel: Callable, stack: _Stack, norm: int, convolution: int, ins: dict[str, Any], outs: tuple[str, ...]
) -> dict[str, jax.Array]:
    """One program a frame and tile of windows, with the norm of this layer and the convolution of that one."""
    ins = {name: array for name, array in ins.items() if array is not None}
    rows = ins.get("read", ins.get("residual"))
    frames, windows, filters = rows.shape
    tile = _tile(windows)
    grid = (frames, windows // tile)  # the first runs fastest: what the taps of one tile read, others read then
    shapes = {name: jax.ShapeDtypeStruct(rows.shape, rows.dtype) for name in outs}
    if "sums" in outs:
        shapes["sums"] = jax.ShapeDtypeStruct((*grid, 3, filters), jnp.float32)
    specs = {
        "read": pl.BlockSpec((frames, tile, filters), lambda t, b: (0, b, 0)),
        "kernel": pl.BlockSpec((None, len(stack.shifts_of_layers[0]), filters, filters), lambda t, b: (convolution, 0, 0, 0)),
        "vectors": pl.BlockSpec((None, 3, filters), lambda t, b: (norm, 0, 0)),
        "keys": pl.BlockSpec((2, tile), lambda t, b: (0, b)),
        "sums": pl.BlockSpec((None, None, 3, filters), lambda t, b: (t, b, 0, 0)),
    }
    rows_spec = pl.BlockSpec((None, tile, filters), lambda t, b: (t, b, 0))
    return pl.pallas_call(
        partial(kernel, stack, norm, convolution),
        grid=grid,
        in_specs=[{name: specs.get(name, rows_spec) for name in ins}],
        out_specs={name: specs.get(name, rows_spec) for name in outs},
        out_shape=shapes,
        compiler_params=_COMPILER,
        interpret=stack.interpret,
    )(ins)


def _forward(stack: _Stack, norm: int, convolution: int, ins: dict[str, Any], outs: dict[str, Any]) -> None:
    y = _convolve(ins, stack.shifts_of_layers[convolution], 0) + ins["vectors"][0][None]
    outs["y"][...] = y = y.astype(outs["y"].dtype)
    x, _ = _standardise(y)
    out = jnp.maximum(x * ins["vectors"][1][None] + ins["vectors"][2][None], 0)
    if "keys" in ins:
        out = jnp.where(_kept(stack, norm, ins), out * (1 / (1 - stack.rate)), 0)
    if "residual" in ins:
        out += ins["residual"][...].astype(jnp.float32)
    outs["out"][...] = out.astype(outs["out"].dtype)


def _backward(stack: _Stack, norm: int, convolution: int, ins: dict[str, Any], outs: dict[str, Any]) -> None:
    dout = 0.0
    if "read" in ins:
        dout += _convolve(ins, tuple(-shift for shift in stack.shifts_of_layers[convolution]), 1)
    if "residual" in ins:
        dout += ins["residual"][...].astype(jnp.float32)
    if "dx" in outs:
        outs["dx"][...] = dout.astype(outs["dx"].dtype)
    if "y" not in ins:
        return
    scale, offset = ins["vectors"][1][None], ins["vectors"][2][None]
    x, inverse = _standardise(ins["y"][...])
    passed = x * scale + offset > 0
    if "keys" in ins:
        passed &= _kept(stack, norm, ins)
        dout *= 1 / (1 - stack.rate)
    dz = jnp.where(passed, dout, 0)
    dzx = dz * x
    dy = inverse * (dz * scale - _mean(dz * scale) - x * _mean(dzx * scale))
    outs["dy"][...] = dy.astype(outs["dy"].dtype)
    for i, summed in enumerate((dy, dzx, dz)):
        outs["sums"][i, :] = summed.sum(0)


def _convolve(ins: dict[str, Any], shifts: tuple[int, ...], axis: int) -> jax.Array:
    """This tile's sum over the taps that read a frame, of what they read times this axis of their kernels."""
    read_ref, kernel_ref = ins["read"], ins["kernel"]
    frames, tile, filters = read_ref.shape
    total = jnp.zeros((tile, filters), jnp.float32)
    for tap, shift in enumerate(shifts):
        frame = pl.program_id(0) - shift

        def add(total: jax.Array, tap: int = tap, frame: jax.Array = frame) -> jax.Array:
            return total + _dot(read_ref[frame], kernel_ref[tap], 1, axis)

        if shift == 0:
            total = add(total)
        elif abs(shift) < frames:
            total = lax.cond((frame >= 0) & (frame < frames), add, lambda total: total, total)
    return total


def _dot(a: jax.Array, b: jax.Array, axis_a: int, axis_b: int) -> jax.Array:
    return lax.dot_general(a, b, (((axis_a,), (axis_b,)), ((), ())), preferred_element_type=jnp.float32)


def _mean(x: jax.Array) -> jax.Array:
    return x.sum(1, keepdims=True) * (1 / x.shape[1])


def _standardise(y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows with mean 0 and variance 1, and what they were multiplied with."""
    y = y.astype(jnp.float32)
    mean = _mean(y)
    inverse = lax.rsqrt(jnp.maximum(_mean(y * y) - mean * mean, 0) + EPSILON)
    return (y - mean) * inverse, inverse


def _kept(stack: _Stack, site: int, ins: dict[str, Any]) -> jax.Array:
    """This tile of dropout's mask."""
    filters = ins["vectors"].shape[-1]
    keys = ins["keys"][0, :], ins["keys"][1, :]
    place = site * pl.num_programs(0) + pl.program_id(0)
    return kept(keys, place, (1, len(keys[0]), filters), stack.rate).reshape(-1, filters)


def _differentiate_kernels(stack: _Stack, inputs: list[jax.Array], dys: list[jax.Array]) -> jax.Array:
    """The gradients of all layers' kernels (N, K, D, D), float32, by one Triton kernel and a sum."""
    grid = (len(stack.shifts_of_layers[0]), len(inputs), _PARTS)
    filters = inputs[0].shape[-1]
    whole = pl.BlockSpec(inputs[0].shape, lambda k, n, p: (0, 0, 0))
    return pl.pallas_call(
        partial(_kernel_gradient, stack),
        grid=grid,
        in_specs=[[whole] * len(inputs), [whole] * len(dys)],
        out_specs=pl.BlockSpec((None, None, None, filters, filters), lambda k, n, p: (p, n, k, 0, 0)),
        out_shape=jax.ShapeDtypeStruct((*grid[::-1], filters, filters), jnp.float32),
        compiler_params=triton.CompilerParams(num_warps=8, num_stages=1),
        interpret=stack.interpret,
    )(inputs, dys).sum(0)


def _kernel_gradient(stack: _Stack, x_refs: list[Any], dy_refs: list[Any], out_ref: Any) -> None:
    """One part of the rows of one tap of one layer."""
    frames, windows, filters = x_refs[0].shape
    tile = min(_tile(windows), 64)
    tap, part = pl.program_id(0), pl.program_id(2)

    def gradient_of(layer: int) -> jax.Array:
        first, *others = stack.shifts_of_layers[layer]
        shift = first + tap * (others[0] - first if others else 0)  # they are evenly spaced
        counted = jnp.maximum(frames - abs(shift), 0)
        tiles = counted * (windows // tile)

        def add(i: jax.Array, total: jax.Array) -> jax.Array:
            frame = jnp.maximum(shift, 0) + lax.rem(i, counted)
            rows = pl.ds(lax.div(i, counted) * tile, tile)
            return total + _dot(x_refs[layer][frame - shift, rows], dy_refs[layer][frame, rows], 0, 0)

        zeros = jnp.zeros((filters, filters), jnp.float32)
        start, end = (lax.div(tiles * p, _PARTS) for p in (part, part + 1))
        return lax.fori_loop(start, end, add, zeros)

    branches = [partial(gradient_of, layer) for layer in range(len(x_refs))]
    out_ref[...] = lax.switch(pl.program_id(1), branches)
