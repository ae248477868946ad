"""What of the driver's surroundings its workers get: variables, and the folder that it was started in."""

import os
from collections.abc import Mapping

from wt_jax.runtime.cluster import VARIABLES

# Of this package, of JAX and the compilers below it, and of who reads and writes buckets. What says how one
# machine is set up (PATH, CUDA_VISIBLE_DEVICES, caches below HOME) is that machine's own.
PREFIXES = (
    "WT_JAX_", "JAX_", "XLA_", "LIBTPU_", "NCCL_",
    "AWS_", "GOOGLE_", "AZURE_", "TENSORSTORE_", "FSSPEC_",
)  # fmt: skip
NAMES = ("STORAGE_EMULATOR_HOST",)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the driver's variables that workers get; where processes find each other is not among them."""
    return {
        name: value
        for name, value in environment.items()
        if name not in VARIABLES and (name.startswith(PREFIXES) or name in NAMES)
    }


def take_over(environment: Mapping[str, str], folder: str) -> None:
    """Makes this process's surroundings the driver's; its folder stays where there is no `folder` here.

    Before JAX is imported, which reads its variables then.
    """
    if "OMP_NUM_THREADS" not in environment:
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray's: as many as CPUs were asked for
    os.environ.update(environment)
    if os.path.isdir(folder):
        os.chdir(folder)
