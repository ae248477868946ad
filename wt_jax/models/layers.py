"""The layers that a training step spends its time in, with backward passes of their own.

Time is the leading axis: what a convolution's tap reads are then contiguous rows. What suits a CPU's cache
does not suit an accelerator: the target that a program is compiled for decides, not the machine it is
compiled on. What each choice brought is in benchmarks/RESULTS.md. Letters: T frames of a window, B windows,
I inputs, D outputs, N = T x B rows, K taps, L taps that read a frame.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from wt_jax.runtime.materialize import stored

EPSILON = 1e-6  # of a normalisation; Flax's default
_WIDE_SHARE = 0.75  # least share of a wide product's rows that count


def tap_shifts(kernel_size: int, dilation: int, causal: bool) -> tuple[int, ...]:
    """For each tap of a convolution, how many frames before (> 0) or after (< 0) its output it reads."""
    return tuple(
        (kernel_size - 1 - tap if causal else kernel_size // 2 - tap) * dilation for tap in range(kernel_size)
    )


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def convolve(
    x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, bias_D: jax.Array, shifts: tuple[int, ...]
) -> jax.Array:
    """A convolution over time with zero padding: (T, B, D). Tap k of output t reads frame t - shifts[k].

    `shifts` fall evenly, as those of `tap_shifts` do; taps that would only read padding are never computed.
    One of CONVOLUTIONS, by the target.
    """
    forward = {target: partial(both[0], shifts) for target, both in CONVOLUTIONS.items()}
    return lax.platform_dependent(x_TxBxI, kernel_KxIxD, bias_D, **forward)


def _convolve_forward(
    x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, bias_D: jax.Array, shifts: tuple[int, ...]
) -> tuple:
    return convolve(x_TxBxI, kernel_KxIxD, bias_D, shifts), (x_TxBxI, kernel_KxIxD)


def _convolve_backward(shifts: tuple[int, ...], saved: tuple, dy_TxBxD: jax.Array) -> tuple:
    backward = {target: partial(both[1], shifts) for target, both in CONVOLUTIONS.items()}
    return *lax.platform_dependent(*saved, dy_TxBxD, **backward), dy_TxBxD.sum((0, 1))


convolve.defvjp(_convolve_forward, _convolve_backward)


def _by_tap(
    shifts: tuple[int, ...], x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, bias_D: jax.Array
) -> jax.Array:
    """For CPUs: a product a tap, or one for all of them, and the taps' parts summed at their shifts."""
    live = _live(shifts, len(x_TxBxI))
    if _is_wide(live, len(x_TxBxI)):
        kernel_IxLD = jnp.concatenate([kernel_KxIxD[tap] for tap, _ in live], -1)
        return _sum_wide(_product(x_TxBxI, kernel_IxLD), live, bias_D[None, None])
    products = [_product(_read(x_TxBxI, s), kernel_KxIxD[k]) for k, s in live]
    return _sum_taps(products, live, bias_D[None, None])


def _by_tap_backward(
    shifts: tuple[int, ...], x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, dy_TxBxD: jax.Array
) -> tuple[jax.Array, jax.Array]:
    live, zero = _live(shifts, len(x_TxBxI)), jnp.zeros((1, 1, 1), x_TxBxI.dtype)
    back = [(tap, -shift) for tap, shift in live]
    dkernel = [jnp.zeros_like(kernel_KxIxD[0]) for _ in shifts]
    if _is_wide(live, len(x_TxBxI)):
        kernel_LIxD = _rows(kernel_KxIxD[live[0][0] : live[-1][0] + 1])
        dx_TxBxI = _sum_wide(_product(dy_TxBxD, kernel_LIxD, 1), back, zero)
        x_IxN = _turned(_rows(x_TxBxI))
        for tap, shift in live:
            dkernel[tap] = x_IxN @ _rows(_put_back(_read(dy_TxBxD, -shift), -shift))
    else:
        products = [_product(_read(dy_TxBxD, s), kernel_KxIxD[k], 1) for k, s in back]
        dx_TxBxI = _sum_taps(products, back, zero)
        for tap, shift in live:
            dkernel[tap] = _turned(_rows(_read(x_TxBxI, shift))) @ _rows(_read(dy_TxBxD, -shift))
    return dx_TxBxI, jnp.stack(dkernel)


