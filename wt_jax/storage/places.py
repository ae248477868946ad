"""Places that a user names: a folder or file of this machine, or a URL of a bucket and its copy here."""

import argparse
import hashlib
import re
from pathlib import Path

from wt_jax.runtime.files import cache_folder
from wt_jax.runtime.printable import show_as
from wt_jax.storage.bucket import check_scheme

_URL = re.compile("[a-z][a-z0-9+.-]*://")
_LIKE_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/")  # or like a folder that nobody has
_copies: dict[Path, str] = {}  # folder of this machine -> URL


def is_remote(place: Path | str) -> bool:
    """Whether it is a URL: of a bucket, or of what wt_jax cannot use."""
    return isinstance(place, str) and bool(_URL.match(place)) and not place.startswith("file://")


def local(place: Path | str) -> Path:
    """Where its files are on this machine: the folder itself, of a URL the copy in the cache.

    What is printed of such a copy shows the URL. Raises ValueError for a URL that wt_jax cannot use.
    """
    if not is_remote(place):
        path = str(place)
        if path.startswith("file:///"):
            return Path(path.removeprefix("file://"))
        if _LIKE_URL.match(path):
            raise ValueError(f"{path}: neither a path nor a URL: s3://BUCKET/FOLDER, gs://BUCKET/FOLDER")
        return Path(path)
    return _copy(str(place), "copies")


def run_folder(workdir: Path | str) -> Path:
    """Where the files of a run are on this machine: the workdir itself, of a bucket what a `Mirror` follows.

    It is no folder that `local` gives: what is copied to be read changes nothing of a run.
    """
    return _copy(str(workdir), "runs") if is_remote(workdir) else local(workdir)


def place(text: Path | str) -> Path | str:
    """What a command line names: a URL as it is, all else as a path."""
    try:
        return str(text) if is_remote(text) else local(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
    return cache_folder() / "made" / _folder_name(str(place))


def _copy(url: str, kind: str) -> Path:
    check_scheme(url)
    folder = cache_folder() / kind / _folder_name(url)
    note_copy(folder, url.rstrip("/"))
    return folder


def _folder_name(url: str) -> str:
    """Of a URL, and no other one: folders of buckets lie in each other, their copies do not."""
    url = url.rstrip("/")
    return f"{re.sub('[^A-Za-z0-9.]+', '-', url)[:80]}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def absolute(place: Path | str) -> str:
    """The place, named so that it is found from any folder; of a copy, what it is one of."""
    if is_remote(place):
        return str(place).rstrip("/")
    return url_of(local(place).absolute()) or str(local(place).absolute())


def resolved(place: Path | str) -> str:
    """By which two names of one place are known: its URL, also of a copy; of any other where links lead."""
    return absolute(place) if is_remote(place) else url_of(local(place)) or str(local(place).resolve())
