"""`model.kernel=pallas`: the residual stack by the target's own kernel, by XLA's layers where there is none.

Both have the same parameters and dropout masks, so that a checkpoint of one goes on, and is served, by the
other.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax
from jax import lax

from wt_jax import config
from wt_jax.models.layers import tap_shifts


def _kernels() -> dict[str, ModuleType]:
    """By target, as `lax.platform_dependent` calls it."""
    # Here, because Pallas takes half a second to import, and most runs do without.
    from wt_jax.models import residual_kernel, residual_kernel_gpu

    return {"tpu": residual_kernel, "cuda": residual_kernel_gpu}


def check_kernel(options: config.Config, platform: str) -> str:
    """A line where `model.kernel` does nothing on devices of this platform (`jax.Device.platform`), or "".

    Raises ValueError where the platform's kernel does not take the model.
    """
    if options.model.kernel == "xla":
        return ""
    kernel = _kernels().get("cuda" if platform == "gpu" else platform)
    if kernel is None:
        return f"model.kernel=pallas: there is no kernel for {platform}; computed by XLA's layers, as xla is"
    if refusal := kernel.refusal(options.model, options.data.window_frames):
        raise ValueError(f"model.kernel=pallas: {refusal}; or set model.kernel=xla")
    return ""


def run_stack(
    options: config.Model,
    by_layers: Callable,
    params: Sequence[Any],
    x_TxBxD: jax.Array,
    keys_2xB: jax.Array | None,
) -> jax.Array:
    """The residual blocks with these parameters, one each: (T, B, D).

    `by_layers(params, x_TxBxD, keys_2xB)` is for targets without a kernel, and for models that it does not
    take: whatever was trained elsewhere is served.
    """
    dilations = (options.dilations[i % len(options.dilations)] for i in range(options.blocks))
    shifts = tuple(tap_shifts(options.kernel_size, dilation, options.causal) for dilation in dilations)

    def by(kernel: ModuleType) -> Callable:
        def run(params: Sequence[Any], x_TxBxD: jax.Array, keys_2xB: jax.Array | None) -> jax.Array:
            return kernel.residual_stack(x_TxBxD, layer_weights(params), keys_2xB, shifts, options.dropout)

        return run

    kernels = _kernels().items()
    taking = {target: by(kernel) for target, kernel in kernels if not kernel.refusal(options, len(x_TxBxD))}
    return lax.platform_dependent(params, x_TxBxD, keys_2xB, default=by_layers, **taking)


def layer_weights(params: Sequence[Any]) -> list[tuple[jax.Array, ...]]:
    """Of each layer, two a block: kernel (K, D, D), bias, scale and offset (D,)."""
    return [
        (
            block[f"conv_{i}"]["kernel"],
            block[f"conv_{i}"]["bias"],
            block[f"norm_{i}"]["scale"],
            block[f"norm_{i}"]["bias"],
        )
        for block in params
        for i in range(2)
    ]
