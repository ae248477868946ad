"""Jobs, shared out to workers as they get done; what a lost worker had is done again."""

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from wt_jax.cluster.about import About, check, explain
from wt_jax.cluster.connection import connected
from wt_jax.cluster.environment import passed_on, take_over
from wt_jax.cluster.flags import Cluster

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")

_TRIES = 3  # of a job whose worker dies
_STARTS = 3  # in a row that come to nothing: so will the next


def shared_out(
    work: Callable[[_Job], _Result], jobs: Sequence[_Job], cluster: Cluster
) -> Generator[tuple[int, _Result | None], None, None]:
    """(index of a job, its result) as they come from the workers of a cluster, one job at a time on each.

    `work` and what it is given find the same files under the same names there. The result is None of a job
    whose worker died three times. What `work` raises is raised here. Raises ValueError where there is no such
    cluster, and TimeoutError where no worker is there for `cluster.wait_s`.
    """
    if not jobs:
        return
    with connected(cluster.address, (cluster.workers or 0) * cluster.cpus):
        pool = _Pool(work, jobs, cluster)
        try:
            yield from pool.results()
        finally:
            pool.close()


class _Doer:
    """A worker that does jobs: an actor of Ray's, in a process of its own."""

    def __init__(self, environment: Mapping[str, str], folder: str):
        take_over(environment, folder)

    def about(self) -> About:
        return About.this()

    def do(self, work: Callable[[Any], Any], job: Any) -> Any:
        return work(job)


class _Pool:
    def __init__(self, work: Callable, jobs: Sequence, cluster: Cluster):
        import ray

        from wt_jax.cluster.resources import n_cores

        self._cluster, self._jobs, self._work = cluster, jobs, ray.put(work)
        self._waiting, self._tries = deque(range(len(jobs))), Counter[int]()
        self._starting: dict[Any, Any] = {}  # workers, by what tells that they are there
        self._doing: dict[Any, tuple[Any, int]] = {}  # and job, by its result to be
        self._idle: list[Any] = []
        self._n_failed = 0  # starts, in a row
        self._n = min(cluster.workers or max(1, int(n_cores() / cluster.cpus)), len(jobs))
        self._doers = ray.remote(_Doer).options(
            num_cpus=cluster.cpus, num_gpus=cluster.gpus, scheduling_strategy="SPREAD"
        )
        for _ in range(self._n):
            self._start()

    def _start(self) -> None:
        doer = self._doers.remote(passed_on(os.environ), os.getcwd())
        self._starting[doer.about.remote()] = doer

    def results(self) -> Generator[tuple[int, Any], None, None]:
        """Until all jobs are done."""
        import ray

        from wt_jax.cluster.resources import Waiting

        waiting = Waiting(self._cluster, self._n)
        while self._waiting or self._doing:
            while self._idle and self._waiting:
                doer, i = self._idle.pop(), self._waiting.popleft()
                self._doing[doer.do.remote(self._work, self._jobs[i])] = (doer, i)
            done, _ = ray.wait([*self._starting, *self._doing], timeout=1)
            if done or self._doing:
                waiting = Waiting(self._cluster, self._n)
            else:
                waiting.go_on()
            for ref in done:
                if ref in self._starting:
                    self._welcome(ref)
                else:
                    yield from self._take(ref)

    def _welcome(self, ref: Any) -> None:
        import ray

        doer = self._starting.pop(ref)
        try:
            check(About(*ray.get(ref)))
        except ray.exceptions.RayError as error:
            self._n_failed += 1
            if self._n_failed >= _STARTS:
                where = f"--cluster {self._cluster.address}"
                raise ValueError(f"{where}: no worker can start there: {explain(error)}") from error
            self._start()
        else:
            self._n_failed = 0
            self._idle.append(doer)

    def _take(self, ref: Any) -> Generator[tuple[int, Any], None, None]:
        import ray

        doer, i = self._doing.pop(ref)
        try:
            result = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except ray.exceptions.RayError:
            self._start()
            self._tries[i] += 1
            if self._tries[i] < _TRIES:
                self._waiting.appendleft(i)
            else:
                yield i, None
        else:
            self._idle.append(doer)
            yield i, result

    def close(self) -> None:
        """Ends the workers, whatever they do."""
        import ray

        for doer in [*self._starting.values(), *(doer for doer, _ in self._doing.values()), *self._idle]:
            with suppress(Exception):  # it may be gone, or the connection
                ray.kill(doer)
