"""One contender in a process of its own: `Worker` is the caller's side, `main` what the process does.

The process answers `{"device": ...}` after its first dispatch, then to each line SECONDS trains for about
that long and answers `{"windows": ..., "seconds": ..., "others": ..., "peak_mb": ...}`, others in cores.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from contender import make

_QUIET_CORES = 0.2  # other processes' use of the CPU beside which a run still counts


class Entry(NamedTuple):
    """What one worker runs; PyTorch has one step a dispatch, and stands beside every row."""

    name: str
    batch_size: int
    dtype: str
    steps_per_dispatch: int

    def __str__(self) -> str:
        return f"{self.name} batch {self.batch_size} {self.dtype} x{self.steps_per_dispatch}"


class WorkerFailed(Exception):
    """A worker that ended by itself; the message is its last line."""


class Worker:
    """A process that holds one contender; `first_step_s` counts from its start to its first dispatch's end.

    `cache` is the folder of JAX's persistent compilation cache; without one, nothing is cached.
    """

    def __init__(self, entry: Entry, cache: str = "") -> None:
        environment = {
            **os.environ,
            "JAX_ENABLE_COMPILATION_CACHE": str(bool(cache)).lower(),
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # contenders share a GPU's memory
        }
        self._entry, self.disturbed, self.others, self.peak_mb = entry, 0, 0.0, 0.0
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115
        command = [sys.executable, __file__, *map(str, entry)]
        pipe, start = subprocess.PIPE, time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._stderr, text=True, env=environment
        )
        self.device = self._answer()["device"]
        self.first_step_s = time.perf_counter() - start

    def _answer(self) -> dict:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._stderr.seek(0)
            last = self._stderr.read().strip().splitlines()[-1:]
            raise WorkerFailed(f"{self._entry}: left with status {status}: {''.join(last)[:300]}")
        return json.loads(line)

    def windows_per_second(self, seconds: float, deadline: float = 0.0) -> float:
        """Of a run of about `seconds`, begun and repeated when others leave the CPU, until `deadline`."""
        while True:
            _await_quiet(deadline)
            answer = self._run(seconds)
            if answer["others"] <= _QUIET_CORES or time.monotonic() > deadline:
                break
        self.peak_mb = answer["peak_mb"]
        if deadline and answer["others"] > _QUIET_CORES:
            self.disturbed += 1
            self.others = max(self.others, answer["others"])
        return answer["windows"] / answer["seconds"]

    def _run(self, seconds: float) -> dict:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # _answer says why
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.communicate()
        self._stderr.close()


def _cpu_s() -> tuple[float, float]:
    """Processor seconds used by all processes and by this one; zeros where the first is not known."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0, 0.0
    user, nice, system, _idle, _wait, *rest = (int(n) for n in stat.read_text().split("\n")[0].split()[1:9])
    mine = os.times()
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK"), mine.user + mine.system


def _await_quiet(deadline: float) -> None:
    """Sleeps until the CPU is idle, or time.monotonic() reaches `deadline`."""
    while time.monotonic() < deadline:
        before_s = _cpu_s()[0]
        time.sleep(0.5)
        if _cpu_s()[0] - before_s <= 0.5 * _QUIET_CORES:
            break


def _peak_mb() -> float:
    """Most memory held so far: the GPU's where this process uses one, else the process's own."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        return sys.modules["torch"].cuda.max_memory_allocated() / 1e6
    if "jax" in sys.modules and (stats := sys.modules["jax"].local_devices()[0].memory_stats()):
        return stats["peak_bytes_in_use"] / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def main(name: str, batch_size: str, dtype: str, steps_per_dispatch: str) -> None:
    # Whatever a library prints goes to stderr; stdout carries answers alone.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contender = make(name, int(batch_size), dtype, int(steps_per_dispatch))
    size = contender.steps_per_dispatch
    contender.run(size)
    print(json.dumps({"device": contender.device}), file=answers)
    seconds_per_dispatch = contender.run(size)
    for line in sys.stdin:
        count = max(1, round(float(line) / seconds_per_dispatch))
        before_s = _cpu_s()
        seconds = contender.run(count * size)
        all_s, mine_s = (after - before for after, before in zip(_cpu_s(), before_s, strict=True))
        seconds_per_dispatch = seconds / count
        windows, others = count * size * contender.batch_size, max(0.0, all_s - mine_s) / seconds
        answer = {"windows": windows, "seconds": seconds, "others": others, "peak_mb": _peak_mb()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
