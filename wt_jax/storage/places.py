"""Places that a user names: a folder or file of this machine, or a URL of a bucket and its copy here."""

import re
from pathlib import Path

from wt_jax.runtime.files import cache_folder
from wt_jax.runtime.printable import show_as
from wt_jax.storage.bucket import check_scheme

_URL = re.compile("[a-z][a-z0-9+.-]*://")


def is_remote(place: Path | str) -> bool:
    """Whether it is a URL: of a bucket, or of what wt_jax cannot use."""
    return isinstance(place, str) and bool(_URL.match(place)) and not place.startswith("file://")


def local(place: Path | str) -> Path:
    """Where its files are on this machine: the folder itself, of a URL the copy in the cache.

    What is printed of such a copy shows the URL. Raises ValueError for a URL that wt_jax cannot use.
    """
    if not is_remote(place):
        return Path(str(place).removeprefix("file://"))
    url = str(place).rstrip("/")
    check_scheme(url)
    folder = cache_folder() / "buckets" / url.replace("://", "/")
    show_as(folder, url)
    return folder


def scratch(place: Path | str) -> Path:
    """Where goes what is made from its files, or for them, and can be made again: never into a bucket."""
    return (
        cache_folder() / "made" / str(place).rstrip("/").replace("://", "/")
        if is_remote(place)
        else local(place)
    )


def absolute(place: Path | str) -> str:
    """The place, named so that it is found from any folder."""
    return str(place) if is_remote(place) else str(local(place).absolute())
