"""What others have written into a bucket, copied here to be read; nothing there is changed."""

import os
import shutil
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import filelock

from wt_jax.runtime.files import cache_folder, read_json, sha256, write_json, written_beside
from wt_jax.runtime.progress import Progress
from wt_jax.storage.bucket import AT_ONCE, Bucket, Stored, check_scheme
from wt_jax.storage.places import is_remote, local
from wt_jax.storage.reading import fresh_folder, put_empty
from wt_jax.storage.run_files import MARKER, STEPS, digests, is_marker

_INDEX = ".copied.json"
_NAME_ALONE = ""  # in place of a version
_KEPT_S = 30 * 24 * 3600  # of what was read, since it last was
_AGAIN_S = 10.0  # while a run deletes what is being read


def copy_of_run(place: Path | str) -> Path:
    """A workdir to restore from: of a bucket a copy of its checkpoints, as long as this process lives.

    What was fetched once is kept in the cache by its digest. Raises ValueError where the bucket cannot be
    read; a damaged checkpoint is copied as it is.
    """
    if not is_remote(place):
        return local(place)
    url = str(place).rstrip("/")
    local(url)  # checks it
    bucket, folder = Bucket(url), fresh_folder(url)
    until_s = time.monotonic() + _AGAIN_S
    while True:
        try:
            _copy_steps(bucket, folder, must_match=time.monotonic() < until_s)
            _forget_old()
            return folder
        except _ChangedError:
            shutil.rmtree(folder / STEPS, ignore_errors=True)
            time.sleep(0.5)


def copy_of_file(place: Path | str, beside: str = "") -> Path:
    """A file to read: of a bucket a copy, as long as this process lives, and of the one `beside` it.

    Raises ValueError where there is none of a name.
    """
    if not is_remote(place):
        return local(place)
    check_scheme(str(place))
    url, _, name = str(place).rpartition("/")
    folder = fresh_folder(url)
    for one in filter(None, (name, beside)):
        try:
            Bucket(url).fetch(one, folder / one)
        except FileNotFoundError:
            raise ValueError(f"{url}/{one}: no such object") from None
    return folder / name


Choice = Callable[[Collection[str]], tuple[Collection[str], Collection[str]]]


def everything(names: Collection[str]) -> tuple[Collection[str], Collection[str]]:
    """Wants all."""
    return names, ()


def copy_of_folder(place: Path | str, choose: Choice = everything) -> Path:
    """A folder to read: of a bucket a copy in the cache. Only what is new is fetched, with a progress bar.

    `choose` says which of the objects are wanted, and of which the name alone, as an empty file. Raises
    ValueError where the bucket cannot be read.
    """
    folder = local(place)
    if not is_remote(place):
        return folder
    bucket = Bucket(str(place))
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".copied.lock"):
        listed = bucket.listing()
        wanted, named = choose(listed)
        versions = dict.fromkeys(named, _NAME_ALONE) | {name: listed[name].version for name in wanted}
        before = _index(folder)
        for name in before.keys() - versions.keys():
            (folder / name).unlink(missing_ok=True)
        sizes = {name: listed[name].n_bytes for name in wanted} | dict.fromkeys(set(named) - set(wanted), 0)
        missing = [
            name
            for name, version in versions.items()
            if before.get(name) != version or not _is_of_size(folder / name, sizes[name])
        ]
        # Before the first is fetched: one that is cut short is then not taken for what it was.
        write_json(folder / _INDEX, {n: version for n, version in versions.items() if n not in set(missing)})
        for name in versions.keys() - set(wanted):
            put_empty(folder / name)
        _fetch(bucket, folder, [name for name in missing if name in set(wanted)], listed)
        write_json(folder / _INDEX, versions)
    return folder


class _ChangedError(Exception):
    """What was listed is gone or another one by now."""


def _copy_steps(bucket: Bucket, folder: Path, must_match: bool) -> None:
    """All checkpoints that are whole; _ChangedError where they `must_match` their digests and do not."""
    listed = bucket.listing(STEPS)
    for marker in filter(is_marker, listed):
        step = marker.removesuffix(MARKER)
        text = _read(bucket, marker, must_match)
        files = digests(text)

        def copy(name: str, step: str = step, files: dict[str, str] = files) -> None:
            digest = files.get(name.removeprefix(step))
            try:
                _copy(bucket, name, folder / name, digest)
            except FileNotFoundError:
                raise _gone(bucket, name, must_match) from None
            if must_match and digest and sha256(folder / name) != digest:
                raise _ChangedError

        names = [name for name in listed if name.startswith(step) and name != marker]
        firsts = {files.get(name.removeprefix(step), name): name for name in names}.values()
        with ThreadPoolExecutor(AT_ONCE) as pool:  # of equal files one after the other
            list(pool.map(copy, firsts))
            list(pool.map(copy, set(names) - set(firsts)))
        (folder / step).mkdir(parents=True, exist_ok=True)
        (folder / marker).write_bytes(text)  # as read before the others: they are what it says
    if listed:
        (folder / STEPS).mkdir(parents=True, exist_ok=True)


def _read(bucket: Bucket, name: str, must_match: bool) -> bytes:
    try:
        return bucket.read(name)
    except FileNotFoundError:
        raise _gone(bucket, name, must_match) from None


def _gone(bucket: Bucket, name: str, must_match: bool) -> Exception:
    if must_match:
        return _ChangedError()
    return ValueError(f"{bucket.url}/{name}: is listed, and cannot be read")


def _is_of_size(path: Path, n_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == n_bytes


def _forget_old() -> None:
    for path in (cache_folder() / "objects").glob("*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _KEPT_S:
                path.unlink()


def _copy(bucket: Bucket, name: str, path: Path, digest: str | None) -> None:
    """An object as a file, from the cache where it is there."""
    if digest is None:
        bucket.fetch(name, path)
        return
    cached = cache_folder() / "objects" / digest
    if not cached.is_file() or sha256(cached) != digest:
        bucket.fetch(name, cached)
    os.utime(cached)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as beside:
        shutil.copyfile(cached, beside)


def _fetch(bucket: Bucket, folder: Path, names: list[str], listed: dict[str, Stored]) -> None:
    n_bytes = sum(listed[name].n_bytes for name in names)
    with Progress(f"from {bucket.url}", "MB", round(n_bytes / 1e6)) as progress:
        done_bytes, shown = 0, 0

        def tell(name: str) -> None:
            nonlocal done_bytes, shown
            done_bytes += listed[name].n_bytes
            progress.update(round(done_bytes / 1e6) - shown)
            shown = round(done_bytes / 1e6)

        bucket.fetch_all(names, folder, tell)


def _index(folder: Path) -> dict[str, str]:
    """What was fetched, by version; nothing where nobody knows."""
    try:
        index = read_json(folder / _INDEX)
    except ValueError:
        return {}
    return index if isinstance(index, dict) else {}
