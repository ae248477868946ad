"""Options of a run (`wt_jax.options`), checked once after parsing and fixed from then on."""

import dataclasses
import math
import re
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from wt_jax.options import (
    INPUTS,
    Augment,
    Config,
    Data,
    Labels,
    Loss,
    Model,
    Optimizer,
    Train,
    all_keys,
    nearest_key,
)
from wt_jax.skeleton import NO_EXERCISE, canonical_class

__all__ = [
    "Augment",
    "Config",
    "Data",
    "Labels",
    "Loss",
    "Model",
    "Optimizer",
    "Train",
    "check",
    "flatten",
    "parse",
    "unflatten",
]


def flatten(config: Config) -> dict[str, Any]:
    """All options as {"train.batch_size": 32, ...}."""
    flat = {}
    for key in all_keys(config):
        value: Any = config
        for part in key.split("."):
            value = getattr(value, part)
        flat[key] = value
    return flat


def unflatten(flat: dict[str, Any]) -> Config:
    """The checked config of `flatten`'s dict (lists become tuples, so that JSON can lie between).

    Raises ValueError for unknown keys and bad values.
    """
    config = Config()
    for key, value in flat.items():
        *sections, name = key.split(".")
        if key not in set(all_keys(config)):
            raise ValueError(f"unknown key {key}{nearest_key(key, config)}")
        section: Any = config
        for part in sections:
            section = getattr(section, part)
        setattr(section, name, value)
    return check(config)


# What each value must satisfy beside its type: (test, what is allowed).
_Rule = tuple[Callable[[Any], bool], str]
_POSITIVE: _Rule = (lambda v: v > 0, "must be greater than 0")
_COUNT: _Rule = (lambda v: v >= 1, "must be at least 1")
_NOT_NEGATIVE: _Rule = (lambda v: v >= 0, "must be at least 0")
_COUNTS: _Rule = (lambda v: len(v) > 0 and min(v) >= 1, "must be one or more numbers of at least 1")
_ANGLE: _Rule = (lambda v: 0 <= v <= 180, "must be in [0, 180] degrees")
_RULES: dict[str, _Rule] = {
    "workdir": (bool, "must name a folder"),
    "seed": (lambda v: 0 <= v < 2**32, "must be in [0, 2**32)"),
    "data.root": (bool, "must name a folder"),
    "data.classes": (lambda v: len(v) >= 2 and all(re.fullmatch(r"[\w .-]*\w", c) for c in v)
                     and len({canonical_class(c) for c in v}) == len(v),
                     "must be two or more different folder names"),
    "data.window_frames": (lambda v: v >= 2, "must be at least 2"),
    "data.window_step": _COUNT,
    "data.inputs": (lambda v: "angles" in v and set(v) <= set(INPUTS) and len(set(v)) == len(v),
                    f"must hold angles, and of {', '.join(INPUTS)} each once at most"),
    "data.overhang": (lambda v: 0 <= v <= 0.5, "must be in [0, 0.5]"),
    "data.stride_frames": _COUNT,
    "data.eval_stride_frames": _COUNT,
    "data.positive_ratio": (lambda v: 0 < v < 1, "must be between 0 and 1, both excluded"),
    "data.balance_power": (lambda v: 0 <= v <= 1, "must be in [0, 1]"),
    "labels.kernel": (lambda v: v in ("gaussian", "lorentzian"), "must be gaussian or lorentzian"),
    "labels.width_frames": _POSITIVE,
    "augment.speed": (lambda v: 0 <= v <= 1, "must be in [0, 1]: exp(1) is 2.7 times as fast"),
    "augment.yaw_deg": _ANGLE,
    "augment.pitch_deg": _ANGLE,
    "augment.roll_deg": _ANGLE,
    "augment.jitter": (lambda v: 0 <= v <= 1, "must be in [0, 1] torso lengths"),
    "augment.missing": (lambda v: 0 <= v <= 0.9, "must be in [0, 0.9]"),
    "model.filters": _COUNT,
    "model.blocks": _COUNT,
    "model.kernel_size": (lambda v: v >= 1 and v % 2 == 1, "must be odd: a centred kernel has a middle"),
    "model.dilations": _COUNTS,
    "model.heads": _COUNT,
    "model.dropout": (lambda v: 0 <= v <= 0.9, "must be in [0, 0.9]"),
    "model.dense_units": _COUNTS,
    "model.compute_dtype": (lambda v: v in ("float32", "bfloat16"), "must be float32 or bfloat16"),
    "loss.segmentation_weight": _NOT_NEGATIVE,
    "loss.focal_gamma": _NOT_NEGATIVE,
    "loss.focal_alpha": _POSITIVE,
    "optimizer.learning_rate": _POSITIVE,
    "optimizer.batch_power": (lambda v: 0 <= v <= 1, "must be in [0, 1]"),
    "optimizer.warmup_epochs": _NOT_NEGATIVE,
    "optimizer.weight_decay": _NOT_NEGATIVE,
    "optimizer.plateau_factor": (lambda v: 0 < v < 1, "must be between 0 and 1, both excluded"),
    "optimizer.plateau_patience": _COUNT,
    "optimizer.minimum_learning_rate": _NOT_NEGATIVE,
    "train.epochs": _COUNT,
    "train.batch_size": _COUNT,
    "train.patience": _COUNT,
    "train.windows_per_epoch": _COUNT,
    "train.steps_per_dispatch": _COUNT,
    "train.select": (lambda v: v in ("best", "last"), "must be best or last"),
    "train.average": (lambda v: 0 <= v < 1, "must be in [0, 1)"),
    "train.accumulate": _NOT_NEGATIVE,
    "train.eval_batch_size": _NOT_NEGATIVE,
}  # fmt: skip


