"""Readers beside the run that writes: they never stop it, nor it them, and they change nothing."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jax
from faults.stops import start, train_arguments
from faults.table import Outcome

from wt_jax.inference.restore import restore_model

_NONE_YET = ("holds no checkpoints", "holds no checkpoint of a finished epoch yet")


def readers(root: Path, folder: Path, minutes: float, epochs: int = 300) -> Iterator[Outcome]:
    """Restores without a break while runs train, one after another, until the time is up."""
    until, n_runs = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < until:
        n_runs += 1
        workdir, reads, failed = folder / str(n_runs), 0, []
        process = start(train_arguments(root, workdir, epochs), subprocess.DEVNULL)
        while process.poll() is None:
            if reads and time.monotonic() > until:
                process.terminate()
            try:
                restore_model(workdir, jax.devices()[:1])
                reads += 1
            except Exception as error:
                is_early = reads == 0 and any(words in str(error) for words in _NONE_YET)
                failed += [] if is_early else [repr(error)]
        _, err = process.communicate()
        is_promised = process.returncode in (0, 143) and not failed and "Traceback" not in err and reads > 0
        found = (
            f"{reads} reads, {len(failed)} failed {failed[:1]}; the run: {process.returncode} {err[-300:]}"
        )
        yield Outcome("readers beside a writer", f"run {n_runs}", found, is_promised)
