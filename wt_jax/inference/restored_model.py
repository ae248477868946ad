"""What a checkpoint is once it is restored, whichever it was: all that commands get of one."""

import dataclasses
from functools import cached_property
from typing import Any

from wt_jax import config
from wt_jax.counting.settings import Counting


@dataclasses.dataclass(frozen=True)
class RestoredModel:
    """`name` is what messages call it. `chosen` are the thresholds kept in the checkpoint, or None.

    `remark` says that none were chosen, why, and what to do, and that nothing tells whether it is as it was
    written; or "".
    """

    name: str
    step: int
    options: config.Config
    params: Any
    chosen: Counting | None
    meta: dict[str, Any]
    remark: str

    @property
    def counting(self) -> Counting:
        """The thresholds chosen for it, or the defaults."""
        return self.chosen or Counting()

    @cached_property
    def trained_on(self) -> frozenset[str]:
        """`Recording.content` of all that it was trained on."""
        return frozenset(self.meta["trained_on"])
