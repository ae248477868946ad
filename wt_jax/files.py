"""Files on disk: written whole or not at all, and what reading a damaged .npz may raise."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What NumPy, zipfile and zlib raise over the years for a file that is cut off or no .npz at all.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def written_beside(path: Path | str) -> Iterator[Path]:
    """Yields a hidden file beside `path`, of the same suffix, that takes its name once written.

    Makes the folder. Where the block raises, `path` is left as it was and the other file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
