"""Which files of a run belong into its bucket, and what makes a checkpoint among them whole."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from wt_jax.runtime.files import sha256

STEPS = "checkpoints"
MARKER = "digest.json"  # of a checkpoint: it comes last and goes first, and without it there is none
_SHA256 = re.compile("[0-9a-f]{64}")
_ASIDE = "damaged"  # beside the steps

Stats = dict[str, tuple[int, int]]  # name -> time of its last change in ns, bytes


def belongs(name: str) -> bool:
    """Whether a run has files of that name: hidden ones, locks, what lies beside its steps are of others."""
    parts = name.split("/")
    if any(part.startswith(".") for part in parts) or name.endswith(".lock"):
        return False
    return parts[0] != STEPS or (len(parts) > 2 and (parts[1].isdecimal() or parts[1] == _ASIDE))


def step_of(name: str) -> int | None:
    """Of which checkpoint a file is; None of any other."""
    parts = name.split("/")
    return int(parts[1]) if parts[0] == STEPS and len(parts) > 2 and parts[1].isdecimal() else None


def is_marker(name: str) -> bool:
    """Whether it is what makes a checkpoint whole."""
    return step_of(name) is not None and name.split("/")[2:] == [MARKER]


def newest(names: Iterable[str]) -> int:
    """The newest checkpoint that has a marker; -1 where there is none."""
    return max((step_of(name) or 0 for name in names if is_marker(name)), default=-1)


def whole(names: Iterable[str]) -> list[str]:
    """Without what is of a checkpoint that has no marker."""
    names = list(names)
    marked = {step_of(name) for name in names if is_marker(name)} | {None}
    return [name for name in names if step_of(name) in marked]


def scan(folder: Path) -> Stats:
    """The files that belong into the bucket; of a checkpoint that is being written, none."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # which the run has deleted meanwhile
            raise error

    stats: Stats = {}
    for parent, _, files in os.walk(folder, onerror=fail):
        for path in (Path(parent, name) for name in files):
            name = path.relative_to(folder).as_posix()
            if belongs(name):
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue
                stats[name] = (stat.st_mtime_ns, stat.st_size)
    return {name: stats[name] for name in whole(stats)}


def is_intact(folder: Path, step: int) -> bool:
    """Whether a checkpoint's files are those that its marker names."""
    path = folder / STEPS / str(step)
    try:
        files = digests((path / MARKER).read_bytes())
        return bool(files) and all(sha256(path / name) == digest for name, digest in files.items())
    except (OSError, ValueError):
        return False


def digests(marker: bytes) -> dict[str, str]:
    """File of a checkpoint -> its SHA-256; none of a damaged marker, which whoever restores it will name."""
    try:
        files = json.loads(marker)["files"]
    except (ValueError, KeyError, TypeError):
        return {}
    is_right = isinstance(files, dict) and all(_SHA256.fullmatch(str(digest)) for digest in files.values())
    return files if is_right else {}
