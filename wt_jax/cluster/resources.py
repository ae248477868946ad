"""What a cluster has and what workers need of it, in words, and the wait for it."""

import time

import ray

from wt_jax.cluster.flags import Cluster
from wt_jax.runtime.printable import tell

_TOLD_S = 5.0  # after which the wait is said
_AGAIN_S = (30.0, 300.0)  # from the first line to the second, and from one to the next at most


class Waiting:
    """For `n` workers of a cluster, from now on."""

    def __init__(self, cluster: Cluster, n: int):
        self._cluster, self._n = cluster, n
        self._begun_s = time.monotonic()
        self._tell_s, self._pause_s = self._begun_s + _TOLD_S, _AGAIN_S[0]

    def go_on(self) -> None:
        """Says now and then what is waited for. Raises TimeoutError where that is too long."""
        now_s, minutes = time.monotonic(), f"{self._cluster.wait_s / 60:g} minutes"
        if now_s - self._begun_s > self._cluster.wait_s:
            raise TimeoutError(
                f"--cluster {self._cluster.address}: {self._wanted()} did not come within {minutes} "
                f"(--wait_minutes); {_there()}"
            )
        if now_s > self._tell_s:
            tell(f"waiting for {self._wanted()}, {minutes} at most (--wait_minutes); {_there()}")
            self._tell_s, self._pause_s = now_s + self._pause_s, min(2 * self._pause_s, _AGAIN_S[1])

    def _wanted(self) -> str:
        gpus = f" and {self._cluster.gpus:g} GPU" if self._cluster.gpus else ""
        return f"{self._n} x {self._cluster.cpus:g} CPU{gpus}"


def _there() -> str:
    has, free = ray.cluster_resources(), ray.available_resources()
    n = sum(1 for node in ray.nodes() if node["Alive"])
    kinds = [kind for kind in ("CPU", "GPU") if has.get(kind)]
    parts = [f"{free.get(kind, 0):g} of {has[kind]:g} {kind}" for kind in kinds]
    return f"the cluster has {n} node{'s'[: n != 1]}, free are {' and '.join(parts) or 'no CPU'}"


def n_cores() -> int:
    """Of the whole cluster."""
    return int(ray.cluster_resources().get("CPU", 0))
