"""One process of a run that a worker has started: python -m wt_jax.cluster.member COMMAND ARGUMENTS.

The ordinary command, which is told to stop where its worker is gone. The worker holds the other ends of its
standard streams.
"""

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Set
from typing import NoReturn

from wt_jax.runtime import cli

_SAVING_S = 30  # the notice that a machine in the cloud is given


def run() -> NoReturn:
    """As `wt-jax COMMAND` does."""
    pipes = {os.fstat(stream).st_ino for stream in (1, 2)}
    threading.Thread(target=_end_with_the_worker, args=(pipes,), daemon=True).start()
    command = sys.argv.pop(1)
    cli.run(importlib.import_module(f"wt_jax.{command}").main)


def _end_with_the_worker(pipes: Set[int]) -> NoReturn:
    while os.read(0, 1024):
        pass
    _write_to_nobody(pipes)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SAVING_S)
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(cli.TERMINATED)


def _write_to_nobody(pipes: Set[int]) -> None:
    """What says that all is saved must not fail for that: also where a stream was given another number."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in range(1, 256):
        with contextlib.suppress(OSError):  # no such descriptor
            if os.fstat(descriptor).st_ino in pipes:
                os.dup2(nowhere, descriptor)


if __name__ == "__main__":
    run()