def _native(
    shifts: tuple[int, ...], x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, bias_D: jax.Array
) -> jax.Array:
    """For TPUs: XLA's own convolution, into which it fuses what comes before and after."""
    live = _live(shifts, len(x_TxBxI))
    (first, most), (last, least) = live[0], live[-1]
    if first == last:
        return _product(x_TxBxI, kernel_KxIxD[first]) + bias_D[None, None]
    y_TxBxD = lax.conv_general_dilated(
        x_TxBxI,
        kernel_KxIxD[first : last + 1],
        window_strides=(1,),
        padding=[(most, -least)],
        rhs_dilation=(shifts[0] - shifts[1],),
        dimension_numbers=("WNC", "WIO", "WNC"),
    )
    return y_TxBxD + bias_D[None, None]


def _stacked(
    shifts: tuple[int, ...], x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, bias_D: jax.Array
) -> jax.Array:
    """For GPUs: what the taps read side by side, and one product."""
    live = _live(shifts, len(x_TxBxI))
    x_TxBxLI = jnp.concatenate([_put_back(_read(x_TxBxI, shift), shift) for _, shift in live], -1)
    return _product(x_TxBxLI, _rows(kernel_KxIxD[live[0][0] : live[-1][0] + 1])) + bias_D[None, None]


def _derived(convolution: Callable) -> Callable:
    """The backward pass that JAX makes of a convolution: of `x` and of the kernel."""

    def backward(
        shifts: tuple[int, ...], x_TxBxI: jax.Array, kernel_KxIxD: jax.Array, dy_TxBxD: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        bias_D = jnp.zeros_like(dy_TxBxD, shape=dy_TxBxD.shape[-1:])
        return jax.vjp(lambda x, kernel: convolution(shifts, x, kernel, bias_D), x_TxBxI, kernel_KxIxD)[1](
            dy_TxBxD
        )

    return backward


# By target: forward and backward. All give the same to rounding; "default" is every GPU.
CONVOLUTIONS: dict[str, tuple[Callable, Callable]] = {
    "cpu": (_by_tap, _by_tap_backward),
    "tpu": (_native, _derived(_native)),
    "default": (_stacked, _derived(_stacked)),
}


def _live(shifts: tuple[int, ...], frames: int) -> list[tuple[int, int]]:
    """(tap, shift) of the taps that read a frame of the window, neighbours all."""
    return [(tap, shift) for tap, shift in enumerate(shifts) if abs(shift) < frames]


def _is_wide(live: list[tuple[int, int]], frames: int) -> bool:
    """Do all taps go into one product? It keeps more cores busy, and computes rows that do not count."""
    counted = sum(frames - abs(shift) for _, shift in live)
    return len(live) > 1 and counted >= _WIDE_SHARE * len(live) * frames


def surplus_rows(shifts: tuple[int, ...], frames: int) -> int:
    """Rows of a convolution's products, for each window, that are computed and do not count."""
    live = _live(shifts, frames)
    return sum(abs(shift) for _, shift in live) if _is_wide(live, frames) else 0


def _sum_wide(y_TxBxLD: jax.Array, live: list[tuple[int, int]], bias: jax.Array) -> jax.Array:
    """The taps' parts of a wide product, each at its shift, and the bias, in one pass."""
    frames, taps = len(y_TxBxLD), jnp.split(y_TxBxLD, len(live), -1)
    # Within a stretch of the window the same taps count.
    ends = sorted({0, frames, *(max(s, 0) for _, s in live), *(frames + min(s, 0) for _, s in live)})
    stretches = []
    for first, end in itertools.pairwise(ends):
        counting = [(y, s) for y, (_, s) in zip(taps, live, strict=True) if s <= first and end - s <= frames]
        stretches.append(sum((y[first - s : end - s] for y, s in counting), bias))
    return jnp.concatenate(stretches)


def _sum_taps(products: list[jax.Array], live: list[tuple[int, int]], bias: jax.Array) -> jax.Array:
    """The products of what each tap reads, put back to their outputs, and the bias."""
    return sum((_put_back(y, shift) for y, (_, shift) in zip(products, live, strict=True)), bias)


def _read(x_TxBxI: jax.Array, shift: int) -> jax.Array:
    """The frames that outputs `shift` frames later read."""
    return x_TxBxI[max(-shift, 0) : len(x_TxBxI) - max(shift, 0)]


def _put_back(y_RxBxD: jax.Array, shift: int) -> jax.Array:
    """Outputs of the frames of `_read` at their own frames, zeros elsewhere."""
    return jnp.pad(y_RxBxD, ((max(shift, 0), max(-shift, 0)), (0, 0), (0, 0))) if shift else y_RxBxD


@jax.custom_vjp
def _matmul(x_NxI: jax.Array, kernel_IxD: jax.Array) -> jax.Array:
    return x_NxI @ kernel_IxD


def _matmul_backward(saved: tuple, dy_NxD: jax.Array) -> tuple:
    x_NxI, kernel_IxD = saved
    return _product(dy_NxD, kernel_IxD, 1), _turned(x_NxI) @ dy_NxD


_matmul.defvjp(lambda x_NxI, kernel_IxD: (x_NxI @ kernel_IxD, (x_NxI, kernel_IxD)), _matmul_backward)


def matmul(x: jax.Array, kernel_IxD: jax.Array, *_: Any, **__: Any) -> jax.Array:
    """For `nn.Dense(dot_general=...)`: the same product, with a faster gradient of the kernel on CPU."""
    return _matmul(_rows(x), kernel_IxD).reshape(*x.shape[:-1], -1)


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])


