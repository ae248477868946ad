"""Text of others (names of files, what a library says) as a terminal may be given it."""

import re
import sys
from pathlib import Path
from typing import Any

# What a terminal acts on, and what turns the direction of a line or ends it; half of a pair of UTF-16, which
# is how Python reads names that are not UTF-8.
_UNSEEN = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_A_LINE = re.compile(f"[{_UNSEEN}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_UNSEEN}]")
_shown_as: dict[str, str] = {}  # what stands for a path in all that is printed


def printable(text: object) -> str:
    """`text` as one line, in which control characters are written as Python writes them: \\n, \\x1b."""
    return _IN_A_LINE.sub(_written, _with_names(str(text)))


def show_as(path: Path, name: str) -> None:
    """From now on `name` is printed where `path`, or one in it, would be."""
    _shown_as[str(path)] = name


def _with_names(text: str) -> str:
    for path, name in _shown_as.items():
        text = text.replace(path, name)
    return text


def _written(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode()


class Screen:
    """A text stream on which no name of a file moves the cursor or changes colours (`printable`).

    Line ends and tabs pass, and a carriage return that begins what is written: bars of progress go back to
    the start of their line with it.
    """

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """As of any stream."""
        start = "\r" if text.startswith("\r") else ""
        self._stream.write(start + _IN_LINES.sub(_written, _with_names(text[len(start) :])))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tell(line: str) -> None:
    """To standard error, for results go to the other; names of files do nothing to the terminal."""
    print(printable(line), file=sys.stderr, flush=True)
