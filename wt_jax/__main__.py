"""`wt-jax` and `python -m wt_jax`: the commands, a line each, and the way to each of them."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import wt_jax
from wt_jax.runtime import cli

# The modules beside this one that have a `main`.
COMMANDS = {
    "train": "train a model: wt-jax train --config experiments/main.py",
    "evaluate": "score a trained model on recordings of people held back",
    "predict": "which exercises are in videos, and how many repetitions",
    "live": "count before a camera, as you go, or in a video played like one",
    "label": "mark by hand, in a window, where the repetitions of a video start",
    "adapt": "one exercise more for a checkpoint, from a few clips of it",
    "tune": "better settings for an experiment: a search, on one machine or many",
    "export": "a checkpoint as a file for other runtimes: ONNX, StableHLO, TFLite",
    "train_compile": "what a run would cost on a TPU or GPU that is not here, and whether it fits",
    "build_dataset": "videos, landmarks and labels -> the recordings that training reads",
}


def usage() -> str:
    """The commands, a line each."""
    width = max(map(len, COMMANDS)) + 2
    return "\n".join(
        [
            "usage: wt-jax COMMAND ...   (the same as python -m wt_jax.COMMAND ...)",
            "",
            *(f"  {name:<{width}}{line}" for name, line in COMMANDS.items()),
            "",
            "wt-jax COMMAND --help says more; --version says which wt_jax this is",
        ]
    )


def main(arguments: Sequence[str]) -> None:
    """What is said where no command is given. Raises ValueError for one that there is not."""
    first = next(iter(arguments), "--help")
    if first in ("-h", "--help", "help"):
        print(usage())
    elif first == "--version":
        print(f"wt_jax {wt_jax.__version__}")
    else:
        near = difflib.get_close_matches(first, COMMANDS, 1)
        known = f"did you mean {near[0]}?" if near else f"the commands are {', '.join(COMMANDS)}"
        raise ValueError(f"no command {first}; {known}")


def run() -> NoReturn:
    """The console script."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    cli.begin_process()
    if command in COMMANDS:
        module = importlib.import_module(f"wt_jax.{command}")
        del sys.argv[1]
        cli.run(module.main)
    cli.run(main)


if __name__ == "__main__":
    run()
