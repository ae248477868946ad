"""A bucket kept as a folder of this machine is: what is written there follows, in a thread of its own."""

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wt_jax.runtime.files import read_json, write_json
from wt_jax.runtime.printable import tell
from wt_jax.storage.bucket import Bucket, Stored, UnreachableError
from wt_jax.storage.lease import Lease, LostError

STEPS = "checkpoints"
MARKER = "digest.json"  # of a checkpoint: it comes last and goes first, and without it there is none
AT_ONCE = 16  # objects
_ASIDE = "damaged"  # beside the steps
_RECORD = ".bucket.json"
_LOOKS_EVERY_S = 1.0
_AWAY_S = 5.0
_LAST_PATIENCE_S = 300.0  # at the end, when nothing else is left to do
_MOST_OBJECTS, _MOST_BYTES = 20_000, 20e9  # of a workdir

_Stats = dict[str, tuple[int, int]]  # name -> time of its last change in ns, bytes
_UNKNOWN = (0, 0)


class Mirror:
    """Brings what changes in `folder` to `url` from `start` to `close`.

    A reader there sees objects whole, and a checkpoint only once all of it is there. While the bucket cannot
    be reached nobody waits; what was missed follows.
    """

    def __init__(self, folder: Path, url: str, lease: Lease | None = None):
        self._folder, self._lease = folder, lease
        self._bucket = Bucket(url)
        self._sent: _Stats = {}  # as it was when that was done
        self._passing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    def fetch(self) -> None:
        """Makes the folder what the bucket holds; but one that went on from just that is left as it is.

        Such a folder is what a run leaves that was killed before all was sent. Raises ValueError where there
        is more in the bucket than a run writes.
        """
        listed = self._bucket.listing()
        if len(listed) > _MOST_OBJECTS or sum(stored.n_bytes for stored in listed.values()) > _MOST_BYTES:
            raise ValueError(
                f"{self._bucket.url}: holds {len(listed):,} objects, more than a run writes: name a folder "
                "of its own"
            )
        versions = {name: stored.version for name, stored in _whole(listed).items()}
        before, sent = self._recorded()
        if versions != before:
            for name, stat in _scan(self._folder).items():
                if sent.get(name) != stat or versions.get(name) != before.get(name):
                    (self._folder / name).unlink()
            fetch_all(self._bucket, self._folder, [n for n in versions if not (self._folder / n).exists()])
            sent = _scan(self._folder)
            self._record(versions, sent)
        self._sent = dict.fromkeys(listed, _UNKNOWN) | sent

    def start(self) -> None:
        """Begins to follow the folder."""
        self._bucket.patience_s = _LOOKS_EVERY_S
        self._thread.start()

    def flush(self) -> None:
        """Returns once all that is in the folder now is in the bucket, too; raises ValueError otherwise."""
        self._bucket.patience_s = _LAST_PATIENCE_S
        self._send()
        self._bucket.patience_s = _LOOKS_EVERY_S

    def close(self) -> None:
        """Brings what is left, and follows no further. Raises ValueError as `flush`."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self.flush()
        except UnreachableError as error:
            raise ValueError(
                f"{error}: what it lacks is kept on this machine, where the same command goes on from there"
            ) from error

    def _follow(self) -> None:
        told = ""
        while not self._done.wait(_LOOKS_EVERY_S):
            try:
                self._send()
            except UnreachableError:  # which the bucket has told of
                self._done.wait(_AWAY_S)
            except LostError:
                return
            except (ValueError, OSError) as error:  # it may be mended before `close`, which raises otherwise
                if str(error) != told:
                    told = str(error)
                    tell(f"warning: {told}; tried again")

    def _send(self) -> None:
        with self._passing:
            if self._lease:
                self._lease.check()
            here = _scan(self._folder)
            changed = {name for name, stat in here.items() if self._sent.get(name) != stat}
            gone = self._sent.keys() - here.keys()
            if not changed and not gone:
                return
            self._drop(name for name in changed if is_marker(name) and name in self._sent)
            rest, markers = ([n for n in changed if is_marker(n) == is_one] for is_one in (False, True))
            if not (self._bring(here, rest) and self._bring(here, markers)):
                return
            self._drop(sorted(gone, key=lambda name: not is_marker(name)))
            listed = _whole(self._bucket.listing())
            self._record({name: stored.version for name, stored in listed.items()}, self._sent)

    def _bring(self, here: _Stats, names: Iterable[str]) -> bool:
        """Whether all were still there."""

        def bring(name: str) -> bool:
            try:
                self._bucket.send(self._folder / name, name)
            except FileNotFoundError:  # the run has deleted it; the next look is of what is there then
                return False
            self._sent[name] = here[name]
            return True

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return all([*pool.map(bring, names)])

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            self._bucket.delete([name])
            del self._sent[name]

    def _record(self, versions: dict[str, str], sent: _Stats) -> None:
        write_json(self._folder / _RECORD, {"versions": versions, "sent": sent})

    def _recorded(self) -> tuple[dict[str, str], _Stats]:
        """What the bucket held after the last pass, and what the folder did; nothing where nobody knows."""
        try:
            record: dict[str, Any] = read_json(self._folder / _RECORD)
            return record["versions"], {name: (time, size) for name, (time, size) in record["sent"].items()}
        except (ValueError, KeyError, TypeError):
            return {}, {}


def fetch_all(bucket: Bucket, folder: Path, names: Iterable[str]) -> None:
    """Objects into files of the same names, several at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda name: bucket.fetch(name, folder / name), names):
            pass


def _scan(folder: Path) -> _Stats:
    """The files that belong into the bucket: of a checkpoint that is being written, none."""
    stats: _Stats = {}
    for parent, folders, files in os.walk(folder):
        below = Path(parent).relative_to(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and _goes(below / name)]
        if _is_step(below) and MARKER not in files:
            folders[:] = []
            continue
        for name in files:
            if not name.startswith(".") and not name.endswith(".lock"):  # those are of this machine
                try:
                    stat = os.stat(Path(parent, name))
                except FileNotFoundError:
                    continue
                stats[(below / name).as_posix()] = (stat.st_mtime_ns, stat.st_size)
    return stats


def _goes(below: Path) -> bool:
    is_beside = below.parts[:1] == (STEPS,) and len(below.parts) == 2
    return (
        not is_beside or _is_step(below) or below.name == _ASIDE
    )  # and not what Orbax has begun, or is deleted


def _is_step(below: Path) -> bool:
    return below.parts[:1] == (STEPS,) and len(below.parts) == 2 and below.name.isdecimal()


def is_marker(name: str) -> bool:
    """Whether an object is what makes a checkpoint whole."""
    path = Path(name)
    return path.name == MARKER and _is_step(path.parent)


def _whole(listed: dict[str, Stored]) -> dict[str, Stored]:
    """Without what is of a checkpoint that is not all there."""

    def is_there(name: str) -> bool:
        step = Path(*Path(name).parts[:2])
        return not _is_step(step) or f"{step.as_posix()}/{MARKER}" in listed

    return {name: stored for name, stored in listed.items() if is_there(name)}
