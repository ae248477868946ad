"""The workers of one run, each on resources of its own, and the run's processes that they have started."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from wt_jax.cluster.about import About, check, explain
from wt_jax.cluster.ends import End, Lost
from wt_jax.cluster.environment import passed_on
from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.resources import Waiting
from wt_jax.cluster.worker import Worker
from wt_jax.runtime.cli import Stop
from wt_jax.runtime.cluster import VARIABLES

_HEARING_S = 20.0  # after the first has ended: a process hears of another's end in half of that
_STARTING_S = 120.0  # a worker whose machine is there, on a slow disk


class WorkerGroup:
    """Workers that are there, in the order of the run's processes."""

    def __init__(self, workers: Sequence[Any], about: Sequence[About]):
        self._workers, self.about = workers, about

    def ask(self, question: Callable[[], Any]) -> Any:
        """The answer of the first worker. Raises `Lost`."""
        return _get(self._workers[0].ask.remote(question))

    def start(self, arguments: Sequence[str]) -> None:
        """Starts the processes of a run, which find each other at the first. Raises `Lost`."""
        host = self.about[0].node
        host = f"[{host}]" if ":" in host else host
        port, n = _get(self._workers[0].free_port.remote()), len(self._workers)
        values = (f"{host}:{port}", str(n))
        _get(
            [
                worker.start.remote(arguments, dict(zip(VARIABLES, (*values, str(i)), strict=True)))
                for i, worker in enumerate(self._workers)
            ]
        )

    def watch(self, stop: Stop) -> list[End]:
        """Prints what the first process says until all have ended: how each did, in that order.

        What `stop` notes is passed on as SIGTERM. Where one has failed the others hear of it; those that have
        not are ended.
        """
        ends: list[End] = []
        last = dict.fromkeys(range(len(self._workers)), "")
        hearing = {worker.hear.remote(): i for i, worker in enumerate(self._workers)}
        is_told, until_s = False, float("inf")
        while hearing:
            if stop.caught and not is_told:
                is_told = True
                self._send(hearing.values(), signal.SIGTERM)
            if time.monotonic() > until_s:
                until_s = float("inf")
                self._send(hearing.values(), signal.SIGKILL)
            for ref in ray.wait(list(hearing), timeout=0.5)[0]:
                i = hearing.pop(ref)
                status: int | None = None
                try:
                    lines, status = ray.get(ref)
                except RayError:
                    ends.append(End(i, self.about[i].node, None, last[i]))
                else:
                    last[i] = _pass_on(lines, is_shown=i == 0) or last[i]
                    if status is None:
                        hearing[self._workers[i].hear.remote()] = i
                        continue
                    ends.append(End(i, self.about[i].node, status, last[i]))
                if status != 0 and until_s == float("inf"):
                    until_s = time.monotonic() + _HEARING_S
        return ends

    def _send(self, workers: Iterable[int], number: int) -> None:
        for i in list(workers):
            self._workers[i].send.remote(int(number))


def _pass_on(lines: Sequence[tuple[int, str]], is_shown: bool) -> str:
    """The last line of them that went to standard error."""
    last = ""
    for number, line in lines:
        if is_shown:
            print(line, file=sys.stdout if number == 1 else sys.stderr, flush=True)
        if number == 2 and line.strip():
            last = line
    return last


def _get(refs: Any) -> Any:
    try:
        return ray.get(refs, timeout=_STARTING_S)
    except (RayError, GetTimeoutError) as error:
        raise Lost(explain(error)) from error


@contextmanager
def gathered(cluster: Cluster, stop: Stop) -> Iterator[WorkerGroup | None]:
    """Workers on machines of their own as far as possible; None where `stop` came first. They end with it.

    Raises TimeoutError where the cluster has no room for them within `cluster.wait_s`, `Lost` where one went
    before all were there, and ValueError where a machine has another wt_jax, or none.
    """
    assert cluster.workers
    bundle = {"CPU": cluster.cpus} | ({"GPU": cluster.gpus} if cluster.gpus else {})
    group = placement_group([bundle] * cluster.workers, strategy="SPREAD")
    workers: list[Any] = []
    try:
        if not _wait_for(group, cluster, stop):
            yield None
            return
        surroundings = passed_on(os.environ), os.getcwd()
        workers += [
            ray.remote(Worker)
            .options(
                num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_concurrency=8,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, i),
            )
            .remote(*surroundings)
            for i in range(cluster.workers)
        ]  # fmt: skip
        yield WorkerGroup(workers, [_about(worker) for worker in workers])
    finally:
        for worker in workers:
            with suppress(Exception):  # the connection may be what is gone
                ray.kill(worker)  # and its process hears that it is
        with suppress(Exception):
            remove_placement_group(group)


def _about(worker: Any) -> About:
    about = About(*_get(worker.about.remote()))
    check(about)
    return about


def _wait_for(group: Any, cluster: Cluster, stop: Stop) -> bool:
    assert cluster.workers
    waiting = Waiting(cluster, cluster.workers)
    while not stop.caught:
        if group.wait(1):
            return True
        waiting.go_on()
    return False
