"""The one place that connects to Ray, and leaves it again."""

import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from wt_jax.runtime.printable import tell

_TIMEOUT_S = 5.0  # for a machine to answer


@contextmanager
def connected(address: str, cpus: float = 0) -> Iterator[None]:
    """Ray, while the block lasts, at `address`: "local" starts it here, with `cpus` CPUs at least.

    "auto" is the cluster that this machine is of, HOST:PORT the same by its head's address, and
    ray://HOST:PORT a cluster from outside of it. Raises ValueError where Ray is not installed or there is no
    such cluster.
    """
    if address.startswith("ray://"):
        _show_token()
    try:
        import ray  # an extra
    except ImportError as error:
        raise ValueError(f"--cluster {address}: needs Ray ({error}): pip install -e '.[cluster]'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    tell("starting Ray on this machine" if address == "local" else f"joining the Ray cluster at {address}")
    where: dict[str, Any] = {"address": address}
    if address == "local":
        os.environ.setdefault("RAY_worker_niceness", "0")  # 15: any other process here would come first
        where |= {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, round(cpus + 0.5))}
    try:
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if colon:  # Ray would try for minutes
            socket.create_connection((host, int(port)), _TIMEOUT_S).close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of JAX, that Ray forks: what it forks is replaced at once
            with _own_handlers():
                ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # a dozen types
        said = " ".join(str(error).split())
        raise ValueError(f"--cluster {address}: no Ray cluster there ({said}): {_advice(address)}") from error
    try:
        out, err = _WithoutRays(sys.stdout), _WithoutRays(sys.stderr)
        with redirect_stdout(out), redirect_stderr(err):  # type: ignore[type-var]
            yield
    finally:
        ray.shutdown()


class _WithoutRays:
    """A text stream that leaves out what Ray's own threads say: of a lost machine thirty lines, twice."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """As of any stream."""
        if not threading.current_thread().name.startswith("ray_"):
            self._stream.write(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _show_token() -> None:
    """Has Ray's client show the token of its cluster, as all else of Ray does by itself where there is one.

    Before Ray is imported, which reads the variable then. A cluster that asks for none does not mind.
    """
    given = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    if given or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keeps what a command does at SIGTERM: Ray would end the process with a status of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _advice(address: str) -> str:
    if address.startswith("ray://"):
        return (
            "start one with ray start --head --ray-client-server-port=10001, of the same Ray and Python, and "
            "have its ~/.ray/auth_token here too"
        )
    return "start one with ray start --head, on this machine or joined by it; from outside, ray://HOST:10001"
