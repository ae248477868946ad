"""Command lines of the commands that take options of their own."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, whose errors are ours: a ValueError, one line, that names the option that was meant."""

    def parse_args(self, args: Sequence[str], namespace: Any = None) -> Any:  # type: ignore[override]
        """Raises ValueError, for an unknown option rather than for the one that it was meant to be."""
        names = {name.replace("-", "_"): name for name in self._option_string_actions}
        for arg in args:
            name = arg.partition("=")[0]
            if name == "--":
                break
            if name.startswith("--") and not any(known.startswith(name) for known in names.values()):
                near = difflib.get_close_matches(name.replace("-", "_"), names, 1)
                self.error(f"unknown option {name}" + (f"; did you mean {names[near[0]]}?" if near else ""))
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raises ValueError in the place of ending the program."""
        raise ValueError(message if message.endswith("?") else f"{message}; --help lists the options")


def add_pose_model(to: Any, purpose: str = "") -> None:
    """--pose_model, of the commands that look at videos: to a parser or a group of its options.

    `purpose` begins what --help says of it.
    """
    about = f"{purpose}a pose_landmarker_*.task file (default: WT_JAX_POSE_MODEL, or downloaded)"
    to.add_argument("--pose_model", metavar="FILE", help=about)
