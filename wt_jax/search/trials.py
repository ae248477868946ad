"""The trials of one worker: some at a time, each in all folds, pruned and replaced at an epoch's end."""

import time
from typing import Any

from wt_jax import config
from wt_jax.runtime import cli
from wt_jax.search.cohort import Cohort, Member, standing
from wt_jax.search.cohorts import Cohorts
from wt_jax.search.plan import Plan
from wt_jax.search.space import with_values
from wt_jax.search.study import Study
from wt_jax.search.worker import Worker
from wt_jax.training.train_step import state_template

_MOST_REFUSED = 20
_KEPT_EVERY_S = 30.0  # what is in hand: states of many trials are large, and an epoch may be short


class Trials:
    """Takes trials of a study, trains them, and tells it of them."""

    def __init__(self, study: Study, plan: Plan, worker: Worker):
        self._study, self._plan, self._worker = study, plan, worker
        self._in_hand: dict[int, list[Member]] = {}  # by trial, a member for each fold
        self._refused = 0
        self._cohorts = Cohorts(study.options, study.space, plan)

    def run(self, n_trials: int, stop: cli.Stop) -> None:
        """Until the study has given out `n_trials` and those in hand are over, or a signal comes."""
        self._take_up()
        kept_s = time.monotonic()
        while not stop.caught:
            self._fill(n_trials)
            if not self._in_hand:
                if not self._worker.hand_out_lost(self._study):
                    break
                continue
            cohort = self._cohort()
            cohort.hold([one for one in self._members() if not one.is_over])
            cohort.train_epoch()
            self._tell()
            if self._in_hand and time.monotonic() - kept_s > _KEPT_EVERY_S:
                self._keep()
                kept_s = time.monotonic()
        if self._in_hand:
            self._keep()
        else:
            self._worker.forget()

    def _take_up(self) -> None:
        """What an earlier process of this number had in hand; what it had just begun begins anew."""
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

    def _members(self) -> list[Member]:
        return [one for of_trial in self._in_hand.values() for one in of_trial]

    def _cohort(self) -> Cohort:
        return self._cohorts.of(self._members()[0].options)

    def _fill(self, n_trials: int) -> None:
        while len(self._in_hand) < self._plan.together:
            asked = self._study.ask(n_trials, self._worker.name)
            if asked is None:
                return
            number, values = asked
            try:
                options = with_values(self._study.options, values)
            except ValueError as error:  # values that are allowed alone, and not together
                self._refused += 1
                self._study.refuse(number)
                print(f"trial {number:>3}  refused: {error}")
                if self._refused >= _MOST_REFUSED:
                    raise ValueError(f"{self._refused} trials were refused, the last since {error}") from None
                continue
            self._in_hand[number] = [
                Member.begin(number, fold, options) for fold in range(self._plan.n_folds)
            ]

    def _tell(self) -> None:
        for number, members in list(self._in_hand.items()):
            epoch, loss = standing(members)
            is_pruned = self._study.report(number, epoch, loss)
            if is_pruned or all(one.is_over for one in members):
                self._study.finish(number, loss, is_pruned)
                del self._in_hand[number]
                print(self._study.line(number, epoch, loss, is_pruned), flush=True)

    def _keep(self) -> None:
        """What is in hand, for whoever goes on."""
        cohort, members = self._cohort(), self._members()
        states = dict(zip(map(id, cohort.members), cohort.states(), strict=True))
        # The weights of a fold that is over are not needed again: any state stands for them.
        filler = next(iter(states.values()))
        self._worker.save(self._study, members, [states.get(id(one), filler) for one in members])

    def _template(self, options: config.Config) -> Any:
        return state_template(options, self._plan.devices)
