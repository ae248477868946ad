"""Accelerators that programs are compiled for without having one: their public figures, and their devices.

Sources: cloud.google.com/tpu/docs (v5e, v5p, v6e: peak per chip, HBM, interchip bandwidth); NVIDIA's data
sheets of A100 80GB SXM, H100 SXM, H200 SXM and B200 (dense rates, not those with sparsity; NVLink); of GPUs
memory, its bandwidth, caches and clock as XLA has them (openxla/xla, xla/backends/gpu/target_config/specs).
The network of GPUs is an assumption: a link for each of the 8 of a node, as NVIDIA builds them (HDR with
A100, NDR with the others). On a TPU a float32 product is made of one bfloat16 pass, on an NVIDIA GPU of TF32,
as JAX does unless told otherwise.
"""

import dataclasses
import difflib
import importlib.util
import os
import re
from collections.abc import Sequence

import jax
from jax.experimental import topologies

from wt_jax.runtime.native_output import quiet


@dataclasses.dataclass(frozen=True)
class Target:
    """One chip. Rates are a second's, memory is in bytes."""

    name: str
    kind: str
    bfloat16_flops: float
    float32_flops: float
    memory_bytes: float
    memory_bandwidth: float
    link_bandwidth: float  # to its neighbours, both ways together
    network_bandwidth: float = 0.0  # of a GPU, to other nodes, both ways together: assumed
    cores: int = 0  # streaming multiprocessors of a GPU
    capability: tuple[int, int] = (0, 0)
    l2_bytes: int = 0
    shared_memory_bytes: int = 0  # of a multiprocessor
    clock_ghz: float = 0.0
    launch_s: float = 0.0  # of a kernel, one behind the other: assumed

    @property
    def is_gpu(self) -> bool:
        """Whether it is an NVIDIA GPU, not a TPU."""
        return self.cores > 0

    @property
    def room_bytes(self) -> float:
        """What a program may take: of a GPU three quarters (docs.jax.dev, GPU memory allocation)."""
        return self.memory_bytes * (0.75 if self.is_gpu else 1)

    def flops(self, dtype: str) -> float:
        """Of matrix products of this type."""
        return self.bfloat16_flops if dtype == "bfloat16" else self.float32_flops


_LAUNCH_S = 2e-6
NODE = 8  # GPUs that NVLink joins
_GB, _GIB = 1e9, 2**30
TARGETS = {
    target.name: target
    for target in (
        Target("v5e", "TPU v5e", 197e12, 197e12, 16 * _GIB, 819 * _GB, 400 * _GB),
        Target("v5p", "TPU v5p", 459e12, 459e12, 95 * _GIB, 2765 * _GB, 1200 * _GB),
        Target("v6e", "TPU v6e", 918e12, 918e12, 32 * _GIB, 1640 * _GB, 800 * _GB),
        Target(
            "a100", "NVIDIA A100 80GB SXM", 312e12, 156e12, 85.10 * _GB, 2039 * _GB, 600 * _GB, 50 * _GB,
            108, (8, 0), 41943040, 167936, 1.41, _LAUNCH_S,
        ),
        Target(
            "h100", "NVIDIA H100 SXM", 989e12, 494e12, 84.94 * _GB, 3352 * _GB, 900 * _GB, 100 * _GB,
            132, (9, 0), 52428800, 233472, 1.98, _LAUNCH_S,
        ),
        Target(
            "h200", "NVIDIA H200 SXM", 989e12, 494e12, 151.40 * _GB, 4800 * _GB, 900 * _GB, 100 * _GB,
            132, (9, 0), 52428800, 233472, 1.98, _LAUNCH_S,
        ),
        Target(
            "b200", "NVIDIA B200", 2250e12, 1125e12, 191.51 * _GB, 7672 * _GB, 1800 * _GB, 100 * _GB,
            148, (10, 0), 132644864, 233472, 1.965, _LAUNCH_S,
        ),
    )
}  # fmt: skip


def find_target(topology: str) -> Target:
    """The chip of NAME or NAME:SHAPE. Raises ValueError for one that is not in the table."""
    name = topology.partition(":")[0].lower()
    if name not in TARGETS:
        near = difflib.get_close_matches(name, TARGETS, 1)
        raise ValueError(
            f"--topology {topology}: no such target"
            + (f"; did you mean {near[0]}?" if near else f"; known are {', '.join(TARGETS)}")
        )
    return TARGETS[name]


def target_devices(topology: str) -> Sequence[jax.Device]:
    """Devices to compile for, which run nothing: a TPU's NAME:2x2 chips (the default), or a GPU's NAME:8.

    Raises ValueError where the plugin is missing, or the shape is none that the target has.
    """
    target, shape = find_target(topology), topology.partition(":")[2]
    plugins = ("jax_cuda13_plugin", "jax_cuda12_plugin") if target.is_gpu else ("libtpu",)
    if not any(map(importlib.util.find_spec, plugins)):
        extra = "gpu-compile" if target.is_gpu else "tpu-compile"
        raise ValueError(
            f"--topology {topology}: the compiler for {target.kind} is not installed: "
            f"pip install -e '.[{extra}]'"
        )
    if shape and not re.fullmatch(r"[1-9]\d*" if target.is_gpu else r"[1-9]\d*(x[1-9]\d*){1,2}", shape):
        like = f"{target.name}:8, for eight" if target.is_gpu else f"{target.name}:2x2, for four"
        raise ValueError(f"--topology {topology}: the shape is written like {like}")
    try:
        if target.is_gpu:
            return topologies.get_topology_desc(
                platform="cuda", topology_name="", target_config=_gpu_config(target),
                topology=f"1x1x{shape or 1}",
            ).devices  # fmt: skip
        os.environ.update(TPU_SKIP_MDS_QUERY="1", TPU_WORKER_HOSTNAMES="localhost")
        shape = shape or ("2x2x1" if target.name == "v5p" else "2x2")
        with quiet():
            name = f"{target.name}:{shape}"
            return topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except (jax.errors.JaxRuntimeError, ValueError, NotImplementedError) as error:
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"--topology {topology}: {said}") from error


def _gpu_config(target: Target) -> str:
    """XLA's description of a GPU (a GpuTargetConfigProto), as text."""
    major, minor = target.capability
    per_core = {"100": 128, "90": 128, "80": 64}[f"{major}{minor}"]
    threads = 2048
    return f"""
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: {target.shared_memory_bytes}
  shared_memory_per_block_optin: {target.shared_memory_bytes - 1024}
  threads_per_core_limit: {threads}
  core_count: {target.cores}
  fpus_per_core: {per_core}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {target.memory_bandwidth:.0f}
  l2_cache_size: {target.l2_bytes}
  clock_rate_ghz: {target.clock_ghz}
  device_memory_size: {target.memory_bytes:.0f}
  cuda_compute_capability {{ major: {major} minor: {minor} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{target.kind}"
"""
