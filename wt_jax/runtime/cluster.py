"""Where the other processes of a run are: by hand, under Slurm, on a TPU slice, or nowhere."""

import os
import re
import socket
import sys
from typing import Any

VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def find_hosts() -> dict[str, Any] | None:
    """How to join the others: arguments of jax.distributed.initialize; None for a process alone.

    VARIABLES go first (JAX itself reads the address alone), then the tasks of a Slurm step, then the hosts
    of a TPU slice. Raises ValueError for variables that are incomplete or make no sense.
    """
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if len(given) == len(VARIABLES):
        address, n_processes, process = (given[name] for name in VARIABLES)
        return _by_hand(address, n_processes, process)
    tasks = _slurm_tasks()
    if tasks > 1 and not given.keys() - {"JAX_COORDINATOR_ADDRESS"}:
        return {
            "num_processes": tasks,
            "local_device_ids": [] if _sees_its_devices_alone() else None,  # None: one, by SLURM_LOCALID
            "cluster_detection_method": "slurm",
        }
    if given:
        raise ValueError(
            f"{' and '.join(given)} set without {' and '.join(n for n in VARIABLES if n not in given)}: "
            "several processes need HOST:PORT of process 0, their number, and which of them this is "
            "(0, 1, ...); one alone needs none of the three"
        )
    return {} if _tpu_hosts() > 1 else None


def _by_hand(address: str, n_processes: str, process: str) -> dict[str, Any] | None:
    for name, value in (("JAX_NUM_PROCESSES", n_processes), ("JAX_PROCESS_ID", process)):
        if not value.isdecimal():
            raise ValueError(f"{name}={value}: must be a whole number")
    n, i = int(n_processes), int(process)
    if i >= n:
        raise ValueError(f"JAX_PROCESS_ID={i}: must be below JAX_NUM_PROCESSES={n}; the first process is 0")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"JAX_COORDINATOR_ADDRESS={address}: must be HOST:PORT, of process 0")
    if n == 1:
        return None
    try:
        socket.getaddrinfo(host.strip("[]"), int(port))
    except OSError as error:
        raise ValueError(f"JAX_COORDINATOR_ADDRESS={address}: no such host ({error})") from error
    if i == 0:
        _check_free(address, int(port))
    return {
        "coordinator_address": address,
        "num_processes": n,
        "process_id": i,
        "cluster_detection_method": "deactivate",
    }


def _check_free(address: str, port: int) -> None:
    """The runtime would end without a word where something else listens."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("", port))
        except OSError as error:
            raise ValueError(
                f"JAX_COORDINATOR_ADDRESS={address}: process 0 cannot listen there ({error}); take "
                "another port"
            ) from error


def _slurm_tasks() -> int:
    """Tasks that run beside this one; SLURM_NTASKS may be what was allotted, in a shell that is one task."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) if "SLURM_STEP_NODELIST" in os.environ else 1
    # `srun --pty bash`: the shells of the other tasks have ended. A step started from it has no terminal.
    in_shell = "SLURM_PTY_PORT" in os.environ and sys.stdin is not None and sys.stdin.isatty()
    return 1 if in_shell else tasks


def _sees_its_devices_alone() -> bool:
    """Whether all devices that this task sees are its own; JAX would take the one numbered SLURM_LOCALID."""
    counts: list[int] = []  # tasks of each node: "2(x3),1" is 2, 2, 2, 1
    for part in re.finditer(r"(\d+)(?:\(x(\d+)\))?", os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")):
        counts += [int(part[1])] * int(part[2] or 1)
    node = int(os.environ.get("SLURM_NODEID", 0))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or os.environ.get("ROCR_VISIBLE_DEVICES")
    return counts[node : node + 1] == [1] or (visible is not None and "," not in visible)


def _tpu_hosts() -> int:
    """Hosts of the TPU slice that this one belongs to; 1 where there is no TPU."""
    # JAX has no public way to ask; initialize() without arguments fails on a machine that is no cluster.
    from jax._src import clusters

    for cluster in (clusters.GkeTpuCluster, clusters.GceTpuCluster):
        try:
            if cluster.is_env_present():
                return cluster.get_process_count()
        except Exception as error:  # a VM whose metadata server does not answer, or does not know
            print(
                f"warning: the hosts of this TPU were not found ({error}): it trains alone", file=sys.stderr
            )
    return 1
