"""How the processes of a run ended, and what that makes of the run."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from wt_jax.runtime.cli import INTERRUPTED, TERMINATED, USER_ERROR
from wt_jax.runtime.failure import LOST


class Lost(Exception):
    """A worker was gone before the run had begun."""


@dataclass(frozen=True)
class End:
    """How a process of the run ended."""

    worker: int
    node: str
    status: int | None  # None: nobody knows, as its worker is gone with it
    last: str = ""  # line that it wrote to standard error

    def __str__(self) -> str:
        if self.status is None:
            how = "is gone: its machine, or Ray's process there"
        elif self.status < 0:
            how = f"was ended by {signal.Signals(-self.status).name}"
        else:
            how = f"ended with status {self.status}"
        return f"worker {self.worker} on {self.node} {how}"


def is_done(ends: Sequence[End]) -> bool:
    """Whether all came to the end of the run."""
    return all(end.status == 0 for end in ends)


def is_saved(ends: Sequence[End]) -> bool:
    """Whether a signal ended it in the regular way."""
    return any(end.status in (TERMINATED, INTERRUPTED) for end in ends)


def mistakes(ends: Sequence[End]) -> list[End]:
    """Those that said what is wrong with the config or the data; none where a worker is gone.

    What they say then may be that nobody listens any more.
    """
    is_gone = any(end.status is None for end in ends)
    return [end for end in ends if end.status == USER_ERROR and not is_gone]


def cause(ends: Sequence[End]) -> End:
    """Of `ends` in their order the first that did not only hear of another's."""
    failed = [end for end in ends if end.status != 0]
    return next((end for end in failed if end.status not in (LOST, TERMINATED, INTERRUPTED)), failed[0])
