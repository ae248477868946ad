"""Modules that are called like a function: `wt_jax.train(config)`, where `wt_jax.train` is a module too."""

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any


def make_callable(name: str, function: Callable[..., Any]) -> None:
    """Makes the module `name` call `function`; `help` and `inspect.signature` show the function's own.

    Importing a submodule sets it on its package, so a function of the same name there would be gone as soon
    as anybody imports the module.
    """

    @functools.wraps(function)
    def call(_: types.ModuleType, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    module = sys.modules[name]
    module.__class__ = type("CallableModule", (types.ModuleType,), {"__call__": call})
    module.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
