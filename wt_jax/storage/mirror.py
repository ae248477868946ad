"""A bucket kept as a folder of this machine is: what is written there follows, in a thread of its own."""

import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from wt_jax.runtime.files import read_json, write_json
from wt_jax.runtime.printable import tell
from wt_jax.storage.bucket import AT_ONCE, Bucket, UnreachableError
from wt_jax.storage.lease import Lease, LostError
from wt_jax.storage.run_files import (
    STEPS,
    Stats,
    belongs,
    is_intact,
    is_marker,
    newest,
    scan,
    step_of,
    whole,
)

_RECORD = ".bucket.json"
_LOOKS_EVERY_S = 1.0
_AWAY_S = 5.0
_SAID_AFTER_S = 3.0
_LAST_PATIENCE_S = 300.0  # at the end, when nothing else is left to do
_MOST_OBJECTS, _MOST_BYTES = 20_000, 20e9  # of a workdir

_UNKNOWN = (0, 0)


class _Record(NamedTuple):
    """What was brought up to the last pass; kept in the folder."""

    lease: int  # under which number; -1 where nobody knows
    versions: dict[str, str]  # of the objects
    sent: Stats


class Mirror:
    """Brings what changes in `folder` to `url` from `start` to `close`.

    A reader there sees objects whole, and a checkpoint only once all of it is there. While the bucket cannot
    be reached nobody waits; what was missed follows.
    """

    def __init__(self, folder: Path, url: str, lease: Lease | None = None):
        self._folder, self._lease = folder, lease
        self._bucket = Bucket(url)
        self._sent: Stats = {}  # as it was when that was done
        self._passing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    def fetch(self) -> None:
        """Makes the folder what the bucket holds; but one that went on from just that is left as it is.

        Such a folder is what a run leaves that was killed before all was sent, if no other one has had the
        lease since. A checkpoint that is damaged here is fetched again. Raises ValueError where there is more
        in the bucket than a run writes.
        """
        listed = {name: stored for name, stored in self._bucket.listing().items() if belongs(name)}
        if len(listed) > _MOST_OBJECTS or sum(stored.n_bytes for stored in listed.values()) > _MOST_BYTES:
            raise ValueError(
                f"{self._bucket.url}: holds {len(listed):,} objects, more than a run writes: name a folder "
                "of its own"
            )
        there = {name: listed[name].version for name in whole(listed)}
        record = self._recorded()
        damaged = {step for step in map(step_of, scan(self._folder)) if step is not None}
        damaged = {step for step in damaged if not is_intact(self._folder, step)}
        for step in damaged:
            shutil.rmtree(self._folder / STEPS / str(step))
        here = scan(self._folder)
        is_next = self._lease is not None and record.lease == self._lease.number - 1
        goes_on = is_next and newest(here) >= newest(there)
        if goes_on:
            missing = [name for name in there if step_of(name) in damaged]
        else:
            for name, stat in here.items():
                if record.sent.get(name) != stat or there.get(name) != record.versions.get(name):
                    (self._folder / name).unlink()
            missing = [name for name in there if not (self._folder / name).exists()]
        self._bucket.fetch_all(missing, self._folder)
        here = scan(self._folder)
        unchanged = {name: stat for name, stat in record.sent.items() if name in listed}
        self._sent = unchanged | {name: here[name] for name in missing} if goes_on else here
        # What a killed run had begun to send: a step after all that are whole.
        begun = (n for n in listed.keys() - there.keys() if (step_of(n) or 0) > newest(there) >= 0)
        self._sent = dict.fromkeys(begun, _UNKNOWN) | self._sent
        self._record(there)

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
        telling = threading.Timer(_SAID_AFTER_S, tell, [f"{self._bucket.url}: the rest is being sent"])
        telling.start()
        try:
            self.flush()
        except UnreachableError as error:
            raise ValueError(
                f"{error}: what it lacks is kept on this machine, where the same command goes on from there"
            ) from error
        finally:
            telling.cancel()

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
            if not (self._folder / _RECORD).is_file():
                raise ValueError(
                    f"{self._bucket.url}: the copy of it on this machine was taken away: nothing is deleted "
                    "there, and nothing more of this run goes there"
                )
            here = scan(self._folder)
            changed = {name for name, stat in here.items() if self._sent.get(name) != stat}
            gone = self._sent.keys() - here.keys()
            if newest(here) < 0:  # steps go once there is a newer one, and not with a folder that is emptied
                gone = {name for name in gone if step_of(name) is None}
            if not changed and not gone:
                return
            self._drop(name for name in changed if is_marker(name) and name in self._sent)
            rest, markers = ([n for n in changed if is_marker(n) == is_one] for is_one in (False, True))
            if not (self._bring(here, rest) and self._bring(here, markers)):
                return
            self._drop(sorted(gone, key=lambda name: not is_marker(name)))
            self._record({name: stored.version for name, stored in self._bucket.listing().items()})

    def _bring(self, here: Stats, names: Iterable[str]) -> bool:
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

    def _record(self, versions: dict[str, str]) -> None:
        record = _Record(
            self._lease.number if self._lease else 0,
            {name: version for name, version in versions.items() if name in self._sent},
            self._sent,
        )
        write_json(self._folder / _RECORD, record._asdict())

    def _recorded(self) -> _Record:
        try:
            record: dict[str, Any] = read_json(self._folder / _RECORD)
            sent = {name: (time, size) for name, (time, size) in record["sent"].items()}
            return _Record(int(record["lease"]), record["versions"], sent)
        except (ValueError, KeyError, TypeError):
            return _Record(-1, {}, {})
