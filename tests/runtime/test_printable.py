"""What names of files may do to a terminal: nothing."""

import contextlib
import io
import sys

import pytest

from wt_jax.runtime import cli
from wt_jax.runtime.printable import Screen, printable
from wt_jax.runtime.progress import Progress

EVIL = "a\x1b[2J\x1b]0;owned\x07\rerror\n0 of 0 done\x9b31m\u202egpj.\udcff\x7f.mp4"
SAFE = r"a\x1b[2J\x1b]0;owned\x07\rerror\n0 of 0 done\x9b31m\u202egpj.\udcff\x7f.mp4"


def test_control_characters_are_written_as_python_writes_them():
    assert printable(EVIL) == SAFE
    plain = "Übung 12:30 懸垂 👩‍💻\u202f(50 %) C:\\videos\\a.mp4"
    assert printable(plain) == plain


def test_an_error_is_one_line_whatever_it_names(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["command"])

    def main(_):
        raise ValueError(f"{EVIL}: no such file")

    with pytest.raises(SystemExit) as exit_:
        cli.run(main)
    assert (exit_.value.code, capsys.readouterr().err) == (2, f"error: {SAFE}: no such file\n")


def test_whatever_a_command_prints_does_nothing_to_the_terminal(monkeypatch, capsys):
    """Also argparse and libraries, which know nothing of all this; lines and tables stay what they are."""
    monkeypatch.setattr("sys.argv", ["command"])
    before = sys.stdout, sys.stderr

    def main(_):
        print("a\tb\nc\x1b[31m")
        print("name\rover\udcff", file=sys.stderr)

    with pytest.raises(SystemExit):
        cli.run(main)
    assert capsys.readouterr() == ("a\tb\nc\\x1b[31m\n", "name\\rover\\udcff\n")
    assert (sys.stdout, sys.stderr) == before


def test_a_bar_goes_back_to_the_start_of_its_line_and_nowhere_else():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    with contextlib.redirect_stderr(Screen(terminal)), Progress(f"poses in {EVIL}", "frames", 3) as bar:
        bar.update(3)
    said = terminal.getvalue()
    assert SAFE in said and "\x1b" not in said and "\n" not in said
    assert {part[:9] for part in said.split("\r") if part.strip()} == {"poses in "}
