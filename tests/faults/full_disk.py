"""A disk that is full while a run trains: one line, and the same command goes on once there is room."""

import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from faults.stops import start, train_arguments
from faults.table import Outcome
from training_runs import assert_same_run


def full_disk(root: Path, unbroken: Path, folder: Path, rng: random.Random, n: int) -> Iterator[Outcome]:
    """Each on a file system in memory of a random size; needs root."""
    for i in range(n):
        place, size_kb = folder / str(i), rng.randrange(100, 1000)
        with _file_system(place, size_kb) as is_there:
            if not is_there:
                yield Outcome("full disk", "", "skipped: no file system can be mounted here (root)", True)
                return
            argv, fault = train_arguments(root, place / "run"), f"{size_kb} KB"
            status, err = _run(argv)
            is_said = status == 2 and err.count("\n") == 1 and str(place) in err and "No space" in err
            yield Outcome("full disk", fault, f"status {status}: {err[-400:]}", status == 0 or is_said)
            subprocess.run(["mount", "-o", "remount,size=100m", str(place)], check=True)
            status, err = _run(argv)
            try:
                assert_same_run(unbroken, place / "run")
                found, is_promised = "bit for bit the unbroken run", True
            except (AssertionError, OSError, ValueError) as error:
                found, is_promised = f"status {status}: {err[-300:]} {error}", False
            yield Outcome("full disk", f"{fault}, and then more", found, is_promised)


def _run(argv: list[str]) -> tuple[int, str]:
    process = start(argv)
    _, err = process.communicate(timeout=300)
    return process.returncode, err


@contextlib.contextmanager
def _file_system(place: Path, size_kb: int) -> Iterator[bool]:
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "none", str(place)],
        capture_output=True,
        check=False,
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(place)], check=True)
