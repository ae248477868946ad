"""Files of plain Python that say what to do: experiments and search spaces."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from wt_jax.runtime import cli
from wt_jax.runtime.inputs import why_no_file

_MODULE = "config_config"  # what such a file is called while it runs


def value_of(name: str, function: str, kind: type, option: str, example: str) -> Any:
    """What `function` returns of the file `name`, or of `file:argument` with that argument.

    Raises ValueError where there is no such file, where it fails, and for what is no `kind`; `option` is
    the one that named it, `example` what it might have named.
    """
    file, argument = name, []
    if ":" in name and not Path(name).is_file():
        file, _, text = name.partition(":")
        argument = [text]
    if reason := why_no_file(file, "an experiment file" if option == "--config" else "a file"):
        raise ValueError(f"{option} {name}: {reason}; {example}")
    spec = importlib.util.spec_from_loader(_MODULE, loader := SourceFileLoader(_MODULE, file))
    assert spec is not None
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
        if not hasattr(module, function):
            raise ValueError(f"defines no {function}(), which must return a {_name(kind)}")
        value = getattr(module, function)(*argument)
    except (KeyboardInterrupt, cli.Terminated):
        raise
    except SystemExit as error:
        raise ValueError(
            f"{file}: ends the program (SystemExit({error.code!r})): it should only return a {_name(kind)}"
        ) from error
    except BaseException as error:  # whatever the file's own code raises
        raise ValueError(f"{file}: {all_of(error)}") from error
    if not isinstance(value, kind):
        raise ValueError(f"{file}: {function}() must return a {_name(kind)}, not {type(value).__name__}")
    return value


def all_of(error: BaseException) -> str:
    """What an error says, in one line, and its type where that says more."""
    said = " ".join(str(error).split())
    if said and not isinstance(error, KeyError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
