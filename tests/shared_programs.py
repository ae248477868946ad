"""Programs that runs of all tests in a process share: those of runs that differ in what no program reads."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

from wt_jax import check_labels, config, train
from wt_jax.adaptation import trial
from wt_jax.inference import predictor
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.models.tcn import init_params
from wt_jax.search import cohort, cohorts
from wt_jax.training import freezing, progress, setup, stacked_step, train_step, validation
from wt_jax.training.stacked_step import make_stacked_dispatch, make_stacked_eval
from wt_jax.training.train_step import make_eval_batches, make_train_dispatch

_DEFAULTS = config.flatten(config.Config())
# What no program reads: places, and what tests/training/test_stacked_step.py holds to be aside.
_ASIDE = {"workdir": "aside", "overwrite": False, "data.root": "aside", "train.init": ""} | {
    key: _DEFAULTS[key] for key in stacked_step.ASIDE
}
# What drawn parameters do not depend on, and what a checkpoint that is asked does not look at any more.
_NOT_DRAWN = {
    key: value
    for key, value in _DEFAULTS.items()
    if key.split(".")[0] in ("labels", "augment", "loss", "optimizer", "train") or key == "model.dropout"
}
_OF_TRAINING = {key: value for key, value in _NOT_DRAWN.items() if key != "model.dropout"} | {"seed": 0}


def shared(make: Callable[..., Any], aside: dict[str, Any] = _ASIDE) -> Callable[..., Any]:
    """`make(options, ...)`, which makes one thing of all options that differ in those `aside` alone."""

    @functools.cache
    def cached(options: config.Config, devices: tuple, plainly: str, **how: Any) -> Any:
        return make(options, *([devices] if devices else []), **how)

    @functools.wraps(make)
    def make_shared(options: config.Config, devices: Any = (), **how: Any) -> Any:
        options = config.unflatten(config.flatten(options) | aside)
        return cached(options, tuple(devices or ()), os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"], **how)

    return make_shared


def drawn(options: config.Config) -> Any:
    """The parameters that a run begins with, on the host."""
    with ThreadPoolExecutor(1) as outside:  # of whatever is being traced: asked for their shapes alone too
        return outside.submit(lambda: jax.device_get(init_params(options))).result()


_DRAWN = shared(drawn, _NOT_DRAWN | _ASIDE)
_TIMELINES = shared(make_timelines, _OF_TRAINING | _ASIDE)
_PROGRAMS = [
    (setup, shared(make_train_dispatch)), (validation, shared(make_eval_batches)),
    (cohort, shared(make_stacked_dispatch)), (cohort, shared(make_stacked_eval)),
    *((module, _TIMELINES) for module in (trial, predictor, check_labels, train)),
]  # fmt: skip


@pytest.fixture(scope="module")
def share_programs():
    """Tracing and compiling them, and drawing curves, is most of what small runs take."""
    with pytest.MonkeyPatch.context() as patch:
        for module, make in _PROGRAMS:
            patch.setattr(module, make.__name__, make)
        for module in (train_step, progress, freezing, trial, cohorts):
            patch.setattr(module, "init_params", lambda options: jax.tree.map(np.copy, _DRAWN(options)))
        patch.setattr(train, "draw_learning_curves", lambda *_: Figure((1, 1)))
        yield
