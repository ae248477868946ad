"""How options are declared: a typed field with its default, its rule and its meaning; sections of them."""

import dataclasses
import difflib
import math
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What a value must satisfy beside its type, and the words for it."""

    holds: Callable[[Any], bool]
    words: str


_MOST = (
    2**32 - 1
)  # of any whole number: beyond, arrays and their indices overflow, far from what asked for it
ANY = Rule(lambda _: True, "")
FOLDER = Rule(bool, "must name a folder")
POSITIVE = Rule(lambda v: v > 0, "must be greater than 0")
NOT_NEGATIVE = Rule(lambda v: v >= 0, "must be at least 0")
COUNT = Rule(lambda v: v >= 1, "must be at least 1")
COUNTS = Rule(lambda v: len(v) > 0 and min(v) >= 1, "must be one or more numbers of at least 1")
INSIDE = Rule(lambda v: 0 < v < 1, "must be between 0 and 1, both excluded")


def one_of(*values: str) -> Rule:
    """One of these words."""
    return Rule(lambda v: v in values, f"must be {' or '.join(values)}")


def at_least(least: int) -> Rule:
    """This number or a greater one."""
    return Rule(lambda v: v >= least, f"must be at least {least}")


def in_range(low: float, high: float, remark: str = "") -> Rule:
    """A number between these, both included."""
    return Rule(lambda v: low <= v <= high, f"must be in [{low}, {high}]{remark}")


def option(
    default: Any, rule: Rule, meaning: str, *, is_place: bool = False, may_change: bool = False
) -> Any:
    """A field of a section.

    `is_place`: it says where things are, so that it may differ between the hosts of a run. `may_change`: it
    may be another when a run is taken up again; a place always may.
    """
    about = {"rule": rule, "meaning": meaning, "is_place": is_place, "may_change": may_change or is_place}
    return dataclasses.field(default=default, metadata=about)


class Section:
    """A group of options that can be assigned until `fix` is called (config_flags assigns overrides)."""

    _fixed = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._fixed:
            raise dataclasses.FrozenInstanceError(
                f"the config is fixed: cannot set {name} after it was checked"
            )
        if name not in {field.name for field in dataclasses.fields(self)}:  # type: ignore[arg-type]
            raise AttributeError(f"unknown key {name}{nearest_key(name, self)}")
        object.__setattr__(self, name, value)

    def check(self, prefix: str = "") -> None:
        """Gives every value its type; raises ValueError naming the key, its value and what is allowed."""
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            key, value, hint = prefix + field.name, getattr(self, field.name), hints[field.name]
            if isinstance(hint, type) and issubclass(hint, Section):
                if not isinstance(value, hint):
                    raise ValueError(f"{key}={value!r}: must be a {hint.__name__}(...)")
                value.check(f"{key}.")
                continue
            value = typed(key, value, hint)
            rule: Rule = field.metadata["rule"]
            if not rule.holds(value):
                raise ValueError(f"{key}={value!r}: {rule.words}")
            if any(isinstance(number, int) and number > _MOST for number in _all_in(value)):
                raise ValueError(f"{key}={value!r}: must be at most {_MOST}")
            setattr(self, field.name, value)

    def fix(self) -> None:
        """Makes every further assignment an error, in this section and those in it."""
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if isinstance(value := getattr(self, field.name), Section):
                value.fix()
        object.__setattr__(self, "_fixed", True)


def is_off(number: Any) -> bool:
    """Whether an option is 0. One that differs between trials trained together is known on the device alone:
    what it turns on is computed, with a strength that may be 0."""
    return isinstance(number, int | float) and number == 0


def _all_in(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class Option(NamedTuple):
    """A field as its documentation has it: `key` is "train.batch_size"; `default` is of the section asked."""

    key: str
    type: Any
    default: Any
    about: Any  # the metadata of `option`


def all_options(section: Any, prefix: str = "") -> Iterator[Option]:
    """All of a section and of those in it."""
    hints = typing.get_type_hints(type(section))
    for field in dataclasses.fields(section):
        value, key = getattr(section, field.name), prefix + field.name
        if isinstance(value, Section):
            yield from all_options(value, f"{key}.")
        else:
            yield Option(key, hints[field.name], value, field.metadata)


def typed(key: str, value: Any, hint: Any) -> Any:
    """`value` as the option's type; raises ValueError where it is of another."""
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)):
            raise ValueError(f'{key}={value!r}: must be a tuple, like "(1, 2)"')
        return tuple(typed(key, item, typing.get_args(hint)[0]) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{key}={value!r}: must be of type {hint.__name__}")
    if hint is float and not math.isfinite(value):
        raise ValueError(f"{key}={value!r}: must be a finite number")
    return value


def nearest_key(key: str, section: Any) -> str:
    """What to say of an unknown key: the nearest one, or where all of them are."""
    keys = [option.key for option in all_options(section)]
    leaf = {known.rsplit(".", 1)[-1]: known for known in keys}
    near = difflib.get_close_matches(key, keys, 1, 0.62)
    near = near or [leaf[name] for name in difflib.get_close_matches(key.rsplit(".", 1)[-1], leaf, 1, 0.62)]
    inside = [known for known in keys if known.startswith(f"{key}.")]
    if inside:
        return f"; it is a group: {', '.join(inside)}"
    if near:
        return f"; did you mean {near[0]}?"
    return "; python -m wt_jax.train --help lists all keys, and so does docs/config.md"
