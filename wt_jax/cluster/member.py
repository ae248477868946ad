"""One process of a run that a worker has started: python -m wt_jax.cluster.member COMMAND ARGUMENTS.

The ordinary command, which is told to stop where its worker is gone. The worker holds the other end of
standard input.
"""

import importlib
import os
import signal
import sys
import threading
import time
from typing import NoReturn

from wt_jax.runtime import cli

_SAVING_S = 30  # the notice that a machine in the cloud is given


def run() -> NoReturn:
    """As `wt-jax COMMAND` does."""
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    command = sys.argv.pop(1)
    cli.run(importlib.import_module(f"wt_jax.{command}").main)


def _end_with_the_worker() -> NoReturn:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SAVING_S)
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(cli.TERMINATED)


if __name__ == "__main__":
    run()
