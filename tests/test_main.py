"""`wt-jax` and `python -m wt_jax`: what they list, and that they are one door to the commands."""

import ast
import importlib
import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wt_jax
from wt_jax import __main__ as door
from wt_jax.runtime import cli, version

PACKAGE = Path(wt_jax.__file__).parent
REPOSITORY = PACKAGE.parent


def ask(*arguments, **environment):
    """Status, output and errors of `python -m MODULE ...`."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def run(monkeypatch, *arguments):
    """The exit status of `wt-jax ...`, in this process."""
    monkeypatch.setattr("sys.argv", ["wt-jax", *arguments])
    with pytest.raises(SystemExit) as exit_:
        door.run()
    return exit_.value.code or 0


def test_the_table_holds_every_command():
    """Those modules beside it that have a `main`."""
    have_main = {
        path.stem
        for path in PACKAGE.glob("*.py")
        if any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in ast.parse(path.read_text()).body)
    }
    assert set(door.COMMANDS) == have_main - {"__main__"}


@pytest.mark.parametrize("arguments", [(), ("--help",), ("help",)])
def test_commands_are_listed_a_line_each(arguments, monkeypatch, capsys):
    assert run(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, line in door.COMMANDS.items():
        assert [shown for shown in lines if shown.split()[:1] == [name] and shown.endswith(line)], name


def test_listing_needs_no_library():
    program = (
        "import sys; from wt_jax.__main__ import main; main([]); main(['--version'])\n"
        "assert not {'jax', 'numpy', 'absl', 'cv2', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr


def test_version(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"wt_jax {wt_jax.__version__}\n"
    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert wt_jax.__version__.split("+")[0] == stated


def test_version_of_a_checkout_that_is_not_installed(monkeypatch, tmp_path):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert version.find_version() == f"{stated}+checkout"
    monkeypatch.setattr(version, "__file__", str(tmp_path / "wt_jax" / "runtime" / "version.py"))
    assert version.find_version() == "unknown"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("trian", "error: no command trian; did you mean train?\n"),
        ("build-dataset", "error: no command build-dataset; did you mean build_dataset?\n"),
        ("--frob", f"error: no command --frob; the commands are {', '.join(door.COMMANDS)}\n"),
    ],
)
def test_an_unknown_command(command, said, monkeypatch, capsys):
    assert run(monkeypatch, command, "--data", "x") == cli.USER_ERROR
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("command", door.COMMANDS)
def test_a_command_gets_its_arguments_and_gives_its_status(command, monkeypatch):
    given = []
    module = importlib.import_module(f"wt_jax.{command}")
    monkeypatch.setattr(module, "main", lambda argv: given.extend(argv) or cli.TERMINATED)
    assert run(monkeypatch, command, "--data", "x") == cli.TERMINATED
    assert given == ["--data", "x"]


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        (["--help"], {}, 0),
        (["--data", "/nowhere"], {}, cli.USER_ERROR),
        (["--frob"], {}, cli.USER_ERROR),
        (["--help"], {"WT_JAX_LOG": "loud"}, cli.USER_ERROR),
    ],
)
def test_both_ways_of_asking_are_the_same(arguments, environment, status):
    told = ask("wt_jax", "build_dataset", *arguments, **environment)
    assert told == ask("wt_jax.build_dataset", *arguments, **environment)
    assert told[0] == status
    assert any(told[1:])


def test_the_console_script_is_the_same_door():
    script = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]["wt-jax"]
    module, _, name = script.partition(":")
    assert getattr(importlib.import_module(module), name) is door.run
