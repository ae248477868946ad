"""A long run: its memory and its file descriptors stay where they are."""

import subprocess
import time
from pathlib import Path

import numpy as np
from faults.stops import start, train_arguments
from faults.table import Outcome
from training_runs import read_history

_SETTLED = 0.2  # of the time, after which nothing more may be taken
_ALLOWED_MB_A_SAVE = 0.15  # Orbax alone takes 0.1 (docs/reliability.md)


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
    n_saves = len(read_history(workdir)["loss"])
    mb_a_save = np.polyfit(minutes_N[settled], mb_N[settled], 1)[0] * minutes / n_saves
    begin, end = np.array_split(descriptors_N[settled], 2)  # between saves: a save opens some and closes them
    found = (
        f"status {process.returncode}, {n_saves} saves, {mb_N[-1]:.0f} MB, "
        f"{1000 * mb_a_save:+.0f} KB a save, "
        f"{begin.min():.0f} descriptors and then {end.min():.0f}"
    )
    is_flat = mb_a_save < _ALLOWED_MB_A_SAVE and end.min() <= begin.min()
    return Outcome("soak", f"{minutes:g} minutes", found, is_flat and process.returncode == 143)
