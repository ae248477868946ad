"""The processes of one run join, and end together. A process alone has nothing to do here."""

import contextlib
import ctypes
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import jax

from wt_jax.runtime import cli
from wt_jax.runtime.cluster import find_hosts
from wt_jax.runtime.coordination import LONG_MS, exchange, is_first, own_process, service_client
from wt_jax.runtime.printable import Screen

LOST = 75  # exit status EX_TEMPFAIL (sysexits.h): the same command again may work
_JOIN_S = 120  # commands are also started by hand, one terminal after another
_HEARTBEAT_S = 30  # a host without power says nothing; a killed process is noticed by the next collective
_GRACE_S = 3  # in which all may come to the same error by themselves
_FAILED = "wt_jax/failed"
# What collectives and the coordination service say when another process is gone.
_SIGNS = (
    "Gloo",
    "NCCL",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "coordination",
    "heartbeat",
    "barrier",
)


def _is_lost(error: BaseException | None) -> bool:
    """Whether another process being gone is behind an error; JAX raises a status as several types."""
    while error is not None:
        if re.match("[A-Z_]+: ", str(error)) and any(sign in str(error) for sign in _SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_debug() -> bool:
    return os.environ.get("WT_JAX_LOG", "").lower() == "debug"


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Joins the other processes of the run, if there are any; must come before JAX computes anything.

    Within, only process 0 writes to standard output, and where one process fails, or is gone, all end: with
    a line that says why and with an exit status, at once. Raises ValueError as `find_hosts` does.
    """
    arguments = find_hosts()
    if arguments is None:
        yield
        return
    ending = _Ending()
    try:
        ending.join(arguments)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):  # it is all done; leaving together takes a moment
            signal.signal(number, signal.SIG_IGN)
        exchange("")
        jax.distributed.shutdown()
    except BaseException as error:
        ending.fail(error)


class _Ending:
    """How this process ends before its time: once, with one line, whoever comes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of the thread that ends the process; never released
        self._reason: dict[str, Any] = {}  # what the first process that failed said
        self._heard = threading.Event()
        self._joining = ""  # what is said where that fails
        self._status: int | None = None  # once the last words are said
        self._stderr = os.dup(2)
        self._is_dying = False  # the JAX runtime has said that it will abort

    def join(self, arguments: dict[str, Any]) -> None:
        address = arguments.get("coordinator_address") or os.environ.get("JAX_COORDINATOR_ADDRESS")
        self._joining = (
            f"the processes of the run did not all come together at {address or 'process 0'} within "
            f"{_JOIN_S} s: start the same command for every one of them, and see that this address can be "
            "reached from all hosts"
        )
        self._mute()
        self._on_abort = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._aborted)
        ctypes.CDLL(None).signal(int(signal.SIGABRT), self._on_abort)
        # Its handler of SIGTERM would take the place of ours.
        jax.config.update("jax_enable_preemption_service", False)
        # C++ waits here, and Python could not act on a signal.
        before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            jax.distributed.initialize(
                **arguments, initialization_timeout=_JOIN_S, heartbeat_timeout_seconds=_HEARTBEAT_S
            )
        except (RuntimeError, OSError) as error:
            raise ValueError(f"{self._joining} ({error})") from error
        for number, handler in before.items():
            signal.signal(number, handler)
        self._joining = ""
        if not is_first():
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
        threading.Thread(target=self._listen, daemon=True).start()

    def _mute(self) -> None:
        """Python writes where it did; the fifty lines that C++ writes of a lost process are left out."""
        out, (read, write) = os.dup(1), os.pipe()
        sys.stdout.flush()
        encoding = sys.stdout.encoding
        sys.stdout = Screen(open(out, "w", encoding=encoding, errors="replace", buffering=1))  # noqa: SIM115
        sys.stderr = Screen(open(os.dup(2), "w", encoding="utf-8", errors="replace", buffering=1))  # noqa: SIM115
        for number in (1, 2):
            os.dup2(write, number)
        os.close(write)
        threading.Thread(target=self._pass_on, args=(read,), daemon=True).start()

    def _pass_on(self, read: int) -> None:
        is_noise = False
        with open(read, "rb") as lines:
            for line in lines:
                self._is_dying |= b"JAX distributed service detected fatal errors" in line
                if line[:1] in b"IWEF" and line[1:5].isdigit():  # a line of glog's; others go on from it
                    is_noise = b"coordination_service" in line
                if _is_debug() or not (is_noise or self._is_dying or line.startswith(b"[Gloo]")):
                    os.write(self._stderr, line)

    def _listen(self) -> None:
        """Ends this process some time after another one has failed."""
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # left together, or process 0 is gone
            words = service_client().blocking_key_value_get(_FAILED, LONG_MS)
            self._reason = json.loads(words)
            self._heard.set()
            time.sleep(_GRACE_S)
            with self._lock:
                self._say(self._of_the_other(), self._reason["status"])

    def _of_the_other(self) -> str:
        return f"error: process {self._reason['process']} of the run ended: {self._reason['line']}"

    def fail(self, error: BaseException) -> NoReturn:
        """Ends this process, and the others, for an error that came up in this one."""
        line, status = cli.last_words(error) or ("", 1)
        is_lost = _is_lost(error)
        if is_lost and self._heard.wait(_GRACE_S):
            line, status = self._of_the_other(), self._reason["status"]
        elif is_lost:
            line, status = self._lost(), LOST
        elif not line or _is_debug():
            traceback.print_exception(error)
            line = line or f"error: {type(error).__name__}: {error}"
        with self._lock:
            if self._joining:
                self._say(line, status)
            client, process = service_client(), own_process()
            told = {"process": process, "line": line.removeprefix("error: "), "status": status}
            with contextlib.suppress(jax.errors.JaxRuntimeError):  # another process was first
                client.key_value_set(_FAILED, json.dumps(told))
            self._heard.wait(_GRACE_S)
            is_said = self._reason.get("process", process) != process and self._reason["line"] == told["line"]
            self._say("" if is_said else line, status, stays=not is_lost)

    def _lost(self) -> str:
        return (
            "error: another process of the run is gone, and this one ends too; the same command, started "
            "again for all of them, goes on from the last checkpoint"
        )

    def _say(self, line: str, status: int, stays: bool = True) -> NoReturn:
        self._status = status
        sys.stdout.flush()
        if line:
            os.write(self._stderr, f"{line}\n".encode())
        if stays and not self._joining:
            with contextlib.suppress(jax.errors.JaxRuntimeError):  # all hear by process 0
                service_client().wait_at_barrier("wt_jax/ended", 2 * _GRACE_S * 1000)
        os._exit(status)  # leaving in the regular way waits for the others

    def _aborted(self, _: int) -> NoReturn:
        """Instead of SIGABRT: the JAX runtime aborts where process 0 is gone, or nobody came."""
        time.sleep(0.3)  # until all that it said has been passed on
        if self._status is not None or not self._is_dying:
            os._exit(134 if self._status is None else self._status)
        os.write(self._stderr, f"{f'error: {self._joining}' if self._joining else self._lost()}\n".encode())
        os._exit(cli.USER_ERROR if self._joining else LOST)
