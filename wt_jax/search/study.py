"""A search as Optuna keeps it: in a folder, which any number of processes may share."""

import logging
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from wt_jax import config
from wt_jax.search.space import OneOf, Space, in_words, rounded

NAME = "wt_jax"
_FILE = "study.log"
_UNPRUNED = 5  # trials, and epochs of each, before any is pruned
_GIVEN_OUT = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
_ABOUT = "about"  # of the study: what makes it this one
_ID = "id"  # of the study: no other has it
_REFUSED = "refused"  # of a trial: its values do not go together
_WORKER = "worker"  # of a trial: whose it is

optuna.logging.set_verbosity(optuna.logging.WARNING)
logging.getLogger("optuna").propagate = False


class Study:
    """Trials of a space: what each is to be, how it went, and which is the best."""

    def __init__(self, folder: Path, options: config.Config, space: Space, about: Mapping[str, Any]):
        """The one in `folder`, or a new one.

        `about` is what else its trials are the same in (folds, the data's fingerprint). Raises ValueError
        where the folder holds a search for something else.
        """
        self.folder, self.options, self.space = folder, options, space
        self._lock = filelock.FileLock(folder / ".ask.lock")
        with self._lock:
            self.storage = open_storage(folder)
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=NAME,
                load_if_exists=True,
                pruner=make_pruner(),
            )
            self._check({**_described(options, space), **about})

    def _check(self, about: Mapping[str, Any]) -> None:
        """Raises ValueError where the search is another one."""
        before = self.study.user_attrs.get(_ABOUT)
        if before is None:
            self.study.set_user_attr(_ABOUT, about)
            self.study.set_user_attr(_ID, uuid.uuid4().hex)
            if (values := self.own_values()) is not None:
                self.study.enqueue_trial(values)
            return
        for key in dict.fromkeys([*about, *before]):
            if before.get(key) != about.get(key):
                raise ValueError(
                    f"{self.folder}: holds another search: {key} was {before.get(key)}, and is "
                    f"{about.get(key)}; name another --workdir, or set it back"
                )

    def own_values(self) -> dict[str, Any] | None:
        """What the config itself says, as parameters of a trial: the first. None if it is outside."""
        flat, values = config.flatten(self.options), {}
        for key, choice in self.space.items():
            value = flat[key]
            inside = (
                value in choice.values if isinstance(choice, OneOf) else choice.low <= value <= choice.high
            )
            if not inside:
                return None
            values[key] = _as_parameter(value)
        return values

    def ask(self, n_trials: int, worker: str) -> tuple[int, dict[str, Any]] | None:
        """The next trial's number and values by key; None once so many have been given out, to all."""
        with self._lock:
            trials = self.study.get_trials(deepcopy=False)
            given_out = sum(trial.state in _GIVEN_OUT for trial in trials)
            if given_out >= n_trials:
                return None
            n_refused = sum(_REFUSED in trial.user_attrs for trial in trials)
            self.study.sampler = make_sampler(self.options.seed + given_out + n_refused)
            trial = self.study.ask()
            trial.set_user_attr(_WORKER, worker)
            return trial.number, suggest(trial, self.space)

    def report(self, number: int, epoch: int, loss: float) -> bool:
        """Takes a validation loss of a trial; returns whether it is to be pruned."""
        trial = self.study.get_trials(deepcopy=False)[number]
        self.storage.set_trial_intermediate_value(trial._trial_id, epoch, loss)
        trial = self.study.get_trials(deepcopy=False)[number]
        return not math.isfinite(loss) or self.study.pruner.prune(self.study, trial)

    def finish(self, number: int, loss: float, is_pruned: bool) -> None:
        """The end of a trial."""
        if is_pruned or not math.isfinite(loss):
            self.study.tell(number, state=TrialState.PRUNED)
        else:
            self.study.tell(number, loss)

    def refuse(self, number: int) -> None:
        """A trial's values do not go together."""
        self.storage.set_trial_user_attr(
            self.study.get_trials(deepcopy=False)[number]._trial_id, _REFUSED, True
        )
        self.fail(number)

    def fail(self, number: int) -> None:
        """A trial could not be trained."""
        self.study.tell(number, state=TrialState.FAIL)

    def line(self, number: int, epoch: int, loss: float, is_pruned: bool) -> str:
        """What is said of a trial at its end."""
        best, how = self.best, "pruned" if is_pruned else "done"
        of_best = f"; best: trial {best.number}, {best.value:.4f}" if best else ""
        values = in_words(self.values(number))
        return f"trial {number:>3}  {how} after {epoch:>3} epochs, {loss:.4f}  {values}{of_best}"

    def again(self, worker: str, but: set[int]) -> list[int]:
        """Trials of a worker that is gone are tried again, with the same values; not those in `but`."""
        with self._lock:  # where one has no worker, who asked for it did not live to say so
            lost = [
                trial
                for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
                if trial.user_attrs.get(_WORKER) in (worker, None) and trial.number not in but
            ]
            for trial in lost:
                self.study.tell(trial.number, state=TrialState.FAIL)
                self.study.enqueue_trial(trial.params)
        return [trial.number for trial in lost]

    def values(self, number: int) -> dict[str, Any]:
        """What a trial is to be, by key."""
        return values_of(self.study.get_trials(deepcopy=False)[number].params, self.space)

    @property
    def identity(self) -> str:
        """No other study has it, one of the same name in the same folder neither."""
        return self.study.user_attrs[_ID]

    def is_running(self, number: int) -> bool:
        """Whether a trial has been given out, and has not come to its end."""
        return self.study.get_trials(deepcopy=False)[number].state == TrialState.RUNNING

    @property
    def trials(self) -> list[FrozenTrial]:
        """All that came to an end, pruned ones too."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    @property
    def best(self) -> FrozenTrial | None:
        """Of those that were not pruned."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return min(complete, key=lambda trial: trial.value or 0.0, default=None)


