"""Many jobs on processes of this machine, with the same function."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")

_TICK_S = 0.2  # between two looks at how far the workers are
_MOST = 16  # processes, unless told otherwise: each that finds poses takes some 400 MB
_n_counted: Any = None  # in a worker: the number that all of them share


def count() -> None:
    """One more step of a job is done. Outside of a worker nobody listens, and nothing happens."""
    if _n_counted is not None:
        with _n_counted.get_lock():
            _n_counted.value += 1


def on_this_machine(
    work: Callable[[_Job], _Result],
    jobs: Sequence[_Job],
    workers: int | None,
    tell: Callable[[int], Any],
) -> Generator[tuple[int, _Result | None], None, None]:
    """(index of a job, its result) as they come; `tell` is told how many more steps were counted.

    `workers` processes, by default as many as cores, 16 at most. The result is None of a job that ended its
    process; such a one fails alone. Closing the iterator ends the processes, whatever they do.
    """
    waiting, suspects = deque(range(len(jobs))), deque[int]()
    workers = min(workers or _default_workers(), len(jobs))
    while waiting or suspects:
        queue, n_processes = (suspects, 1) if suspects else (waiting, workers)
        running: dict[Future[_Result], int] = {}
        with _pool(n_processes) as (pool, n_counted):
            told = 0
            try:
                while queue or running:
                    while queue and len(running) < n_processes:
                        with _without_interrupts():  # processes that start now inherit that
                            running[pool.submit(work, jobs[queue[0]])] = queue[0]
                        queue.popleft()
                    done, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
                    now = n_counted.get_obj().value  # without its lock, which a process that died may hold
                    tell(now - told)
                    told = now
                    for future in done:
                        result = future.result()
                        yield running.pop(future), result
            except BrokenProcessPool:
                if n_processes > 1:
                    suspects.extend(running.values())  # one of them: each alone tells which
                else:
                    yield from ((i, None) for i in running.values())


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """Fresh processes, not copies of this one (its threads would be missing), which end with the block."""
    context = multiprocessing.get_context("spawn")
    n_counted = context.Value("q", 0)
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _start_worker, (n_counted,))
    try:
        yield pool, n_counted
        pool.shutdown()
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _start_worker(n_counted: Any) -> None:
    global _n_counted
    _n_counted = n_counted
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()  # even one that was killed
    os._exit(1)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C goes to all processes of a terminal: this one hears it, and ends those that it starts meanwhile,
    which inherit that they do not. This thread hears it afterwards; another may, and then at once.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _default_workers() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST)
