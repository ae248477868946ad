"""Files on disk: written whole or not at all, by one process."""

import glob
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock

_SEAL = "sha256"
LOCK = ".lock"  # in a folder: of its `only_writer`


@contextmanager
def written_beside(path: Path | str) -> Iterator[Path]:
    """Yields a hidden file beside `path`, of the same suffix, that takes its name once written.

    Or a folder, where the block makes one; `path` is then no file, and no folder with anything in it. Makes
    the folder above. Where the block raises, `path` is left as it was and the other is removed; an OSError
    that names no file (a full disk) then names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)


def sweep(path: Path | str) -> None:
    """Removes the folders that `written_beside(path)` left beside it where its process was killed.

    Those whose `only_writer` is gone; one that somebody is still writing to stays.
    """
    path = Path(path)
    _remove_left(path.parent, f".{glob.escape(path.stem)}.*.tmp{glob.escape(path.suffix)}")


def sweep_in(folder: Path) -> None:
    """Removes the folders in it whose `only_writer` was killed."""
    _remove_left(folder, "*")


def _remove_left(folder: Path, pattern: str) -> None:
    for left in folder.glob(pattern):
        if (left / LOCK).is_file():
            with suppress(ValueError), only_writer(left):
                shutil.rmtree(left, ignore_errors=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes plain values as JSON, whole or not at all; raises ValueError for NaN and infinity."""
    with written_beside(path) as beside:
        beside.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises ValueError that names it where it is missing, or none."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # RecursionError: nested a thousand deep
        raise ValueError(f"{path}: not JSON ({error})") from None


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Writes plain values as JSON with the SHA-256 of them beside, whole or not at all."""
    write_json(path, {**content, _SEAL: _seal(content)})


def read_sealed(path: Path, may_lack: bool = False) -> dict[str, Any]:
    """What `write_sealed` wrote. Raises ValueError that names the file where it is another one by now.

    With `may_lack` one without a seal, of an older wt_jax, is taken as it is.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds {type(content).__name__}, not an object")
    if may_lack and _SEAL not in content:
        return content
    if content.pop(_SEAL, None) != _seal(content):
        raise ValueError(f"{path}: not as it was written (SHA-256 differs)")
    return content


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def only_writer(folder: Path | str) -> Iterator[None]:
    """Makes `folder` and keeps other processes out of it that ask the same way.

    Raises ValueError where it cannot be written, or another process has it.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK, timeout=0).acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"workdir={folder}: another run is writing to it: wait for it, or set another workdir"
        ) from error
    except OSError as error:
        raise ValueError(f"workdir={folder}: cannot be written ({error}): set --config.workdir") from error
    with lock:  # it ends with the process, however that ends
        yield


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where things are kept that can be made or fetched again: WT_JAX_CACHE, or ~/.cache/wt_jax."""
    if own := os.environ.get("WT_JAX_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wt_jax"


def is_writable(folder: Path | str) -> bool:
    """Can files be made there? A folder not there yet asks its nearest parent.

    Root may write anywhere, so a mode without any write bit counts as a no as well.
    """
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    has_write_bit = folder.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    return folder.is_dir() and bool(has_write_bit) and os.access(folder, os.W_OK | os.X_OK)
