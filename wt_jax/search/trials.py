"""The trials of one worker: some at a time, each in all folds, pruned and replaced at an epoch's end."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from wt_jax import config
from wt_jax.data.loading import Dataset, with_made
from wt_jax.models.stack_kernels import check_kernel
from wt_jax.models.tcn import init_params
from wt_jax.runtime import cli
from wt_jax.search.cohort import Cohort, Member
from wt_jax.search.fold_data import FoldData, lay_out_folds
from wt_jax.search.space import Space, with_values
from wt_jax.search.study import Study
from wt_jax.search.worker import Worker
from wt_jax.training.freezing import check_freezing
from wt_jax.training.stacked_step import ASIDE, NUMBERS
from wt_jax.training.train_step import check_devices, state_template
from wt_jax.training.warm_start import Parent, warm_start


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a search's trials are trained."""

    dataset: Dataset
    n_folds: int
    together: int  # trials at a time
    devices: Sequence[jax.Device]
    parent: Parent | None  # train.init


def check_plan(options: config.Config, space: Space, plan: Plan) -> None:
    """Raises ValueError for what cannot be searched in this way."""
    check_devices(options, len(plan.devices))
    check_freezing(options)
    if options.optimizer.unfreeze_epochs:
        raise ValueError(
            "optimizer.unfreeze_epochs: a search trains the same weights from the first epoch to the last"
        )
    if options.data.resident == "false":
        raise ValueError("data.resident=false: a search holds all frames on the devices: leave it at auto")
    check_kernel(options, plan.devices[0].platform)
    if options.model.kernel != "xla" and "model.dropout" in space:
        raise ValueError(
            f"model.dropout: model.kernel={options.model.kernel} is compiled for one: search with xla"
        )
    if "train.average" in space and min(space["train.average"].values) == 0:
        raise ValueError(
            "train.average: must be above 0 in a space: without an average it is another program"
        )
    if plan.together > 1 and (others := structural(space)):
        raise ValueError(
            f"--together {plan.together}: {', '.join(others)}: trials that differ there are programs of "
            f"their own; within one may differ {', '.join(sorted((*NUMBERS, *ASIDE)))}"
        )


def structural(space: Space) -> list[str]:
    """The keys that no program can be given as a number."""
    return [key for key in space if key not in NUMBERS and key not in ASIDE]


class Trials:
    """Takes trials of a study, trains them, and tells it of them."""

    def __init__(self, study: Study, plan: Plan, worker: Worker):
        self._study, self._plan, self._worker = study, plan, worker
        self._in_hand: dict[int, list[Member]] = {}  # by trial, a member for each fold
        self._cohorts = lru_cache(1)(self._make_cohort)
        self._layouts = lru_cache(1)(self._lay_out)

    def run(self, n_trials: int, stop: cli.Stop) -> None:
        """Until the study has given out `n_trials` and those in hand are over, or a signal comes."""
        members, states = self._worker.take_up(self._study, self._template)
        for member in members:
            self._in_hand.setdefault(member.trial, []).append(member)
        if lost := self._study.again(self._worker.name, set(self._in_hand)):
            print(f"trials that an earlier process has left begin anew: {', '.join(map(str, lost))}")
        if members:
            n_epochs = max(len(one.losses) for one in members)
            numbers = ", ".join(map(str, self._in_hand))
            print(f"going on with what an earlier process had in hand: trials {numbers}, epoch {n_epochs}")
            self._cohort().hold(members, states)
        while not stop.caught:
            self._fill(n_trials)
            if not self._in_hand:
                break
            cohort = self._cohort()
            cohort.hold([one for of_trial in self._in_hand.values() for one in of_trial if not one.is_over])
            cohort.train_epoch()
            self._tell()
            self._keep(cohort)

    def _fill(self, n_trials: int) -> None:
        while len(self._in_hand) < self._plan.together:
            asked = self._study.ask(n_trials, self._worker.name)
            if asked is None:
                return
            number, values = asked
            options = with_values(self._study.options, values)
            self._in_hand[number] = [
                Member.begin(number, fold, options) for fold in range(self._plan.n_folds)
            ]

    def _tell(self) -> None:
        for number, members in list(self._in_hand.items()):
            epoch = max(len(one.losses) for one in members)
            loss = float(np.mean([one.loss_after(epoch) for one in members]))
            is_pruned = self._study.report(number, epoch, loss)
            if is_pruned or all(one.is_over for one in members):
                self._study.finish(number, loss, is_pruned)
                del self._in_hand[number]
                print(self._line(number, epoch, loss, is_pruned), flush=True)

    def _line(self, number: int, epoch: int, loss: float, is_pruned: bool) -> str:
        best = self._study.best
        values = in_words(self._study.values(number))
        how = "pruned" if is_pruned else "done"
        of_best = f"; best: trial {best.number}, {best.value:.4f}" if best else ""
        return f"trial {number:>3}  {how} after {epoch:>3} epochs, {loss:.4f}  {values}{of_best}"

    def _keep(self, cohort: Cohort) -> None:
        """What is in hand, for whoever goes on."""
        if not self._in_hand:
            self._worker.forget()
            return
        states = dict(zip(map(id, cohort.members), cohort.states(), strict=True))
        members = [one for of_trial in self._in_hand.values() for one in of_trial]
        # The weights of a fold that is over are not needed again: any state stands for them.
        filler = next(iter(states.values()))
        self._worker.save(members, [states.get(id(one), filler) for one in members])

    def _cohort(self) -> Cohort:
        """For what the trials in hand have in common."""
        options = next(iter(self._in_hand.values()))[0].options
        flat = config.flatten(options)
        return self._cohorts(tuple((key, flat[key]) for key in structural(self._study.space)))

    def _make_cohort(self, common: tuple[tuple[str, Any], ...]) -> Cohort:
        options = with_values(self._study.options, dict(common))
        space = self._study.space
        numbers = [key for key in space if key in NUMBERS]
        widest = {key: max(space[key].values) for key in numbers if key.startswith("augment.")}
        data = self._layouts(
            config.Config(
                data=options.data,
                labels=options.labels,
                augment=with_values(options, widest).augment,
                train=config.Train(eval_batch_size=options.train.eval_batch_size),
            )
        )
        return Cohort(options, numbers, data, self._plan.devices, self._start)

    def _lay_out(self, options: config.Config) -> FoldData:
        dataset = with_made(self._plan.dataset, options.data)
        return lay_out_folds(options, dataset, self._plan.n_folds, self._plan.devices)

    def _start(self, options: config.Config) -> Any:
        params = init_params(options)
        return warm_start(options, params, self._plan.parent)[0] if self._plan.parent else params

    def _template(self, options: config.Config) -> Any:
        return state_template(options, self._plan.devices)


def in_words(values: Mapping[str, Any]) -> str:
    """A trial's values, short."""
    return ", ".join(f"{key}={_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"