def _product(x: jax.Array, kernel: jax.Array, axis: int = 0) -> jax.Array:
    """The last axis of `x` with this axis of the kernel."""
    y_NxD = lax.dot_general(_rows(x), kernel, (((1,), (axis,)), ((), ())))
    return y_NxD.reshape(*x.shape[:-1], -1)


def _turned(x_NxI: jax.Array) -> jax.Array:
    """The transpose, on CPU really moved: XLA's product of a matrix read sideways takes twice as long."""
    return lax.platform_dependent(x_NxI, cpu=lambda x: lax.optimization_barrier(x.T), default=lambda x: x.T)


def norm_relu_dropout(
    y_TxBxD: jax.Array, scale_D: jax.Array, offset_D: jax.Array, keys_2xB: Any, site: int, rate: Any
) -> jax.Array:
    """LayerNorm (Ba et al. 2016) in float32, ReLU and dropout: (T, B, D). `keys_2xB` None: no dropout.

    `rate` is a number, or an array of none where it differs between trials trained together.
    """
    known, traced = (rate, None) if isinstance(rate, float) else (None, rate)
    return _norm_relu_dropout(y_TxBxD, scale_D, offset_D, keys_2xB, traced, site, known)


@partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def _norm_relu_dropout(
    y_TxBxD: jax.Array, scale_D: jax.Array, offset_D: jax.Array, keys_2xB: Any, traced: Any, site: int,
    known: float | None,
) -> jax.Array:  # fmt: skip
    return _norm_forward(y_TxBxD, scale_D, offset_D, keys_2xB, traced, site, known)[0]


