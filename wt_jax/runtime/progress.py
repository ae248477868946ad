"""How far a long piece of work is: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

from wt_jax.runtime.printable import printable

_Item = TypeVar("_Item")

_EVERY_S = 30.0  # a line of a log


class Progress:
    """A context manager around `update`. Both go to standard error, as what a command prints is its result.

    Without a terminal there is no line within the first half minute, nor more than one in each: short work
    stays quiet. `total` may be corrected on the way; None: nobody knows.
    """

    def __init__(self, what: str, unit: str, total: int | None = None, *, is_shown: bool = True):
        self._what, self._unit, self._total = printable(what), unit, total
        self._n = 0
        self._begun_s = self._told_s = time.monotonic()
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._tells = is_shown and not is_terminal
        self._bar = tqdm(
            desc=self._what, unit=f" {unit}", total=total, leave=False, disable=not (is_shown and is_terminal)
        )

    @property
    def total(self) -> int | None:
        """How many there are; None where nobody knows."""
        return self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total = self._bar.total = total

    def update(self, n: int = 1) -> None:
        """So many more are done; 0 tells a log that the work still goes on."""
        self._n += n
        self._bar.update(n)
        now_s = time.monotonic()
        if self._tells and now_s - self._told_s >= _EVERY_S:
            self._told_s = now_s
            print(self._line(now_s - self._begun_s), file=sys.stderr, flush=True)

    def _line(self, elapsed_s: float) -> str:
        rate = self._n / elapsed_s
        line = f"{self._what}: {self._n:,}"
        if self._total:
            line += f" of {self._total:,}"
        line += f" {self._unit}, {rate:{',.0f' if rate >= 10 else '.2g'}} a second"
        if self._total and self._n:
            left_min = max(self._total - self._n, 0) / rate / 60
            line += f", about {left_min:.0f} min left" if left_min >= 1 else ", less than a minute left"
        return line

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def track(items: Collection[_Item], what: str, unit: str, *, is_shown: bool = True) -> Iterator[_Item]:
    """The items, with their progress: each is done when the next one is asked for."""
    with Progress(what, unit, len(items), is_shown=is_shown) as progress:
        for item in items:
            yield item
            progress.update()
