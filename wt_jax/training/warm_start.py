"""A run that starts from another's weights: what is taken of them, what is new, what is refused."""

import dataclasses
import hashlib
from collections import Counter
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from wt_jax import config

_WINDOWS = (
    "data.inputs",
    "data.window_frames",
    "data.window_step",
)  # to others no weight fits
_MODEL = ("filters", "blocks", "kernel_size", "dilations", "heads", "dense_units", "causal")
_CLASSES = "classification/logits/"  # whose last axis is classes


@dataclasses.dataclass(frozen=True)
class Parent:
    """Weights to start from. `digest` is `digest_of(params)`; `parents` are those of `lineage` before it."""

    name: str
    options: config.Config
    params: Any  # arrays of the host
    step: int
    digest: str
    parents: tuple[dict[str, Any], ...] = ()
    trained_on: frozenset[str] = frozenset()  # `Recording.content` of all that it learned from

    @property
    def lineage(self) -> list[dict[str, Any]]:
        """For the checkpoints of a run that starts here: itself, its parent, and so on."""
        return [{"name": self.name, "step": self.step, "digest": self.digest}, *self.parents]


def digest_of(params: Any) -> str:
    """SHA-256 over the names, sorted, and the float32 bytes of all weights."""
    sha = hashlib.sha256()
    for name, values in sorted(flatten_dict(params, sep="/").items()):
        sha.update(name.encode() + b"\0" + np.asarray(values, "<f4").tobytes())
    return sha.hexdigest()


def check_parent(options: config.Config, parent: Parent) -> None:
    """Raises ValueError, naming what to set, where the parent was trained on other windows."""
    here, there = config.flatten(options), config.flatten(parent.options)
    if differing := [key for key in _WINDOWS if here[key] != there[key]]:
        own = ", ".join(f"{key}={there[key]}" for key in differing)
        to_set = " ".join(f"--config.{key}={_written(there[key])}" for key in differing)
        raise ValueError(f"train.init={parent.name}: trained with {own}: set {to_set}")


def warm_start(options: config.Config, params: Any, parent: Parent) -> tuple[Any, list[str]]:
    """The drawn `params` with the parent's in their place, and a table of what was taken, line by line.

    Taken is what has the same name and shape; of the class head's last layer, the columns of the classes of
    the same name. Raises ValueError as `check_parent` does, and where nothing fits.
    """
    check_parent(options, parent)
    drawn, there = (flatten_dict(tree, sep="/") for tree in (params, parent.params))
    taken: Counter[str] = Counter()
    mixed = {}
    rows = [np.shape(of.get(f"{_CLASSES}kernel"))[:-1] for of in (drawn, there)]
    for name, values in drawn.items():
        theirs = there.get(name) if rows[0] == rows[1] or not name.startswith(_CLASSES) else None
        mixed[name], taken[name] = _mixed(options, name, np.asarray(values), parent, theirs)
    notes = _notes(options, parent)
    if not any(taken.values()):
        raise ValueError(f"train.init={parent.name}: none of its weights fit: {'; '.join(notes)}")
    rows = [f"{f'from {parent.name}, step {parent.step}':<34}{'taken':>12}{'new':>12}{'left there':>12}"]
    n_taken, n_here, n_there = _by_module(taken), _by_module(_sizes(drawn)), _by_module(_sizes(there))
    for name in dict.fromkeys([*n_here, *n_there]):
        rows.append(_row(name, n_taken[name], n_here[name], n_there[name]))
    rows.append(_row("all", n_taken.total(), n_here.total(), n_there.total()))
    rows += [_classes_line(options, parent, taken), *notes]
    return unflatten_dict(mixed, sep="/"), rows


def _mixed(
    options: config.Config, name: str, drawn: np.ndarray, parent: Parent, theirs: Any
) -> tuple[np.ndarray, int]:
    """The values to start from, and how many of them are the parent's."""
    if theirs is None:
        return drawn, 0
    theirs = np.asarray(theirs, drawn.dtype)
    if not name.startswith(_CLASSES):
        return (theirs, theirs.size) if theirs.shape == drawn.shape else (drawn, 0)
    if theirs.shape[:-1] != drawn.shape[:-1]:
        return drawn, 0
    known = parent.options.data.classes
    columns = [(i, known.index(c)) for i, c in enumerate(options.data.classes) if c in known]
    values = drawn.copy()
    for here, there in columns:
        values[..., here] = theirs[..., there]
    return values, len(columns) * (values.size // values.shape[-1])


def _classes_line(options: config.Config, parent: Parent, taken: Counter[str]) -> str:
    here, there = options.data.classes, parent.options.data.classes
    known = there if taken[f"{_CLASSES}kernel"] else ()
    parts = {
        "taken": [name for name in here if name in known],
        "new": [name for name in here if name not in known],
        "left there": [name for name in there if name not in here],
    }
    return "classes " + "; ".join(f"{what}: {', '.join(names) or 'none'}" for what, names in parts.items())


def _notes(options: config.Config, parent: Parent) -> list[str]:
    """Of what changes the shapes of weights, or what they mean."""
    pairs = ((name, getattr(parent.options.model, name), getattr(options.model, name)) for name in _MODEL)
    return [f"note: model.{name} was {was}, is {now}" for name, was, now in pairs if was != now]


def _sizes(flat: dict[str, Any]) -> Counter[str]:
    return Counter({name: np.size(values) for name, values in flat.items()})


def _by_module(sizes: Counter[str]) -> Counter[str]:
    total: Counter[str] = Counter()
    for name, size in sizes.items():
        total[name.partition("/")[0]] += size
    return total


def _row(name: str, taken: int, here: int, there: int) -> str:
    return f"{name:<34}{taken:>12,}{here - taken:>12,}{there - taken:>12,}"


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, tuple) else f"{value}"
