"""The same search on a Ray cluster: Ray Tune gives each trial a process and resources, the study decides."""

import os
import tempfile
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from wt_jax import config
from wt_jax.cluster.connection import connected
from wt_jax.runtime import cli
from wt_jax.search.cohort import Member, standing
from wt_jax.search.cohorts import Cohorts
from wt_jax.search.plan import make_plan
from wt_jax.search.space import Space, with_values
from wt_jax.search.study import Study
from wt_jax.storage.places import scratch

_MOST_FAILED = 3  # trials, before the search gives up: what fails all of them fails the next
_WORKER = "ray"  # whose trials they are: the driver's, of which a search has one


def tune_on(
    cluster: str, study: Study, n_folds: int, n_trials: int, resources: dict[str, float], stop: cli.Stop
) -> None:
    """Runs the study's trials on a cluster: "local", or the address of one that this machine is of ("auto").

    Data and checkpoints are found on each node by the paths that the config has. Raises ValueError where
    there is no such cluster.
    """
    os.environ |= {"TUNE_DISABLE_SIGINT_HANDLER": "1", "RAY_AIR_NEW_OUTPUT": "0"}  # `stop` notes signals
    for number in study.again(_WORKER, set()):
        print(f"trial {number}, which an earlier process has left, begins anew")
    asker = _Asker(study, n_trials, stop)
    with connected(cluster):
        given = tune.with_parameters(
            _train_trial, flat=config.flatten(study.options), space=study.space, n_folds=n_folds
        )
        with tempfile.TemporaryDirectory() as folder:
            tuner = tune.Tuner(
                tune.with_resources(given, resources),
                tune_config=tune.TuneConfig(
                    search_alg=asker, scheduler=_Pruner(study, asker), num_samples=-1
                ),
                run_config=tune.RunConfig(
                    storage_path=folder, verbose=0, failure_config=tune.FailureConfig(max_failures=1)
                ),
            )
            results = tuner.fit()
    if len(asker.failed) >= _MOST_FAILED:
        said = str(results.errors[-1]).strip().splitlines()[-1] if results.errors else "Ray says no more"
        raise ValueError(
            f"trials {', '.join(map(str, asker.failed))} failed, and again when tried once more: {said}"
        )


def _train_trial(given: dict[str, Any], flat: dict[str, Any], space: Space, n_folds: int) -> None:
    """In a process of its own, on whatever devices Ray lets it see: a report for each epoch."""
    base = config.unflatten(flat)
    plan = make_plan(base, space, n_folds, 1, scratch(base.workdir))
    options = with_values(base, given["values"])
    members = [Member.begin(given["number"], fold, options) for fold in range(n_folds)]
    cohort = Cohorts(base, space, plan).of(options)
    while not all(one.is_over for one in members):
        cohort.hold([one for one in members if not one.is_over])
        cohort.train_epoch()
        epoch, loss = standing(members)
        tune.report({"loss": loss, "epoch": epoch})


class _NotKept:
    """Ray keeps copies, to go on by itself; the study's file is what a search goes on from."""

    def __reduce__(self) -> tuple:
        return dict, ()

    def save(self, *_: Any) -> None:
        """Nothing."""


class _Asker(_NotKept, Searcher):
    """What to try next is the study's to say."""

    def __init__(self, study: Study, n_trials: int, stop: cli.Stop):
        super().__init__(metric="loss", mode="min")
        self._study, self._n_trials, self.stop = study, n_trials, stop
        self._numbers: dict[str, int] = {}
        self.pruned: set[int] = set()
        self.failed: list[int] = []

    def suggest(self, trial_id: str) -> Any:
        """The next trial's values and number."""
        is_over = self.stop.caught or len(self.failed) >= _MOST_FAILED
        asked = None if is_over else self._study.ask(self._n_trials, _WORKER)
        if asked is None:
            return Searcher.FINISHED
        self._numbers[trial_id], values = asked
        return {"number": asked[0], "values": values}

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """The end of a trial, by whatever."""
        number = self._numbers[trial_id]
        if error or not result or "loss" not in result:
            self.failed.append(number)
            self._study.fail(number)
        elif number in self.pruned or not self.stop.caught:  # else it is tried again by who goes on
            self._study.finish(number, result["loss"], number in self.pruned)
            print(
                self._study.line(number, result["epoch"], result["loss"], number in self.pruned), flush=True
            )


class _Pruner(_NotKept, FIFOScheduler):
    """What is pruned, too."""

    def __init__(self, study: Study, asker: _Asker):
        super().__init__()
        self._study, self._asker = study, asker

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict) -> str:
        """Of an epoch."""
        number = trial.config["number"]
        if self._study.report(number, result["epoch"], result["loss"]):
            self._asker.pruned.add(number)
            return FIFOScheduler.STOP
        return FIFOScheduler.STOP if self._asker.stop.caught else FIFOScheduler.CONTINUE
