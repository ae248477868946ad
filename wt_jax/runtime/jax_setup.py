"""Memory: kept from one step to the next, and what to do where it does not suffice."""

import ctypes
import os
import sys

import jax

from wt_jax import config
from wt_jax.runtime.files import cache_folder

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed() -> None:
    """Lets glibc keep what a training step has freed for the next one; other C libraries do as they do.

    XLA allocates its temporary buffers anew for each dispatch, and on CPU page faults took a third of a
    step (benchmarks/RESULTS.md).
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(_M_MMAP_MAX, 0)
            mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def explain_out_of_memory(error: Exception, options: config.Config) -> ValueError | None:
    """What to change when the device's memory did not suffice; None for any other error."""
    if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
        return None
    train = options.train
    return ValueError(
        f"out of memory on {jax.devices()[0].device_kind} at train.batch_size={train.batch_size}, "
        f"train.accumulate={train.accumulate or 1}, model.compute_dtype={options.model.compute_dtype}: "
        f"set --config.train.accumulate={(train.accumulate or 1) * 2} (same result, less memory), "
        "--config.model.compute_dtype=bfloat16, or a smaller train.batch_size or train.eval_batch_size"
    )


def use_compilation_cache() -> None:
    """Keeps compiled steps between runs in ~/.cache/wt_jax, or in JAX_COMPILATION_CACHE_DIR."""
    import jax  # here: the processes that extract landmarks come through this file, and have no use for JAX

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
