"""Trials trained together, as one program: a member for each of a trial's folds, an epoch at a time."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from wt_jax import config
from wt_jax.input_pipeline.balanced_sampler import StratifiedSampler
from wt_jax.search.fold_data import FoldData
from wt_jax.training.metrics import scores
from wt_jax.training.optimizer import Monitor, learning_rate, set_learning_rate
from wt_jax.training.placement import replicated
from wt_jax.training.stacked_step import (
    first_state,
    make_stacked_dispatch,
    make_stacked_eval,
    numbers_of,
    stack,
)
from wt_jax.training.train_step import reset_sums
from wt_jax.training.validation import added


@dataclasses.dataclass(eq=False)
class Member:
    """One trial's training in one fold."""

    trial: int  # its number
    fold: int
    options: config.Config
    monitor: Monitor
    losses: list[float] = dataclasses.field(default_factory=list)  # validation segmentation, one an epoch

    @classmethod
    def begin(cls, trial: int, fold: int, options: config.Config) -> "Member":
        """Before its first step."""
        return cls(trial, fold, options, Monitor(learning_rate(options)))

    @property
    def is_over(self) -> bool:
        """Whether its last epoch is done, its early stop has come, or its loss is no number any more."""
        lost = bool(self.losses) and not np.isfinite(self.losses[-1])
        return lost or self.monitor.is_over(len(self.losses), self.options.train)

    def loss_after(self, n_epochs: int) -> float:
        """Validation loss of what would be served after so many epochs (`train.select`).

        After all, where there were fewer; NaN once one is NaN.
        """
        losses = self.losses[:n_epochs]
        return float(np.min(losses) if self.options.train.select == "best" else losses[-1])


def standing(members: Sequence[Member]) -> tuple[int, float]:
    """Of one trial's members: the epochs done, and the mean validation loss over its folds after them."""
    epoch = max(len(one.losses) for one in members)
    return epoch, float(np.mean([one.loss_after(epoch) for one in members]))


class Cohort:
    """Members side by side on the devices, which differ in `stacked_step.NUMBERS` and `ASIDE` alone."""

    def __init__(
        self,
        options: config.Config,
        numbers: Sequence[str],
        data: FoldData,
        devices: Sequence[jax.Device],
        start: Callable[[config.Config], Any],
    ):
        """`options` hold what members have in common, `numbers` are the keys that the programs are given.

        `start(options)` are the weights that a member begins with.
        """
        self.members: list[Member] = []
        self._keys, self._data, self._devices, self._start = numbers, data, devices, start
        self._train = options.train
        self._samplers: list[StratifiedSampler] = []
        self._states: Any = None  # stacked, in the order of the members
        self._numbers: Any = None
        self._dispatch = make_stacked_dispatch(options, devices)
        self._eval_batches = make_stacked_eval(options, devices)

    def hold(self, members: Sequence[Member], states: Sequence[Any] | None = None) -> None:
        """These members from now on: those that are here go on, others begin, or go on from `states`.

        A few that have left stay on as fillers: each number of members is a program of its own to compile.
        """
        fillers = [member for member in self.members if member not in members]
        room = max(len(self.members) - len(members), 0)
        members = [*members, *fillers[: room if room < len(members) else 0]]
        if members == self.members:
            return
        if states is None:
            at = {id(member): i for i, member in enumerate(self.members)}
            here = self.states()
            states = [
                here[at[id(member)]]
                if id(member) in at
                else first_state(member.options, self._devices, self._start(member.options))
                for member in members
            ]
        self.members = list(members)
        own = [member.options for member in self.members]
        self._states = stack(states, self._devices)
        numbers = numbers_of(own, self._keys)
        self._numbers = jax.device_put(numbers, replicated(self._devices))
        self._samplers = [self._data.sampler(member.options, member.fold) for member in self.members]

    def states(self) -> list[Any]:
        """Of each member, on the host."""
        whole = jax.device_get(self._states)
        return [jax.tree.map(lambda leaf, i=i: leaf[i], whole) for i in range(len(self.members))]

    def train_epoch(self) -> None:
        """Trains all members for an epoch, and takes the validation loss of those that are not over."""
        values, pending = (self._states, self._numbers), None
        firsts_ExKxMxB = self._draw()
        n_windows = firsts_ExKxMxB[0].size
        with tqdm(
            total=firsts_ExKxMxB.size, unit=" windows", unit_scale=True, leave=False, disable=None
        ) as bar:
            bar.set_description(f"{len(self.members)} together")
            for firsts_KxMxB in firsts_ExKxMxB:
                values, losses_KxM = self._dispatch(values, self._data.train_sequences, firsts_KxMxB)
                jax.block_until_ready(pending)  # one dispatch ahead of the device, no further
                pending = losses_KxM
                bar.update(n_windows)
        self._states, self._numbers = values
        self._validate()

    def _draw(self) -> np.ndarray:
        """First frames of the epoch's windows, as those of each run alone are: (dispatches, K, M, B)."""
        train = self._train
        shape = train.dispatches_per_epoch, train.steps_per_dispatch, train.batch_size
        n = int(np.prod(shape))
        drawn = [
            sampler.firsts(len(member.losses) * n + np.arange(n)).reshape(shape)
            for sampler, member in zip(self._samplers, self.members, strict=True)
        ]
        return np.stack(drawn, 2)

    def _validate(self) -> None:
        firsts_NxMxB = np.stack([self._data.val_batches[member.fold] for member in self.members], 1)
        params = self._states.eval_params
        sums = jax.device_get(self._eval_batches(params, self._data.val_sequences, firsts_NxMxB))
        for i, member in enumerate(self.members):
            if not member.is_over:
                own = added(jax.tree.map(lambda leaf, i=i: leaf[:, i], sums))
                member.losses.append(scores(own, member.options.loss)["segmentation_loss"])
                member.monitor.update(member.losses[-1], member.options.optimizer)
        rates = np.array([member.monitor.learning_rate for member in self.members])
        opt_state = set_learning_rate(self._states.opt_state, rates)
        self._states = reset_sums(self._states.replace(opt_state=opt_state))
