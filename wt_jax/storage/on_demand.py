"""Files of a bucket that are fetched when their turn comes: until then empty ones stand for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wt_jax.storage.bucket import Bucket
from wt_jax.storage.copies import Choice, everything
from wt_jax.storage.places import is_remote, local, split, url_of
from wt_jax.storage.reading import put_empty, stand_in


class NothingThereError(ValueError):
    """No object has that name, and none is below it."""


def copy_of_inputs(place: Path | str, choose: Choice = everything) -> Path:
    """A file or a folder to look at: of a bucket a copy, as long as this process lives.

    `choose` as of `copy_of_folder`: files of which the name alone is there are empty until they are
    `at_hand`; of one that is named itself it is not asked. Raises NothingThereError, and ValueError where
    the bucket cannot be read.
    """
    if not is_remote(place):
        return local(place)
    local(place)  # checks it
    url = str(place).rstrip("/")
    above, name = split(url)
    found = Bucket(str(above)).listing(name)
    if not found:
        raise NothingThereError(f"{url}: no such file or folder")
    copy = stand_in(url)
    if name in found:
        put_empty(copy)
        return copy
    wanted, named = choose([one.removeprefix(f"{name}/") for one in found])
    copy.mkdir(parents=True, exist_ok=True)
    for one in named:
        put_empty(copy / one)
    Bucket(url).fetch_all(wanted, copy)
    return copy


@contextmanager
def at_hand(path: Path) -> Iterator[Path]:
    """A file to read: of one that stands for an object a copy, which is gone after the block."""
    url = url_of(path)
    if not url or not path.is_file() or path.stat().st_size:
        yield path
        return
    with fetched(url) as copy:
        yield copy


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A copy of an object, which is gone after the block. Raises ValueError where there is none."""
    copy = stand_in(url)
    stands_there = copy.exists()
    above, name = split(url)
    try:
        Bucket(str(above)).fetch(name, copy)
    except FileNotFoundError:
        raise ValueError(f"{url}: no such object") from None
    try:
        yield copy
    finally:
        if stands_there:
            put_empty(copy)
        else:
            copy.unlink(missing_ok=True)
