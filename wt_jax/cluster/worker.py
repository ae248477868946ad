"""What runs on a machine of the cluster: in a process of Ray's, which watches one process of a run."""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from wt_jax.cluster.about import About
from wt_jax.cluster.environment import take_over

_HEAR_S = 5.0  # without a line, before the driver is answered all the same


class Worker:
    """One process of a run. Several of its methods may be at work at a time."""

    def __init__(self, environment: Mapping[str, str], folder: str):
        take_over(environment, folder)
        self._heard: queue.Queue[tuple[int, str] | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None

    def about(self) -> About:
        """Answers once the worker is there."""
        return About.this()

    def free_port(self) -> int:
        """A port of this machine that nobody listens at."""
        with socket.socket() as taken:
            taken.bind(("", 0))
            return taken.getsockname()[1]

    def ask(self, question: Callable[[], Any]) -> Any:
        """Its answer, here."""
        return question()

    def start(self, arguments: Sequence[str], variables: Mapping[str, str]) -> int:
        """Starts `python -m wt_jax.COMMAND`, of `arguments`, with these variables added; its process id."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wt_jax.cluster.member", *arguments],
            stdin=subprocess.PIPE,  # never written to: its end tells the process that this one is gone
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            start_new_session=True,  # a Ctrl-C at a terminal of Ray's is not for it
        )
        self._process = process
        streams = [(1, process.stdout), (2, process.stderr)]
        readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in streams]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._end, args=(readers,), daemon=True).start()
        return process.pid

    def _read(self, number: int, stream: IO[bytes]) -> None:
        for line in stream:
            self._heard.put((number, line.decode(errors="replace").rstrip("\n")))

    def _end(self, readers: Sequence[threading.Thread]) -> None:
        assert self._process
        self._process.wait()
        for reader in readers:
            reader.join(1)  # a process of its own that it left behind may hold them open
        self._heard.put(None)

    def hear(self) -> tuple[list[tuple[int, str]], int | None]:
        """Lines since the last time, with 1 or 2 of the stream, and the exit status, None before the end."""
        assert self._process
        lines: list[tuple[int, str]] = []
        try:
            one = self._heard.get(timeout=_HEAR_S)
            while one is not None:
                lines.append(one)
                one = self._heard.get_nowait()
            return lines, self._process.returncode
        except queue.Empty:
            return lines, None

    def send(self, number: int) -> None:
        """A signal to the process, where there is still one."""
        if self._process:
            self._process.send_signal(number)
