"""The steps of several trials as one program: those of `train_step`, over a leading axis of trials.

Trials differ in numbers alone (NUMBERS), which the programs are given beside the states. What becomes of
each is what becomes of it alone, to rounding. Letters: M trials, and those of `train_step`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax

from wt_jax import config
from wt_jax.training.metrics import Sums
from wt_jax.training.placement import replicated, with_shares
from wt_jax.training.train_step import (
    TrainState,
    filmed_batch,
    init_state,
    losses_and_sums,
    over_devices,
    pmapped,
    train_step,
)

# What the programs are given: they read these as arrays, of one number for each trial.
NUMBERS = (
    "seed", "model.dropout", "loss.segmentation_weight", "loss.focal_gamma", "loss.focal_alpha",
    "optimizer.warmup_epochs", "optimizer.layer_decay", "train.average", "augment.speed", "augment.yaw_deg",
    "augment.pitch_deg", "augment.roll_deg", "augment.jitter", "augment.missing",
)  # fmt: skip
# What else may differ: it is in the optimizer's state, or on the host, and no program reads it.
ASIDE = (
    "optimizer.learning_rate", "optimizer.batch_power", "optimizer.weight_decay", "optimizer.plateau_factor",
    "optimizer.plateau_patience", "optimizer.minimum_learning_rate", "train.epochs", "train.patience",
    "data.positive_ratio", "data.balance_sources", "data.balance_power", "data.synthetic",
)  # fmt: skip


def with_numbers(options: config.Config, numbers: Mapping[str, Any]) -> config.Config:
    """A copy with these in place of its own, which may be traced: nothing is checked."""
    sections: dict[str, dict[str, Any]] = {}
    for key, number in numbers.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, {})[name] = number
    whole = sections.pop("", {})
    changed = {name: dataclasses.replace(getattr(options, name), **of) for name, of in sections.items()}
    return dataclasses.replace(options, **changed, **whole)


def numbers_of(trials: Sequence[config.Config], keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Of each key a number for each trial: (M,) float32, seeds uint32."""
    flat = [config.flatten(options) for options in trials]
    return {
        key: np.array([of[key] for of in flat], np.uint32 if key == "seed" else np.float32) for key in keys
    }


def stack(states: Sequence[Any], devices: Sequence[jax.Device]) -> Any:
    """States of several trials, of the host, as one with a leading axis, whole on each device."""
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *states), replicated(devices))


def first_state(options: config.Config, devices: Sequence[jax.Device], params: Any = None) -> TrainState:
    """`init_state` of one trial, on the host: what `stack` takes."""
    return jax.device_get(init_state(options, devices, params))


def stacked_program(options: config.Config, devices: Sequence[jax.Device]) -> Any:
    """The pmapped ((states, numbers), sequences, firsts_DxKxMxB) -> ((states, numbers), losses_KxM)."""

    def steps(values: Any, sequences: dict, firsts_KxMxB: jax.Array) -> tuple[Any, jax.Array]:
        states, numbers = values

        def one(state: TrainState, number: dict, firsts_B: jax.Array) -> tuple[TrainState, jax.Array]:
            own = with_numbers(options, number)
            return train_step(own, devices[0].platform, 0, sequences, state, firsts_B)

        states, losses_KxM = lax.scan(
            lambda states, firsts_MxB: jax.vmap(one)(states, numbers, firsts_MxB), states, firsts_KxMxB
        )
        return (states, numbers), losses_KxM

    return pmapped(steps, devices, False, donate_argnums=0)


def make_stacked_dispatch(options: config.Config, devices: Sequence[jax.Device]) -> Callable:
    """Returns dispatch((states, numbers), sequences, firsts_KxMxB) -> ((states, numbers), losses_KxM).

    K steps of each of M trials in one call. `numbers` are those of `numbers_of`, `options` hold all that
    trials have in common. What is given is donated. M may change from call to call; each is compiled once.
    """
    return with_shares(stacked_program(options, devices), devices, False)


def make_stacked_eval(options: config.Config, devices: Sequence[jax.Device]) -> Callable:
    """Returns eval_batches(params, sequences, firsts_NxMxB) -> Sums of each of N batches of each of M trials.

    First frames of -1 are padding. The sums are of segmentation and classes, which no trial's numbers
    change, and of the classes' loss by those that `options` hold.
    """

    def sums(params: Any, sequences: dict, firsts_NxMxB: jax.Array) -> Sums:
        def one(params: Any, firsts_B: jax.Array) -> Sums:
            batch = filmed_batch(options, sequences, firsts_B)
            return losses_and_sums(options, devices[0].platform, params, batch, None)[2]

        over = partial(jax.vmap(one), params)
        return over_devices(lax.scan(lambda _, firsts_MxB: (None, over(firsts_MxB)), None, firsts_NxMxB)[1])

    return with_shares(pmapped(sums, devices, False), devices, False)
