"""A training run on a cluster: started, watched, and started again where it has lost a worker."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from wt_jax.cluster.connection import connected
from wt_jax.cluster.ends import End, Lost, cause, is_done, is_saved, mistakes
from wt_jax.cluster.flags import Cluster
from wt_jax.runtime.cli import USER_ERROR, Stop, catch_stop
from wt_jax.runtime.failure import LOST
from wt_jax.runtime.printable import tell

_HELD = "another run is writing to it"  # of a workdir: the process that was killed, for a while
_HELD_S = 180.0
_GOES_ON = "the same command goes on from the last checkpoint"


def launch(cluster: Cluster, arguments: Sequence[str], latest_step: Callable[[], int | None]) -> int:
    """Runs `python -m wt_jax.COMMAND`, of `arguments`, as one run of the cluster's workers: its exit status.

    What its process 0 says is printed. A run that loses a worker is started again, from its last checkpoint,
    `cluster.restarts` times without a newer one; `latest_step`, which is asked on a machine of the cluster,
    says which that is. SIGINT and SIGTERM reach the run's processes as SIGTERM. Raises ValueError where there
    is no such cluster, and TimeoutError where its machines never come.
    """
    assert cluster.workers
    with connected(cluster.address, cluster.workers * cluster.cpus):
        from wt_jax.cluster.worker_group import gathered  # Ray, an extra

        with catch_stop() as stop:
            return Launcher(cluster, partial(gathered, cluster), latest_step).run(arguments, stop)


class Launcher:
    """Starts a run as often as it takes. `gather` is `worker_group.gathered` of the cluster."""

    def __init__(
        self,
        cluster: Cluster,
        gather: Callable[[Stop], AbstractContextManager[Any]],
        latest_step: Callable[[], int | None],
    ):
        self._most, self._gather, self._latest_step = cluster.restarts, gather, latest_step
        self._why = ""  # it is to be started again; "" at first
        self._step: int | None = None  # of the newest checkpoint, when last asked
        self._n = 0  # restarts since then
        self._is_counted = False  # the one that comes
        self._held_since_s: float | None = None

    def run(self, arguments: Sequence[str], stop: Stop) -> int:
        """The exit status at last. `stop` is heeded; raises TimeoutError where nothing was ever started."""
        while True:
            try:
                with self._gather(stop) as group:
                    if group is None:
                        tell("stopped while it waited for machines")
                        return stop.status
                    if self._why and not self._may_start(group.ask(self._latest_step)):
                        break
                    group.start(arguments)
                    ends = group.watch(stop)
                status = self._judge(ends, stop)
                if status is not None:
                    return status
            except Lost as lost:
                self._why = f"a worker was gone before the run began ({lost})"
                self._n += 1
                if self._n > self._most:
                    break
                self._is_counted = True
            except TimeoutError as error:
                if not self._why:
                    raise
                self._why += f", and {error}"
                break
            if not self._most:
                break
        tell(f"error: {self._why}; {_GOES_ON}")
        return LOST

    def _may_start(self, step: int | None) -> bool:
        """Whether there are restarts left, with a newer checkpoint or without; says so."""
        if step is not None and (self._step is None or step > self._step):
            self._step, self._n = step, 0
        if self._held_since_s is None and not self._is_counted:
            self._n += 1
        self._is_counted = False
        if self._n > self._most:
            self._why += f"; {self._most} restarts brought no newer checkpoint"
            return False
        where = "its start" if step is None else f"step {step}"
        tell(f"{self._why}: started again from {where} (restart {self._n} of {self._most} from there)")
        return True

    def _judge(self, ends: Sequence[End], stop: Stop) -> int | None:
        """The exit status; None where the run is to be started again."""
        if is_done(ends):
            return 0
        if stop.caught:
            if is_saved(ends):  # and the run has said so
                return stop.status
            tell(f"error: {cause(ends)}; {_GOES_ON}")
            return LOST
        if wrong := mistakes(ends):
            if self._why and self._is_held(wrong):
                return None
            if all(end.worker for end in wrong):  # the first process, which is heard, may not know
                tell(f"error: {wrong[0].node}: {wrong[0].last.removeprefix('error: ')}")
            return USER_ERROR
        self._why, self._held_since_s = str(cause(ends)), None
        return None

    def _is_held(self, wrong: Sequence[End]) -> bool:
        """Whether a killed process of the run still holds its workdir; waits a little where it does."""
        now_s = time.monotonic()
        self._held_since_s = self._held_since_s or now_s
        if not any(_HELD in end.last for end in wrong) or now_s - self._held_since_s > _HELD_S:
            return False
        time.sleep(5)
        return True
