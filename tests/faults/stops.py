"""A run that is stopped at random moments, again and again, comes to what an unbroken one comes to."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from faults.table import Outcome
from processes import Processes
from training_runs import REPOSITORY, arguments, assert_close, assert_same_run

from wt_jax.runtime import failure

_LONGEST_S = 300
_FEW_EPOCHS = 20
_STATUS = {signal.SIGTERM: {143, -15}, signal.SIGINT: {130, -2}}  # negative: before any of us could listen


def train_arguments(root: Path, workdir: Path, epochs: int = 40, n_dispatches: int = 4) -> list[str]:
    """A tenth of a second an epoch, with a save in each."""
    overrides = {
        "train.epochs": epochs, "train.patience": epochs, "train.windows_per_epoch": 16 * n_dispatches,
    }  # fmt: skip
    return arguments(root, workdir, **overrides)


def start(argv: Sequence[str], stdout: int = subprocess.PIPE) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "wt_jax.train", *argv], cwd=REPOSITORY, text=True,
        stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip


def storm(
    part: str,
    root: Path,
    unbroken: Path,
    folder: Path,
    rng: random.Random,
    signals: Sequence[signal.Signals],
) -> Iterator[Outcome]:
    """Sends each of `signals` to a run at a random moment; the same command again, until the run is over.

    Then it is compared with the unbroken one, and a new run takes the next signal.
    """
    left, n_runs = list(signals), 0
    while left:
        n_runs += 1
        workdir, status = folder / str(n_runs), None
        while status != 0:
            process = start(train_arguments(root, workdir))
            after_s, number = rng.uniform(0.5, 7), left[0] if left else None
            if number:
                time.sleep(after_s)
            if number and process.poll() is None:
                left.pop(0)
                process.send_signal(number)
            out, err = process.communicate(timeout=_LONGEST_S)
            status = process.returncode
            if status == 0:
                yield Outcome(part, f"run {n_runs} at its end", *_compared(err, unbroken, workdir))
                break
            last = (out.strip().splitlines() or [""])[-1][:80]
            is_quiet = number is not None and "Traceback" not in err and "error" not in err.lower()
            is_promised = number == signal.SIGKILL or ((is_quiet or status < 0) and status in _STATUS[number])
            fault = f"run {n_runs}, {number and number.name} after {after_s:.2f} s"
            yield Outcome(part, fault, f"status {status}: {last} {err[-300:]}", is_promised)
            if number is None:
                return  # it cannot be brought to its end


def _compared(err: str, unbroken: Path, workdir: Path) -> tuple[str, bool]:
    try:
        assert_same_run(unbroken, workdir)
    except AssertionError as error:
        return f"differs from the unbroken run: {error}", False
    return "bit for bit the unbroken run", "Traceback" not in err


def lost_processes(root: Path, folder: Path, rng: random.Random, n: int) -> Iterator[Outcome]:
    """Of two processes one is killed at a random moment; one alone then goes on to the end.

    A short run: sums in another order come to other decisions after some hundreds of steps.
    """
    unbroken = folder / "unbroken"
    start(train_arguments(root, unbroken, _FEW_EPOCHS)).communicate(timeout=_LONGEST_S)
    for i in range(n):
        argv, killed, after_s = (
            train_arguments(root, folder / str(i), _FEW_EPOCHS),
            rng.randrange(2),
            rng.uniform(0, 2),
        )
        with Processes(argv, argv, heartbeat_s=100) as processes:
            processes.wait_for("epoch   1/")
            time.sleep(after_s)
            processes.all[killed].kill()
            status, _, err = processes.end()[1 - killed]
        fault = f"process {killed} of 2, {after_s:.2f} s after the first epoch"
        is_said = status == failure.LOST and err.count("\n") == 1
        yield Outcome("lost processes", fault, f"status {status}: {err[-300:]}", is_said or status == 0)
        process = start(argv)
        _, err = process.communicate(timeout=_LONGEST_S)
        try:
            assert_close(unbroken, folder / str(i))
            found, is_promised = "the unbroken run, but for rounding", True
        except AssertionError as error:
            found, is_promised = f"differs from the unbroken run: {error}", False
        yield Outcome("lost processes", f"{fault}, to its end", f"{found} {err[-300:]}", is_promised)
