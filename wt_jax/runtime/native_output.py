"""What C++ libraries write to standard error, past Python, is kept from between a command's lines."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ALONE = threading.RLock()  # the process has one standard error


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what C++ libraries write to standard error from between a command's lines.

    At the file descriptor, which is the process's own: one thread at a time.
    """
    with _ALONE:
        sys.stderr.flush()
        before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(nowhere)
