"""How JAX is set up: compiled programs are kept between runs, freed memory from one step to the next."""

import ctypes
import os
import sys

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


def use_compilation_cache() -> None:
    """Keeps compiled steps between runs in ~/.cache/wt_jax, or where and which JAX's variables say."""
    import jax  # here: labelling by hand comes through this file, and starts without it

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def leave_accelerators() -> None:
    """Keeps this process on the CPU, for others that compute on what this machine has beside it."""
    import jax

    jax.config.update("jax_platforms", "cpu")
