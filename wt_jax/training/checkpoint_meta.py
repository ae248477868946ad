"""What a checkpoint says of itself (JSON): made, checked when read, compared with the run that goes on."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wt_jax import config
from wt_jax.data.splits import SPLITS
from wt_jax.options import all_options
from wt_jax.skeleton import ANGLE_NAMES, FRAME_RATE_HZ
from wt_jax.training.optimizer import Monitor
from wt_jax.training.step_folder import DamagedError

_VERSION = 1
_SHOWN = 5  # of what differs between two runs


def make_meta(options: config.Config, **run: Any) -> dict[str, Any]:
    """The config, what the angles mean, and the run's own entries: all of `_ENTRIES` of a training run."""
    return {
        "version": _VERSION,
        "config": config.flatten(options),
        "angles": ANGLE_NAMES,
        "frame_rate_hz": FRAME_RATE_HZ,
        **run,
    }


def check_meta(meta: Any, path: Path) -> dict[str, Any]:
    """The entries, all there and each of its type; no parents of one that was written before there were any.

    Raises DamagedError naming `path` and the entry, and ValueError for a checkpoint of another version, of
    other angles or another rate.
    """
    if not isinstance(meta, dict):
        raise DamagedError(f"{path}: holds {type(meta).__name__}, not an object")
    if type(version := meta.get("version")) is not int:
        raise DamagedError(f"{path}: holds no 'version', a whole number")
    if version != _VERSION:
        raise ValueError(f"{path}: version {version}, this wt_jax reads {_VERSION}: take the other")
    meta = {"parents": [], **meta}
    for name, is_right in _ENTRIES.items():
        if name not in meta:
            raise DamagedError(f"{path}: holds no {name!r}")
        if not is_right(meta[name]):
            raise DamagedError(f"{path}: {name!r} is not what a training run writes")
    try:
        config.unflatten(meta["config"])
    except ValueError as error:
        raise DamagedError(f"{path}: 'config': {error}") from None
    if tuple(meta["angles"]) != ANGLE_NAMES or meta["frame_rate_hz"] != FRAME_RATE_HZ:
        raise ValueError(
            f"{path.parents[1]}: trained on other joint angles or another frame rate than this wt_jax "
            "computes; train again"
        )
    return meta


def check_resumable(meta: dict[str, Any], options: config.Config, fingerprint: str, where: Path) -> None:
    """Raises ValueError naming what differs between a checkpoint and the run that would take it up."""
    # An option that came after the checkpoint was written had its default's effect.
    saved, now = config.flatten(config.unflatten(meta["config"])), config.flatten(options)
    fixed = (option.key for option in all_options(options) if not option.about["may_change"])
    differing = [f"{key} (was {saved[key]!r}, is {now[key]!r})" for key in fixed if saved[key] != now[key]]
    if meta["fingerprint"] != fingerprint:
        differing.append("the data (recordings added, removed, changed or moved to another split)")
    if differing:
        more = f"; and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise ValueError(
            f"{where} holds another run: set another --config.workdir, or --config.overwrite=True to start "
            f"over. It differs in {'; '.join(differing[:_SHOWN])}{more}"
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


def _is_split(value: Any) -> bool:
    return isinstance(value, dict) and all(part in SPLITS for part in value.values())


def _is_history(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("loss"), list):
        return False
    n_epochs = len(value["loss"])
    return all(
        isinstance(of_epochs, list) and len(of_epochs) == n_epochs and all(map(_is_number, of_epochs))
        for of_epochs in value.values()
    )


def _are_parents(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(parent, dict)
        and type(parent.get("step")) is int
        and _is_texts([parent.get("name"), parent.get("digest")])
        for parent in value
    )


def _is_monitor(value: Any) -> bool:
    names = {field.name for field in dataclasses.fields(Monitor)}
    if not isinstance(value, dict) or not {"learning_rate"} <= value.keys() <= names:
        return False
    monitor = Monitor(**value)
    counts = (monitor.epochs_since_best, monitor.epochs_since_change)
    return (
        _is_number(monitor.learning_rate)
        and 0 <= monitor.learning_rate < math.inf
        and _is_number(monitor.best)
        and monitor.best >= 0
        and all(type(count) is int and count >= 0 for count in counts)
    )


_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "config": lambda value: isinstance(value, dict),
    "angles": _is_texts,
    "frame_rate_hz": _is_number,
    "data": _is_text,
    "root": _is_text,
    "recordings": _is_text,
    "fingerprint": _is_text,
    "split": _is_split,
    "trained_on": _is_texts,
    "monitor": _is_monitor,
    "history": _is_history,
    "parents": _are_parents,
}
