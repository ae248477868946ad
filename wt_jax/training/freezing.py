"""Which weights a run trains from which epoch on, and how fast those further below the heads learn.

Depth is counted in steps below the heads: attention and norm 1, the last block 2, ..., the projection last. A
phase is a number of epochs in which the same weights are trained: what is frozen thaws by depth, one a phase.
"""

import math
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

import jax
from flax.traverse_util import flatten_dict, unflatten_dict

from wt_jax import config
from wt_jax.models.tcn import init_params

_NEVER = math.inf  # the phase in which those thaw that stay frozen


def depth(module: str, n_blocks: int) -> int:
    """Of one that stands directly in the model, below the heads."""
    if module == "projection":
        return n_blocks + 2
    if module.startswith("block_"):
        return n_blocks + 1 - int(module.removeprefix("block_"))
    return 1 if module in ("attention", "norm") else 0


def check_freezing(options: config.Config) -> None:
    """Raises ValueError as `find_phases` does."""
    if options.optimizer.freeze:
        find_phases(options, jax.eval_shape(lambda: init_params(options)))


def find_phases(options: config.Config, params: Any) -> Any:
    """Of each of `params` the phase from which on it is trained, 0 the first; None where nothing is frozen.

    `params` may be shapes. Raises ValueError for a name in `optimizer.freeze` that nothing has, and where
    nothing would be left to train.
    """
    if not options.optimizer.freeze:
        return None
    weights = flatten_dict(params, sep="/")
    modules = {name: list(_modules_of(name)) for name in weights}
    frozen: set[str] = set()
    for pattern in options.optimizer.freeze:
        matching = [name for name in weights if any(fnmatchcase(of, pattern) for of in modules[name])]
        if not matching:
            known = ", ".join(dict.fromkeys(of[0] for of in modules.values()))
            inside = next(of[1] for of in modules.values() if len(of) > 1)
            raise ValueError(
                f"optimizer.freeze: nothing is called {pattern}; there are {known}, and parts like {inside}"
            )
        frozen.update(matching)
    if len(frozen) == len(weights):
        names = ", ".join(options.optimizer.freeze)
        raise ValueError(f"optimizer.freeze: {names} are all that there is: leave something to train")
    depths = {name: depth(modules[name][0], options.model.blocks) for name in frozen}
    does_thaw = options.optimizer.unfreeze_epochs > 0
    thaws = {at: i if does_thaw else _NEVER for i, at in enumerate(sorted(set(depths.values())), 1)}
    return unflatten_dict({name: thaws[depths[name]] if name in frozen else 0 for name in weights}, sep="/")


def phase_after(options: config.Config, params: Any, n_epochs: int) -> int:
    """The phase of the epoch that comes after so many."""
    every = options.optimizer.unfreeze_epochs
    return min(n_epochs // every, max(jax.tree.leaves(find_phases(options, params)))) if every else 0


def trained(phases: Any, phase: int, tree: Any) -> Any:
    """Of `tree`, which is like the parameters, what is trained in this phase; None stands for the rest."""
    if phases is None:
        return tree
    return jax.tree.map(lambda first, values: values if first <= phase else None, phases, tree)


def with_frozen(tree: Any, whole: Any) -> Any:
    """What `trained` gave, and in the place of each None what stands there in `whole`."""
    return jax.tree.map(lambda x, y: y if x is None else x, tree, whole, is_leaf=lambda x: x is None)


def slowed_by_depth(options: config.Config, updates: Any) -> Any:
    """The updates, x `optimizer.layer_decay` for every step of depth."""
    decay, n_blocks = options.optimizer.layer_decay, options.model.blocks
    if isinstance(decay, float) and decay == 1:
        return updates
    return jax.tree_util.tree_map_with_path(
        lambda path, update: decay ** depth(path[0].key, n_blocks) * update, updates
    )


def freezing_line(options: config.Config, params: Any, phase: int) -> str:
    """What is frozen in this phase, and how much of the model is not."""
    return f"frozen: {_names(options, params, lambda first: first > phase)}; {_share(options, params, phase)}"


def thaw_line(options: config.Config, params: Any, phase: int) -> str:
    """What is trained from this phase on."""
    return (
        f"thawed: {_names(options, params, lambda first: first == phase)}; {_share(options, params, phase)}"
    )


def _names(options: config.Config, params: Any, holds: Callable[[float], bool]) -> str:
    phases = flatten_dict(find_phases(options, params))
    return ", ".join(dict.fromkeys(path[0] for path, first in phases.items() if holds(first))) or "nothing"


def _share(options: config.Config, params: Any, phase: int) -> str:
    n_all, n_trained = (
        sum(leaf.size for leaf in jax.tree.leaves(tree))
        for tree in (params, trained(find_phases(options, params), phase, params))
    )
    return f"{n_trained:,} of {n_all:,} parameters are trained"


def _modules_of(name: str) -> Iterable[str]:
    """Of a weight's name: block_0, block_0/conv_0."""
    parts = name.split("/")[:-1]
    return ("/".join(parts[: i + 1]) for i in range(len(parts)))