def _norm_forward(
    y_TxBxD: jax.Array, scale_D: jax.Array, offset_D: jax.Array, keys_2xB: Any, traced: Any, site: int,
    known: float | None,
) -> tuple:  # fmt: skip
    rate = traced if known is None else known
    y = y_TxBxD.astype(jnp.float32)
    mean_TxBx1 = y.mean(-1, keepdims=True)
    variance_TxBx1 = jnp.maximum((y * y).mean(-1, keepdims=True) - mean_TxBx1**2, 0)
    inverse_TxBx1 = lax.rsqrt(variance_TxBx1 + EPSILON)
    out = jnp.maximum((y - mean_TxBx1) * (inverse_TxBx1 * scale_D[None, None]) + offset_D[None, None], 0)
    if keys_2xB is not None:
        out = jnp.where(kept(keys_2xB, site, y.shape, rate), out * (1 / (1 - rate)), 0)
    out = stored(out.astype(y_TxBxD.dtype))
    return out, (y_TxBxD, scale_D, out, mean_TxBx1, inverse_TxBx1, keys_2xB, traced)


def _norm_backward(site: int, known: float | None, saved: tuple, dout_TxBxD: jax.Array) -> tuple:
    y_TxBxD, scale_D, out_TxBxD, mean_TxBx1, inverse_TxBx1, keys_2xB, traced = saved
    rate = traced if known is None else known
    gain = 1.0 if keys_2xB is None else 1 / (1 - rate)
    # Through what ReLU or dropout made 0, nothing comes back: the mask is not needed again.
    dz_TxBxD = jnp.where(out_TxBxD > 0, dout_TxBxD.astype(jnp.float32) * gain, 0)
    x_TxBxD = (y_TxBxD.astype(jnp.float32) - mean_TxBx1) * inverse_TxBx1
    dzx_TxBxD = dz_TxBxD * x_TxBxD
    mean_dz_TxBx1, mean_dzx_TxBx1 = (  # as products: XLA's sums over a row take three times as long on CPU
        jnp.matmul(v_TxBxD, scale_D[:, None], precision=lax.Precision.HIGHEST) / len(scale_D)
        for v_TxBxD in (dz_TxBxD, dzx_TxBxD)
    )
    dy_TxBxD = inverse_TxBx1 * (dz_TxBxD * scale_D[None, None] - mean_dz_TxBx1 - x_TxBxD * mean_dzx_TxBx1)
    dkeys = None if keys_2xB is None else np.zeros(keys_2xB.shape, jax.dtypes.float0)
    dtraced = None if traced is None else jnp.zeros_like(traced)
    dy_TxBxD = stored(dy_TxBxD.astype(y_TxBxD.dtype))
    return dy_TxBxD, dzx_TxBxD.sum((0, 1)), dz_TxBxD.sum((0, 1)), dkeys, dtraced


_norm_relu_dropout.defvjp(_norm_forward, _norm_backward)


def kept(keys_2xB: jax.Array, site: int, shape: tuple[int, ...], rate: Any) -> jax.Array:
    """Dropout's mask (T, B, D), False with probability `rate`: a hash of the place and the sample's two keys.

    Computed where it is used and never stored. The mixing is that of MurmurHash3's 32-bit finalizer
    (Appleby), with the second key in its middle.
    """
    frames, _, width = shape
    frame_Tx1x1, filter_1x1xD = np.ogrid[:frames, :1, :width][::2]
    place = jnp.asarray((site * frames + frame_Tx1x1) * width + filter_1x1xD, jnp.uint32)
    return kept_at(place, keys_2xB[0][None, :, None], keys_2xB[1][None, :, None], rate)


def kept_at(place: jax.Array, first_key: jax.Array, second_key: jax.Array, rate: Any) -> jax.Array:
    """The mask at these places of these samples, all uint32 of shapes that go together."""
    rounded = np.round if isinstance(rate, float) else jnp.round
    x = place * np.uint32(0x9E3779B9) ^ first_key
    x = (x ^ x >> 16) * np.uint32(0x85EBCA6B)
    x = (x ^ x >> 13) + second_key
    x = x * np.uint32(0xC2B2AE35)
    return (x ^ x >> 16) >= rounded(rate * 2.0**32).astype(np.uint32)
