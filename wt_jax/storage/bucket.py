"""A bucket of a cloud (s3://, gs://): objects below a URL, written and read whole, tried again if need be."""

import errno
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from wt_jax.runtime.files import written_beside
from wt_jax.runtime.printable import printable, tell

PATIENCE_S = 120.0  # as long as something is tried again that may be there again soon
AT_ONCE = 16  # objects
MANUAL = "docs/cloud.md"
_DRIVERS = {"s3": "s3fs", "gs": "gcsfs"}  # URL scheme -> the library
_EXTRAS = {"s3": "s3", "gs": "gcs"}  # of wt_jax, that bring it
_IN_ONE_CALL_BYTES = 64_000_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "DefaultCredentialsError",
)
_HOPELESS = (
    errno.EINVAL, errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENAMETOOLONG, errno.EMSGSIZE,
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EISDIR, errno.ENOTDIR,  # of this machine
)  # fmt: skip
_REFUSED = {401, 403}  # statuses of HTTP
_MAY_PASS = {408, 409, 425, 429}

_T = TypeVar("_T")


class Stored(NamedTuple):
    """What a listing says of an object."""

    n_bytes: int
    version: str  # another one once it is written again


class Bucket:
    """Objects below `url`, named by the rest of theirs: "checkpoints/320/digest.json".

    What may pass (no network, 503, an answer that breaks off) is tried again for `patience_s` seconds, with
    a word on standard error. Methods raise ValueError, one line that begins with the URL, for what stays: no
    such bucket, no credentials, not allowed. Listings are asked for each time, never remembered.
    """

    def __init__(self, url: str, patience_s: float = PATIENCE_S):
        check_scheme(url)
        self.url = url.rstrip("/")
        self.patience_s = patience_s
        scheme, _, self._base = self.url.partition("://")
        self._files = _file_system(scheme, self.url)

    def listing(self, folder: str = "") -> dict[str, Stored]:
        """All objects, or those of a folder, by name; hidden ones (a part of the name begins with a dot) only
        of a folder that is hidden itself, and none whose name leads out of a folder."""
        with self._which_is_there():
            found = self._try(self._files.find, f"{self._base}/{folder}".rstrip("/"), detail=True)
        return {
            path.removeprefix(f"{self._base}/"): Stored(
                int(about["size"]), str(about.get("ETag") or about.get("generation") or about.get("etag"))
            )
            for path, about in found.items()
            if about["type"] == "file"
            and _is_offered(path, f"{self._base}/{folder}".rstrip("/"), is_named=bool(folder))
        }

    def read(self, name: str) -> bytes:
        """An object's bytes. Raises FileNotFoundError where there is none of that name."""
        return self._try(self._files.cat_file, f"{self._base}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Writes an object whole, in place of the one of that name."""
        with self._which_is_there():
            self._try(self._files.pipe_file, f"{self._base}/{name}", content)

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object if there is none of that name; False where there is."""
        try:
            with self._which_is_there():
                self._try(self._files.pipe_file, f"{self._base}/{name}", content, mode="create")
        except FileExistsError:
            # An answer that was lost on its way back, and the attempt after it.
            return self.read(name) == content
        return True

    def delete(self, names: Iterable[str]) -> None:
        """Deletes objects, in this order; one that is gone already is no error."""
        for name in names:
            try:
                self._try(self._files.rm_file, f"{self._base}/{name}")
            except FileNotFoundError:
                continue

    def fetch(self, name: str, path: Path) -> None:
        """An object as the file `path`, whole or not at all; as `read` raises."""
        with written_beside(path) as beside:
            self._try(self._files.get_file, f"{self._base}/{name}", str(beside))

    def fetch_all(
        self, names: Collection[str], folder: Path, told: Callable[[str], None] = lambda name: None
    ) -> None:
        """Objects as files of the same names, several at once; of each that is there, in turn, `told`."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for name, _ in zip(names, pool.map(lambda n: self.fetch(n, folder / n), names), strict=True):
                told(name)

    def send(self, path: Path, name: str) -> None:
        """A file as an object. Raises FileNotFoundError where the file is gone."""
        if path.stat().st_size <= _IN_ONE_CALL_BYTES:
            self.write(name, path.read_bytes())  # of one moment, though somebody appends to it
            return
        with self._which_is_there(unless=lambda: not path.exists()):
            self._try(self._files.put_file, str(path), f"{self._base}/{name}")

    def _try(self, call: Callable[..., _T], *given: Any, **named: Any) -> _T:
        until_s, pause_s, is_told = time.monotonic() + self.patience_s, _FIRST_PAUSE_S, False
        while True:
            try:
                result = call(*given, **named)
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as error:  # each library has its own
                said = _one_line(error)
                if why := _why_hopeless(error):
                    raise ValueError(f"{self.url}: {why} ({said})") from error
                if time.monotonic() + pause_s > until_s:
                    raise UnreachableError(
                        f"{self.url}: cannot be reached ({said}), tried for {self.patience_s:.0f} s"
                    ) from error
                if not is_told:
                    is_told = True
                    _tell_once(self.url, f"warning: {self.url}: cannot be reached ({said}): tried again")
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                _tell_back(self.url)
                return result

    @contextmanager
    def _which_is_there(self, unless: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Where what is not found must be the bucket itself, `unless` there is another reason: says so."""
        try:
            yield
        except FileNotFoundError:
            if unless():
                raise
            name = self._base.partition("/")[0]
            words = f"{self.url}: no bucket {name}: make it, or name another ({MANUAL})"
            raise ValueError(words) from None


def _is_offered(path: str, folder: str, is_named: bool) -> bool:
    """Whether it is in the folder by a name that a file may have, and not hidden; or, if that is no folder,
    what `is_named`."""
    parts = path.removeprefix(f"{folder}/").split("/")
    is_inside = path.startswith(f"{folder}/") and all(part and not part.startswith(".") for part in parts)
    return is_inside or (path == folder and is_named)


class UnreachableError(ValueError):
    """A bucket that could not be reached for all of its `patience_s`."""


def check_scheme(url: str) -> None:
    """Raises ValueError for a URL of a store that wt_jax cannot use, or whose library is not installed."""
    scheme, _, rest = url.partition("://")
    if scheme not in _DRIVERS:
        begins = " or ".join(f"{known}://" for known in _DRIVERS)
        raise ValueError(f"{url}: must be a place on this machine, or begin with {begins}")
    if not rest.strip("/"):
        raise ValueError(f"{url}: names no bucket")
    if "@" in rest.partition("/")[0]:  # not to be printed
        raise ValueError(f"{scheme}://...@...: credentials are no part of a URL: {MANUAL} says where they go")
    _driver(scheme, url)


def _driver(scheme: str, url: str) -> Any:
    if scheme == "gs":  # zonal buckets: needs gRPC and asks Google's own hosts, whatever the endpoint is
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    try:
        return importlib.import_module(_DRIVERS[scheme])
    except ImportError as error:
        extra = _EXTRAS[scheme]
        raise ValueError(f"{url}: needs {_DRIVERS[scheme]}: pip install -e '.[{extra}]' ({error})") from None


def _file_system(scheme: str, url: str) -> Any:
    driver = _driver(scheme, url)
    logging.getLogger(_DRIVERS[scheme]).setLevel(logging.CRITICAL)  # tracebacks of what is tried again
    fresh = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        limits = {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 0}}
        files = driver.S3FileSystem(config_kwargs=limits, **fresh)
        files.retries = 1
        return files
    return driver.GCSFileSystem(requests_timeout=30, **fresh)


def _why_hopeless(error: Exception) -> str:
    """What trying again does not mend, in words; "" for what it may."""
    kind, status = type(error).__name__, _status(error)
    if kind in _NO_CREDENTIALS:
        return f"no credentials: {MANUAL} says where they are looked for"
    if isinstance(error, PermissionError) or status in _REFUSED or str(error).startswith("Forbidden"):
        return f"not allowed to these credentials: {MANUAL} says what is needed"
    if status and 400 <= status < 500 and status not in _MAY_PASS:
        return "refused"
    is_hopeless = isinstance(error, OSError) and error.errno in _HOPELESS
    is_wrong = isinstance(error, ValueError | TypeError) or kind == "ParamValidationError"
    return "refused" if is_hopeless or is_wrong else ""


def _status(error: Exception) -> int:
    """The status of HTTP that an error carries; 0 without one."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = getattr(error, "code", None) or getattr(error, "status", None)
    return int(str(code)) if str(code).isdecimal() else 0


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split())[:200] or type(error).__name__)


_away_since_s: dict[str, float] = {}
_telling = threading.Lock()


def _tell_once(url: str, line: str) -> None:
    with _telling:
        if url not in _away_since_s:
            _away_since_s[url] = time.monotonic()
            tell(line)


def _tell_back(url: str) -> None:
    with _telling:
        if (since_s := _away_since_s.pop(url, None)) is not None:
            tell(f"{url}: reached again after {time.monotonic() - since_s:.0f} s")