def open_storage(folder: Path) -> optuna.storages.JournalStorage:
    """The search's file, which processes of several hosts may write to.

    A last line that a process did not live to end is taken away. Raises ValueError for a damaged file.
    """
    path = folder / _FILE
    lock = JournalFileOpenLock(str(path))
    if path.exists():
        lock.acquire()
        try:
            content = path.read_bytes()
            if not content.endswith(b"\n"):
                os.truncate(path, content.rfind(b"\n") + 1)
        finally:
            lock.release()
    try:
        return optuna.storages.JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except ValueError as error:
        raise ValueError(
            f"{path}: damaged ({error}): bring it back from a copy, or name another --workdir"
        ) from error


def make_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Tree-structured Parzen estimators (Bergstra et al. 2011), of all keys together.

    One for each trial: whichever process asks, and after however many interruptions, it is told the same.
    """
    return optuna.samplers.TPESampler(seed=seed % 2**32, multivariate=True, constant_liar=True)


def make_pruner() -> optuna.pruners.BasePruner:
    """Prunes what is worse than the median of the trials before, at the same epoch (Golovin et al. 2017)."""
    return optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED, n_warmup_steps=_UNPRUNED)


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Asks Optuna for a value of each key."""
    for key, choice in space.items():
        if isinstance(choice, OneOf):
            trial.suggest_categorical(key, [_as_parameter(value) for value in choice.values])
        elif choice.is_whole:
            trial.suggest_int(key, int(choice.low), int(choice.high))
        else:
            trial.suggest_float(key, choice.low, choice.high, log=choice.is_log)
    return values_of(trial.params, space)


def values_of(parameters: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Optuna's parameters as values of the config."""
    values = {}
    for key, choice in space.items():
        value = parameters[key]
        if isinstance(choice, OneOf):
            value = next(one for one in choice.values if _as_parameter(one) == value)
        values[key] = rounded(key, value, choice)
    return values


def _as_parameter(value: Any) -> Any:
    """Optuna's categories are plain: a tuple is written out."""
    return repr(value) if isinstance(value, tuple) else value


def _described(options: config.Config, space: Space) -> dict[str, Any]:
    """What makes it this search, as JSON has it: of the config without what a run may change."""
    places = {"workdir", "overwrite", "strict_resume", "data.root", "data.recordings"}
    flat = {key: value for key, value in config.flatten(options).items() if key not in places | set(space)}
    return {
        "space": {key: repr(choice) for key, choice in sorted(space.items())},
        **{
            f"config.{key}": list(value) if isinstance(value, tuple) else value for key, value in flat.items()
        },
    }
