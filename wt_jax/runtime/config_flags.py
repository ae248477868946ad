"""Configs on a command line: `--config FILE [--config.section.key=value ...]`, and what its keys mean."""

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags
from ml_collections import config_flags

from wt_jax.config import Config, check
from wt_jax.options import Option, Section, all_options, nearest_key
from wt_jax.runtime.python_file import all_of, value_of

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def parse(argv: Sequence[str]) -> Config:
    """The checked config of a command line.

    Raises ValueError for a missing or broken file, an unknown key (naming the nearest) and a bad value.
    """
    experiment, argv = _experiment(argv)
    types = {option.key: option.type for option in all_options(Config())}
    for arg in argv:
        match = re.match(r"--?(?:no)?config\.([^=]+)", arg)
        if match and match.group(1) not in types:
            raise ValueError(f"unknown key {match.group(1)}{nearest_key(match.group(1), Config())}")
        if not match and arg.startswith("--"):
            name = arg.lstrip("-").partition("=")[0]
            raise ValueError(
                f"unknown option {arg}: a key is set as --config.KEY=VALUE{nearest_key(name, Config())}"
            )
    config = value_of(
        experiment, "get_config", Config, "--config", "experiments/main.py is the default experiment"
    )
    values, args = flags.FlagValues(), ["wt_jax", *argv]
    try:
        config_flags.DEFINE_config_dataclass("config", config, flag_values=values, sys_argv=args)
        rest = values(args)
    except Exception as error:  # of a flag's value
        raise ValueError(_what_is_wrong(error, experiment, types)) from error
    if len(rest) > 1:
        raise ValueError(f"{rest[1]!r}: not understood; options are written --config.section.key=value")
    try:
        return check(values["config"].value)  # type: ignore[arg-type]
    except dataclasses.FrozenInstanceError as error:  # checked by the file itself
        raise ValueError(f"{experiment}: {error}: get_config() must return it unchecked") from error


def _experiment(argv: Sequence[str]) -> tuple[str, list[str]]:
    """What --config names, and the other arguments."""
    names, others, left = [], [], iter(argv)
    for arg in left:
        if match := re.match(r"--?config(?:=(.*))?$", arg, re.DOTALL):
            names.append(next(left, "") if match.group(1) is None else match.group(1))
        else:
            others.append(arg)
    if not any(names):
        raise ValueError("no experiment given: add --config experiments/main.py")
    if len(names) > 1:
        raise ValueError(f"--config is given {len(names)} times, {', '.join(names)}: name one experiment")
    return names[0], others


def _what_is_wrong(error: Exception, name: str, types: dict[str, Any]) -> str:
    last = all_of(error)
    if not isinstance(error, flags.Error):
        return f"{name}: {last}"
    if match := re.match(r"flag --config\.([\w.]+)=(.*?): ", last):
        key, value = match.groups()
        if kind := _KINDS.get(types[key]):
            return f"{key}={value}: must be {kind}"
        return f'{key}={value}: must be a tuple, like "(1, 2)"'
    return last.replace("flag --config.", "")


def usage(description: str) -> str:
    """What `train --help` says: the forms, three examples, every key with default and meaning."""
    lines = [
        "usage: python -m wt_jax.train --config FILE [--config.section.key=value ...]",
        "",
        *textwrap.wrap(description, 100),
        "",
        "FILE is Python with a get_config() that returns a wt_jax.config.Config.",
        "",
        "examples:",
        "  python -m wt_jax.train --config experiments/main.py",
        "  python -m wt_jax.train --config experiments/best.py --config.data.root=my_data \\",
        "      --config.workdir=checkpoints/mine",
        "  python -m wt_jax.train --config experiments/main.py --config.train.batch_size=1024 \\",
        "      --config.model.compute_dtype=bfloat16",
    ]
    for title, about, options in _groups():
        lines += ["", f"{title}: {about}"]
        for option in options:
            start = f"  --config.{option.key}={_written(option.default)}"
            indent = " " * 47
            allowed = f" ({_allowed(option)})" if _allowed(option) else ""
            meaning = textwrap.wrap(option.about["meaning"] + allowed, 110 - len(indent))
            lines += [f"{start:<46} {meaning[0]}"] if len(start) < 46 else [start, indent + meaning[0]]
            lines += [indent + more for more in meaning[1:]]
    return "\n".join(lines)


def markdown() -> str:
    """docs/config.md: every key with default, what is allowed and what it means."""
    lines = [
        "# All keys of the config",
        "",
        "Written by `python docs/write_config.py` from [wt_jax/config.py](../wt_jax/config.py).",
        "",
        "A key is set in an experiment file ([experiments/main.py](../experiments/main.py) shows the",
        "defaults), or on the command line: `--config.train.batch_size=64`. A run that is taken up again has",
        "the same config, the keys marked * aside.",
    ]
    for title, about, options in _groups():
        lines += ["", f"## {title}", "", f"{about}.", ""]
        lines += ["| key | default | allowed | meaning |", "|---|---|---|---|"]
        for option in options:
            key = f"`{option.key}`" + (" *" if option.about["may_change"] else "")
            default = f"`{_written(option.default)}`" if option.default != "" else ""
            allowed = "False, True" if option.type is bool else _allowed(option)
            lines.append(f"| {key} | {default} | {allowed} | {option.about['meaning']} |")
    return "\n".join(lines) + "\n"


def _allowed(option: Option) -> str:
    return option.about["rule"].words.removeprefix("must ").removeprefix("be ")


def _groups() -> Iterator[tuple[str, str, list[Option]]]:
    """Title, meaning and options of each section, those outside of any first."""
    config = Config()
    alone = [option for option in all_options(config) if "." not in option.key]
    yield "run", "Where, and from which random numbers", alone
    for field in dataclasses.fields(config):
        section = getattr(config, field.name)
        if isinstance(section, Section):
            about = (section.__doc__ or "").splitlines()[0].removesuffix(".")
            yield field.name, about, list(all_options(section, f"{field.name}."))


def _written(value: Any) -> str:
    """As one writes it on a command line."""
    return f'"{value}"' if isinstance(value, tuple) else f"{value}"
