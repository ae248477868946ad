"""Files that people name. What is none of them is refused in a line, and never waited for."""

import stat
from collections.abc import Callable
from pathlib import Path

_OTHERS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def why_no_file(path: Path | str, wanted: str = "a file") -> str:
    """Why `path` cannot be read as a plain file, "" where it may be; a link is what it leads to.

    A pipe that nobody writes to would be waited for, and some devices read, for ever. `wanted` is what it
    should have been, "a video".
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "no such file"
    except OSError as error:  # a name that is too long, links in a circle, a folder that may not be entered
        return error.strerror or str(error)
    kind = next((kind for is_it, kind in _OTHERS if is_it(mode)), "")
    return f"{kind}, not {wanted}" if kind else ""


def check_file(path: Path | str, wanted: str = "a file") -> None:
    """Raises ValueError where `path` is no plain file (`why_no_file`)."""
    if reason := why_no_file(path, wanted):
        raise ValueError(f"{path}: {reason}")
