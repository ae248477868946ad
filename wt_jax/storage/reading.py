"""Where copies lie that are read now, and gone with this process."""

import atexit
import os
import shutil
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from wt_jax.runtime.files import cache_folder, only_writer, sweep_in
from wt_jax.storage.places import note_copy


def fresh_folder(url: str) -> Path:
    """An empty folder for what is below a URL; what is printed of it shows that."""
    folder = Path(tempfile.mkdtemp(dir=_own(cache_folder(), os.getpid())))
    note_copy(folder, url)
    return folder


def stand_in(url: str) -> Path:
    """The one place for the copy of what is at a URL, in folders that are called as those of the bucket."""
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    folder = _own(cache_folder(), os.getpid()) / scheme
    note_copy(folder / bucket, f"{scheme}://{bucket}")
    return folder / rest


def put_empty(path: Path) -> None:
    """An empty file, which stands for an object until that is fetched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@cache
def _own(above: Path, process: int) -> Path:
    """This process's folder; those of processes that were killed are removed."""
    above = above / "reading"
    above.mkdir(parents=True, exist_ok=True)
    sweep_in(above)
    folder = Path(tempfile.mkdtemp(prefix=f"{process}-", dir=above))
    held = ExitStack()
    held.enter_context(only_writer(folder))
    held.callback(shutil.rmtree, folder, ignore_errors=True)  # while it is held
    atexit.register(held.close)
    return folder
