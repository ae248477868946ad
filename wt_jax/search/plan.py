"""How the trials of a search are trained: on what, in how many folds, how many at a time."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax

from wt_jax import config
from wt_jax.data.loading import Dataset
from wt_jax.data.recordings import SYNTHETIC
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.models.stack_kernels import check_kernel
from wt_jax.search.space import Space
from wt_jax.training.freezing import check_freezing
from wt_jax.training.setup import load_wanted
from wt_jax.training.stacked_step import ASIDE, NUMBERS
from wt_jax.training.train_step import all_devices, check_devices
from wt_jax.training.warm_start import Parent


@dataclasses.dataclass(frozen=True)
class Plan:
    """How they are trained."""

    dataset: Dataset
    n_folds: int
    together: int  # trials at a time
    devices: Sequence[jax.Device]
    parent: Parent | None  # train.init


def make_plan(options: config.Config, space: Space, n_folds: int, together: int, folder: Path) -> Plan:
    """With the data and the parent that the config names; recordings are built below `folder` where they have
    to be. Raises ValueError as `check_plan`, `load_dataset` and `restore_model` do."""
    dataset, init = load_wanted(options.data, folder), options.train.init
    devices = all_devices()
    plan = Plan(
        dataset, n_folds, together, devices, parent_of(restore_model(init, devices)) if init else None
    )
    check_plan(options, space, plan)
    return plan


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
    if "data.synthetic_people" in space and plan.dataset.data == SYNTHETIC:
        raise ValueError("data.synthetic_people: of synthetic people alone it changes the data that judges")
    if plan.together > 1 and (others := structural(space)):
        raise ValueError(
            f"--together {plan.together}: {', '.join(others)}: trials that differ there are programs of "
            f"their own; within one may differ {', '.join(sorted((*NUMBERS, *ASIDE)))}"
        )


def structural(space: Space) -> list[str]:
    """The keys that no program can be given as a number."""
    return [key for key in space if key not in NUMBERS and key not in ASIDE]
