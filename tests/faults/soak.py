"""A long run: its memory and its file descriptors stay where they are."""

import subprocess
import time
from pathlib import Path

import numpy as np
from faults.stops import start, train_arguments
from faults.table import Outcome
from training_runs import read_history

_SETTLED = 0.2  # of the time, after which nothing more may be taken
_ALLOWED_MB_A_MINUTE, _ALLOWED_DESCRIPTORS = 1.0, 2


def soak(root: Path, workdir: Path, minutes: float) -> Outcome:
    """Trains for so long with a save every other second or so; the slopes are of the settled part."""
    argv = train_arguments(root, workdir, epochs=1_000_000, n_dispatches=256)
    process = start(argv, subprocess.DEVNULL)
    began_s, seen = time.monotonic(), []
    while time.monotonic() - began_s < 60 * minutes and process.poll() is None:
        time.sleep(1)
        kb = int((Path("/proc") / str(process.pid) / "statm").read_text().split()[1]) * 4
        n_descriptors = len(list((Path("/proc") / str(process.pid) / "fd").iterdir()))
        seen.append((time.monotonic() - began_s, kb / 1024, n_descriptors))
    process.terminate()
    process.communicate()
    minutes_N, mb_N, descriptors_N = np.array(seen).T / [[60], [1], [1]]
    settled = minutes_N > _SETTLED * minutes
    mb_a_minute = np.polyfit(minutes_N[settled], mb_N[settled], 1)[0]
    more = int(descriptors_N[settled].max() - descriptors_N[settled].min())
    n_epochs = len(read_history(workdir)["loss"])
    found = (
        f"status {process.returncode}, {n_epochs} epochs, {mb_N[-1]:.0f} MB and "
        f"{mb_a_minute:+.2f} MB a minute, {descriptors_N[-1]:.0f} descriptors, {more} more or fewer"
    )
    is_flat = mb_a_minute < _ALLOWED_MB_A_MINUTE and more <= _ALLOWED_DESCRIPTORS
    return Outcome("soak", f"{minutes:g} minutes", found, is_flat and process.returncode == 143)
