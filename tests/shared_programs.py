"""Programs that runs of one test file share: those of runs which differ in places and epochs alone."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from wt_jax import check_labels, config
from wt_jax.adaptation import trial
from wt_jax.inference import predictor
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.training import setup, validation
from wt_jax.training.train_step import make_eval_batches, make_train_dispatch

_ASIDE = {"workdir": "aside", "overwrite": False, "data.root": "aside", "train.init": "", "train.epochs": 1}


def shared(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make(options, ...)`, which makes one thing of all options that differ in `_ASIDE` alone."""

    @functools.cache
    def cached(options: config.Config, devices: tuple, **how: Any) -> Any:
        return make(options, *([devices] if devices else []), **how)

    def make_shared(options: config.Config, devices: Any = (), **how: Any) -> Any:
        return cached(config.unflatten(config.flatten(options) | _ASIDE), tuple(devices), **how)

    return make_shared


@pytest.fixture(scope="module")
def share_programs():
    """Tracing and compiling them is most of what small runs take."""
    timelines = shared(make_timelines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "make_train_dispatch", shared(make_train_dispatch))
        patch.setattr(validation, "make_eval_batches", shared(make_eval_batches))
        for module in (trial, predictor, check_labels):
            patch.setattr(module, "make_timelines", timelines)
        yield
