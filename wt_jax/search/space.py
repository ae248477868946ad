"""The space of a search: for each key what it may be, as plain Python says it."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from wt_jax import config
from wt_jax.options import all_options, nearest_key
from wt_jax.runtime.python_file import value_of

# What validation measures, or on which data: trials that differ there cannot be compared by its loss.
_MEASURES = (
    "data.root", "data.recordings", "data.classes", "data.max_minutes", "data.window_frames",
    "data.window_step", "data.overhang", "data.eval_stride_frames", "data.window_split", "labels.kernel",
    "labels.width_frames", "labels.rest",
)  # fmt: skip


_MOST_WHOLE = 1000


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `is_log`: as many from 1 to 10 as from 10 to 100."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    @property
    def values(self) -> tuple[Any, ...]:
        """Those that are looked at for whether they are allowed: the ends, of whole numbers each."""
        if self.is_whole and self.high - self.low < _MOST_WHOLE:
            return tuple(range(int(self.low), int(self.high) + 1))
        return self.low, self.high


@dataclasses.dataclass(frozen=True)
class OneOf:
    """One of these values."""

    values: tuple[Any, ...]


Space = dict[str, Range | OneOf]


def uniform(low: float, high: float) -> Range:
    """Any number from `low` to `high`."""
    return _ranged(low, high)


def log(low: float, high: float) -> Range:
    """Any number from `low`, above 0, to `high`, by orders of magnitude."""
    if _is_number(low) and not low > 0:
        raise ValueError(f"log({low}, {high}): must begin above 0")
    return _ranged(low, high, is_log=True)


def whole(low: int, high: int) -> Range:
    """Any whole number from `low` to `high`."""
    if not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError(f"whole({low}, {high}): must be whole numbers")
    return _ranged(low, high, is_whole=True)


def one_of(*values: Any) -> OneOf:
    """One of these values, whatever they are."""
    if any(isinstance(value, list | dict | set) for value in values) or len(set(values)) < 2:
        raise ValueError(f"one_of{values}: must be two values at least, numbers, words or tuples")
    return OneOf(values)


def _ranged(low: float, high: float, **how: bool) -> Range:
    if not (_is_number(low) and _is_number(high) and low < high):
        raise ValueError(f"from {low} to {high}: must be two numbers, the lower first")
    return Range(low, high, **how)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_space(file: str, options: config.Config) -> Space:
    """What `get_space()` of a file returns. Raises ValueError as `check_space` does, naming the file."""
    space = value_of(file, "get_space", dict, "--space", "experiments/space.py is one")
    try:
        check_space(space, options)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return space


def check_space(space: Mapping[Any, Any], options: config.Config) -> None:
    """Raises ValueError for an unknown key, one of which the validation loss says nothing, and a value that
    the config does not allow."""
    known = {option.key: option for option in all_options(options)}
    if not space:
        raise ValueError("an empty space: there is nothing to search")
    for key, choice in space.items():
        if key not in known:
            raise ValueError(f"unknown key {key}{nearest_key(str(key), options)}")
        if not isinstance(choice, Range | OneOf):
            raise ValueError(
                f"{key}: {choice!r} is no choice: write uniform(low, high), log(low, high), "
                "whole(low, high) or one_of(...), of wt_jax.search"
            )
        if key in _MEASURES:
            raise ValueError(
                f"{key}: it changes what the validation loss measures: trials cannot be compared by it"
            )
        if key == "train.init" or (known[key].about["may_change"] and key != "train.epochs"):
            raise ValueError(f"{key}: it changes nothing that a search looks for")
        is_number = known[key].type in (int, float)
        if isinstance(choice, Range) and (not is_number or choice.is_whole != (known[key].type is int)):
            kind = {int: "whole(low, high)", float: "uniform(low, high) or log(low, high)"}
            raise ValueError(f"{key}: must be {kind.get(known[key].type, 'one_of(...)')}")
        for value in choice.values:
            with_values(options, {key: value})


def with_values(options: config.Config, values: Mapping[str, Any]) -> config.Config:
    """A checked config with these in place of its own values. Raises ValueError for one not allowed."""
    return config.unflatten(config.flatten(options) | dict(values))


def rounded(key: str, value: Any, choice: Range | OneOf) -> Any:
    """A value as a device computes with it: the shortest number that is the same in float32."""
    if isinstance(choice, Range) and not choice.is_whole:
        return float(np.clip(float(str(np.float32(value))), choice.low, choice.high))
    return value


def in_words(values: Mapping[str, Any]) -> str:
    """A trial's values, short."""
    return ", ".join(f"{key}={short(value)}" for key, value in values.items())


def short(value: Any) -> str:
    """A value as tables and lines have it: a number in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"