def _typed(key: str, value: Any, hint: Any) -> Any:
    """`value` as the option's type; raises ValueError where it is of another."""
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)):
            raise ValueError(f'{key}={value!r}: must be a tuple, like "(1, 2)"')
        return tuple(_typed(key, item, typing.get_args(hint)[0]) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{key}={value!r}: must be of type {hint.__name__}")
    if hint is float and not math.isfinite(value):
        raise ValueError(f"{key}={value!r}: must be a finite number")
    return value


def check(config: Config) -> Config:
    """Checks every value, normalises class names and fixes the config; returns it.

    Raises ValueError naming the key, its value and what is allowed.
    """
    if not isinstance(config, Config):
        raise ValueError(f"get_config() must return a wt_jax.config.Config, not {type(config).__name__}")
    for prefix, section in [("", config), *((f"{f.name}.", getattr(config, f.name)) for f in
                                            dataclasses.fields(config) if f.name in _SECTIONS)]:  # fmt: skip
        hints = typing.get_type_hints(type(section))
        for field in dataclasses.fields(section):
            key = prefix + field.name
            if key in _SECTIONS:
                if not isinstance(getattr(config, key), hints[key]):
                    raise ValueError(f"{key}={getattr(config, key)!r}: must be a {hints[key].__name__}(...)")
                continue
            value = _typed(key, getattr(section, field.name), hints[field.name])
            allowed, what = _RULES.get(key, (lambda _: True, ""))
            if not allowed(value):
                raise ValueError(f"{key}={value!r}: {what}")
            setattr(section, field.name, value)
    _check_together(config)
    config.data.classes = tuple(canonical_class(name) for name in config.data.classes)
    for section in (*(getattr(config, name) for name in _SECTIONS), config):
        section.fix()
    return config


_SECTIONS = ("data", "labels", "augment", "model", "loss", "optimizer", "train")


def _check_together(config: Config) -> None:
    model, train = config.model, config.train
    if model.filters % model.heads:
        raise ValueError(f"model.heads={model.heads}: must divide model.filters={model.filters}")
    if train.accumulate and train.batch_size % train.accumulate:
        raise ValueError(
            f"train.accumulate={train.accumulate}: must divide train.batch_size={train.batch_size}"
        )
    if all(canonical_class(name) == NO_EXERCISE for name in config.data.classes):
        raise ValueError(f"data.classes={config.data.classes!r}: must hold an exercise")


def parse(argv: Sequence[str]) -> Config:
    """The checked config of a command line `--config FILE [--config.section.key=value ...]`.

    Raises ValueError for a missing or broken file, an unknown key (naming the nearest) and a bad value.
    """
    file = _experiment(argv)
    for arg in argv:
        match = re.match(r"--?(?:no)?config\.([^=]+)", arg)
        if match and match.group(1) not in set(all_keys(Config())):
            raise ValueError(f"unknown key {match.group(1)}{nearest_key(match.group(1), Config())}")
    values, args = flags.FlagValues(), ["wt_jax", *argv]
    config_flags.DEFINE_config_file("config", None, "experiment file", flag_values=values, sys_argv=args)
    try:
        rest = values(args)
    except Exception as error:  # of a flag's value, or whatever the experiment file's own code raises
        of_flag = isinstance(error, flags.Error) and "Traceback" not in str(error)
        last = str(error).strip().splitlines()[-1]
        raise ValueError(last.replace("flag --config.", "") if of_flag else f"{file}: {last}") from error
    if len(rest) > 1:
        raise ValueError(f"{rest[1]!r}: not understood; options are written --config.section.key=value")
    return check(values["config"].value)  # type: ignore[arg-type]


def _experiment(argv: Sequence[str]) -> Path:
    for i, arg in enumerate(argv):
        if match := re.match(r"--?config(?:=(.*))?$", arg):
            name = match.group(1) or next(iter(argv[i + 1 :]), "")
            path = Path(name.split(":", 1)[0])
            if not path.is_file():
                raise ValueError(
                    f"--config {name}: no such file; experiments/main.py is the default experiment"
                )
            return path
    raise ValueError("no experiment given: add --config experiments/main.py")
