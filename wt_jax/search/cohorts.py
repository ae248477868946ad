"""The cohort for a trial, and the data that it needs: made where the one before does not do."""

from functools import lru_cache
from typing import Any

from wt_jax import config
from wt_jax.data.loading import with_made
from wt_jax.models.tcn import init_params
from wt_jax.search.cohort import Cohort
from wt_jax.search.fold_data import FoldData, lay_out_folds
from wt_jax.search.plan import Plan, structural
from wt_jax.search.space import Space, with_values
from wt_jax.training.stacked_step import NUMBERS
from wt_jax.training.warm_start import warm_start


class Cohorts:
    """Of a search."""

    def __init__(self, options: config.Config, space: Space, plan: Plan):
        self._options, self._space, self._plan = options, space, plan
        self._made = lru_cache(1)(self._make)
        self._layouts = lru_cache(1)(self._lay_out)

    def of(self, options: config.Config) -> Cohort:
        """That of a trial, which its members join: for what no program can be given as a number."""
        flat = config.flatten(options)
        return self._made(tuple((key, flat[key]) for key in structural(self._space)))

    def _make(self, common: tuple[tuple[str, Any], ...]) -> Cohort:
        options = with_values(self._options, dict(common))
        numbers = [key for key in self._space if key in NUMBERS]
        return Cohort(options, numbers, self.data_of(options), self._plan.devices, self._start)

    def data_of(self, options: config.Config) -> FoldData:
        """What all trials with these options in common train and validate on."""
        widened = [key for key in self._space if key in NUMBERS and key.startswith("augment.")]
        widened += [key for key in self._space if key == "data.synthetic"]
        widest = with_values(options, {key: max(self._space[key].values) for key in widened})
        return self._layouts(
            config.Config(
                data=widest.data,
                labels=options.labels,
                augment=widest.augment,
                train=config.Train(eval_batch_size=options.train.eval_batch_size),
            )
        )

    def _lay_out(self, options: config.Config) -> FoldData:
        dataset = with_made(self._plan.dataset, options.data)
        return lay_out_folds(options, dataset, self._plan.n_folds, self._plan.devices)

    def _start(self, options: config.Config) -> Any:
        params = init_params(options)
        return warm_start(options, params, self._plan.parent)[0] if self._plan.parent else params
