"""A training run's checkpoint as it is served: weights, thresholds, what it says of itself."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax

from wt_jax import config
from wt_jax.counting.decoding import Counting
from wt_jax.training.checkpoints import open_best
from wt_jax.training.train_step import state_template


@dataclasses.dataclass(frozen=True)
class RestoredModel:
    """`chosen` are the thresholds kept in the checkpoint, None where none were chosen for it."""

    step: int
    options: config.Config
    params: Any
    chosen: Counting | None
    meta: dict[str, Any]

    @property
    def counting(self) -> Counting:
        """The thresholds chosen for it, or the defaults."""
        return self.chosen or Counting()

    @cached_property
    def trained_on(self) -> frozenset[str]:
        """`Recording.content` of all that it was trained on."""
        return frozenset(self.meta["trained_on"])


def restore_model(folder: Path | str, devices: Sequence[jax.Device]) -> RestoredModel:
    """The checkpoint to serve of the workdir `folder`, on these devices.

    Raises ValueError where there is none, where it is damaged, or of other joint angles than this wt_jax
    computes.
    """
    checkpoints, step = open_best(folder)
    try:
        meta, counting = checkpoints.meta(step), checkpoints.counting(step)
        options = config.unflatten(meta["config"])
        state = checkpoints.restore(step, state_template(options, devices))
        return RestoredModel(step, options, state.eval_params, counting, meta)
    finally:
        checkpoints.close()
