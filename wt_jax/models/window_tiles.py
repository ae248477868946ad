"""What the kernels for GPUs stand on: a few windows with all their frames as one tile of rows.

Letters: T frames, B windows, D columns, R rows of a program: (frame, window), a power of two of them.
"""

from collections.abc import Container
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

MOST_ROWS = 128  # of a program: in float32 a tile is 64 registers of each of 256 threads
_WARP_ROWS = 16
FILTERS = (16, 32, 64, 128)  # Triton's arrays are powers of two, and more do not fit the registers


def windows_of(rows: int, frames: int) -> int:
    """Windows of a program of so many rows."""
    return rows // pl.next_power_of_2(frames)


def call(
    kernel: Any,
    rows: int,
    like: Any,
    ins: dict[str, Any],
    outs: dict[str, Any],
    whole: Container[str],
    interpret: bool,
) -> dict[str, jax.Array]:
    """`kernel(ins, outs)`, a program for a few windows: it sees those of each array, and `whole` ones whole.

    `like` is any array or shape (T, B, D) of all windows, which programs of so many rows must fill.
    Windows are the axis before the last, of arrays with two axes the last. Outputs called `sums...` have
    programs as their first axis instead, one row for each. Inputs that are None are left out.
    """
    ins = {name: array for name, array in ins.items() if array is not None}
    frames, all_windows, _ = like.shape
    windows = windows_of(rows, frames)

    def spec(name: str, shape: tuple[int, ...]) -> pl.BlockSpec:
        if name in whole:
            return pl.BlockSpec(shape, lambda b: (0,) * len(shape))
        if name.startswith("sums"):
            return pl.BlockSpec((None, *shape[1:]), lambda b: (b, *(0,) * (len(shape) - 1)))
        axis = 1 if len(shape) == 2 else len(shape) - 2
        block = (*shape[:axis], windows, *shape[axis + 1 :])
        return pl.BlockSpec(block, lambda b: tuple(b if i == axis else 0 for i in range(len(shape))))

    return pl.pallas_call(
        kernel,
        grid=(all_windows // windows,),
        in_specs=[{name: spec(name, array.shape) for name, array in ins.items()}],
        out_specs={name: spec(name, array.shape) for name, array in outs.items()},
        out_shape={name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in outs.items()},
        compiler_params=triton.CompilerParams(num_warps=rows // _WARP_ROWS, num_stages=1),
        interpret=interpret,
    )(ins)


class Tile:
    """The rows of a program, and its way to them in arrays (..., T, B, D)."""

    def __init__(self, rows: int, shape: tuple[int, ...]) -> None:
        *_, self.frames, windows, self.columns = shape
        row = lax.iota(jnp.int32, rows)
        self.frame, self.window = lax.div(row, windows), lax.rem(row, windows)
        self.real = self.frame < self.frames

    def load(self, ref: Any, *layer: Any, shift: Any = 0) -> jax.Array:
        """(R, D): the rows `shift` frames before, zeros where there are none."""
        frame = self.frame - shift
        mask = self._spread(self.real & (frame >= 0) & (frame < self.frames))
        return triton.load(ref.at[self._places(*layer, frame)], mask=mask, other=0)

    def store(self, ref: Any, rows: jax.Array, *layer: Any) -> None:
        """(R, D) to their places."""
        places = self._places(*layer, self.frame)
        triton.store(ref.at[places], rows.astype(ref.dtype), mask=self._spread(self.real))

    def _places(self, *layer_and_frame: Any) -> tuple[Any, ...]:
        *layer, frame = layer_and_frame
        column = lax.broadcasted_iota(jnp.int32, (len(self.frame), self.columns), 1)
        return *layer, self._spread(frame), self._spread(self.window), column

    def _spread(self, rows: jax.Array) -> jax.Array:
        return jnp.broadcast_to(rows[:, None], (len(rows), self.columns))
