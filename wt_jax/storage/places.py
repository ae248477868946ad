"""Places that a user names: a folder or file of this machine, or a URL of a bucket and its copy here."""

import re
from pathlib import Path

from wt_jax.runtime.files import cache_folder
from wt_jax.runtime.printable import show_as
from wt_jax.storage.bucket import check_scheme

_URL = re.compile("[a-z][a-z0-9+.-]*://")
_copies: dict[Path, str] = {}  # folder of this machine -> URL


def is_remote(place: Path | str) -> bool:
    """Whether it is a URL: of a bucket, or of what wt_jax cannot use."""
    return isinstance(place, str) and bool(_URL.match(place)) and not place.startswith("file://")


def local(place: Path | str) -> Path:
    """Where its files are on this machine: the folder itself, of a URL the copy in the cache.

    What is printed of such a copy shows the URL. Raises ValueError for a URL that wt_jax cannot use.
    """
    if not is_remote(place):
        return Path(str(place).removeprefix("file://"))
    check_scheme(str(place))
    url = str(place).rstrip("/")
    folder = cache_folder() / "buckets" / url.replace("://", "/")
    note_copy(folder, url)
    return folder


def place(text: Path | str) -> Path | str:
    """What a command line names: a URL as it is, all else as a path."""
    return str(text) if is_remote(text) else local(text)


def split(place: Path | str) -> tuple[Path | str, str]:
    """The folder that it is in, and what it is called there; of a bucket itself, that and ""."""
    if not is_remote(place):
        path = local(place)
        return path.parent, path.name
    above, _, name = str(place).rstrip("/").rpartition("/")
    return (f"{above}/{name}", "") if above.endswith(":/") else (above, name)


def note_copy(folder: Path, url: str) -> None:
    """That the folder is a copy of what is below a URL: what is printed of it shows that."""
    _copies[folder] = url
    show_as(folder, url)


def url_of(path: Path) -> str:
    """Of a copy, and of what is in one, the URL; "" of any other path."""
    for folder in (path, *path.parents):
        if url := _copies.get(folder):
            below = path.relative_to(folder).as_posix()
            return url if below == "." else f"{url}/{below}"
    return ""


def scratch(place: Path | str) -> Path:
    """Where goes what is made from its files, or for them, and can be made again: never into a bucket."""
    if not is_remote(place):
        return local(place)
    return cache_folder() / "made" / str(place).rstrip("/").replace("://", "/")


def absolute(place: Path | str) -> str:
    """The place, named so that it is found from any folder; of a copy, what it is one of."""
    if is_remote(place):
        return str(place).rstrip("/")
    return url_of(local(place).absolute()) or str(local(place).absolute())


def resolved(place: Path | str) -> str:
    """By which two names of one place are known: its URL, also of a copy; of any other where links lead."""
    return absolute(place) if is_remote(place) else url_of(local(place)) or str(local(place).resolve())
