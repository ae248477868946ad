"""One writer: the lease of a run in a bucket, renewed while it lives, free some time after it died."""

import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from wt_jax.runtime.printable import printable, tell
from wt_jax.storage.bucket import Bucket

FOLDER = ".lease"
LASTS_S = 60.0  # without a renewal; by the clock of who waits for it, for clocks of machines differ
_RENEWALS = 4  # in that time
_LOOKS = 20  # in that time, of who waits


class LostError(ValueError):
    """Another run has taken the lease over."""


class Lease:
    """Objects `.lease/<n>`, each created only if absent: the highest number holds.

    It is renewed by writing it anew. Who finds one that is not renewed for `lasts_s` seconds, or was given
    back, creates the next number; the one before finds that at its next renewal, and `is_lost`.
    """

    def __init__(self, url: str, on_lost: Callable[[], None], lasts_s: float = LASTS_S):
        self._bucket = Bucket(url)
        self._on_lost, self._lasts_s = on_lost, lasts_s
        process = os.getpid()
        self._own = {
            "owner": uuid.uuid4().hex, "host": socket.gethostname(), "machine": machine(),
            "process": process, "begun": _begun(process),
        }  # fmt: skip
        self.number = 0  # of all that there were
        self._renewed_s = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.lost_to = ""  # who has taken it over, in words

    def acquire(self) -> None:
        """Takes it, after `lasts_s` seconds if its holder was killed. Raises ValueError where it is held."""
        while True:
            number, holder = self._newest()
            if number and not self._is_free(number, holder):
                raise ValueError(
                    f"workdir={self._bucket.url}: another run is writing to it ({_who(holder)}): wait for "
                    "it, or set another workdir"
                )
            if self._bucket.create(f"{FOLDER}/{number + 1}", self._text()):
                break
        self.number = number + 1
        self._bucket.delete(f"{FOLDER}/{old}" for old in self._numbers() if old < self.number)
        self._renewed_s = time.monotonic()
        self._bucket.patience_s = self._lasts_s / _RENEWALS  # training goes on meanwhile
        self._thread.start()

    def check(self) -> None:
        """Raises LostError where another one has taken it over; asks, where that could be."""
        if not self.lost_to and time.monotonic() - self._renewed_s > self._lasts_s / 2:
            self._renew()
        if self.lost_to:
            raise LostError(
                f"workdir={self._bucket.url}: {self.lost_to} has taken it over while this run could not "
                "reach it: this one ends, and what it had not written there yet is lost"
            )

    def release(self) -> None:
        """Gives it back: the next one need not wait."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        if not self.lost_to:
            self._bucket.write(f"{FOLDER}/{self.number}", self._text(is_free=True))

    def _text(self, is_free: bool = False) -> bytes:
        return json.dumps({**self._own, "renewed": time.time(), "free": is_free}).encode()

    def _numbers(self) -> list[int]:
        names = (name.removeprefix(f"{FOLDER}/") for name in self._bucket.listing(FOLDER))
        return sorted(int(name) for name in names if name.isdecimal())

    def _newest(self) -> tuple[int, dict[str, Any]]:
        while numbers := self._numbers():
            try:
                text = self._bucket.read(f"{FOLDER}/{numbers[-1]}")
            except FileNotFoundError:  # its successor has deleted it
                continue
            with suppress(ValueError):
                holder = json.loads(text)
                if isinstance(holder, dict):
                    return numbers[-1], holder
            return numbers[-1], {"text": str(text)}  # of nobody we know: it has to run out
        return 0, {}

    def _is_free(self, number: int, holder: dict[str, Any]) -> bool:
        if holder.get("free") or _is_dead(holder):
            return True
        until_s, is_told = time.monotonic() + self._lasts_s, False
        while time.monotonic() < until_s:
            if self._newest() != (number, holder):
                return False
            if not is_told:
                is_told = True
                tell(
                    f"{self._bucket.url}: held by {_who(holder)}; taken over if that is not heard of for "
                    f"{self._lasts_s:.0f} s"
                )
            time.sleep(self._lasts_s / _LOOKS)
        return self._newest() == (number, holder)

    def _keep(self) -> None:
        while not self._done.wait(self._lasts_s / _RENEWALS):
            try:
                self._renew()
            except ValueError:  # training goes on; whoever takes it over meanwhile has it
                continue
            if self.lost_to:
                self._on_lost()
                return

    def _renew(self) -> None:
        number, holder = self._newest()
        if number > self.number:
            self.lost_to = _who(holder)
            return
        begun_s = time.monotonic()
        self._bucket.write(f"{FOLDER}/{self.number}", self._text())
        self._renewed_s = begun_s


def machine() -> str:
    """What all processes have in common that see each other; "" where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _begun(process: int) -> str:
    """When it began, by its machine's clock; "" where there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether it was a process of this machine, which is no more."""
    process = holder.get("process")
    if not machine() or holder.get("machine") != machine() or not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # of another user, whose /proc may not be seen
        return False
    return _begun(process) != holder.get("begun")


def interrupt() -> None:
    """What a run does that has lost its lease: as at Ctrl-C, and then `Lease.check` says why."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _who(holder: dict[str, Any]) -> str:
    return printable(f"process {holder.get('process')} of {holder.get('host')}")
