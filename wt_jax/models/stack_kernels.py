"""`model.kernel=pallas`: the residual stack by kernels of the target's own, on a GPU attention as well.

Parameters and dropout masks are those of XLA's layers, so that a checkpoint of one goes on, and is served, by
the other.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax

from wt_jax import config


def _kernel(platform: str) -> ModuleType | None:
    # Here, because Pallas takes half a second to import, and most runs do without.
    if platform == "tpu":
        from wt_jax.models import residual_kernel_tpu

        return residual_kernel_tpu
    if platform == "gpu":
        from wt_jax.models import residual_kernel_gpu

        return residual_kernel_gpu
    return None


def check_kernel(options: config.Config, platform: str) -> str:
    """A line where `model.kernel` does nothing on devices of this platform (`jax.Device.platform`), or "".

    Raises ValueError where the platform's kernel does not take the model.
    """
    if options.model.kernel == "xla":
        return ""
    kernel = _kernel(platform)
    if kernel is None:
        return f"model.kernel=pallas: there is no kernel for {platform}; computed by XLA's layers, as xla is"
    if refusal := kernel.refusal(options.model, options.data.window_frames):
        raise ValueError(f"model.kernel=pallas: {refusal}; or set model.kernel=xla")
    return ""


def stack_kernel(options: config.Model, frames: int, platform: str) -> Callable | None:
    """The kernel that runs the stack on windows of so many frames; None where XLA's layers do.

    They also serve what a platform's kernel does not take, and was trained elsewhere.
    """
    kernel = _kernel(platform) if options.kernel == "pallas" else None
    return None if kernel is None or kernel.refusal(options, frames) else kernel.residual_stack


def attention_kernel(options: config.Model, frames: int, platform: str) -> Callable | None:
    """The kernels of LayerNorm(x + attention(x)), where a GPU runs its stack by kernels; None elsewhere."""
    if platform != "gpu" or stack_kernel(options, frames, platform) is None:
        return None
    from wt_jax.models.attention_kernel_gpu import attend_and_normalise

    return attend_and_normalise


def layer_weights(blocks: Sequence[Any]) -> list[tuple[jax.Array, ...]]:
    """Of each layer, two a block: kernel (K, D, D), bias, scale and offset (D,)."""
    return [
        (conv["kernel"], conv["bias"], norm["scale"], norm["bias"])
        for params in blocks
        for conv, norm in ((params[f"conv_{i}"], params[f"norm_{i}"]) for i in range(2))
    ]
