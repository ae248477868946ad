"""What users install: every room is in the wheel, and each command starts from it, far from the sources."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
MODULES = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "wt_jax").rglob("*.py")}
COMMANDS = sorted(
    path.stem
    for path in (REPOSITORY / "wt_jax").glob("[!_]*.py")
    if re.search(r"^def main\(", path.read_text(), re.MULTILINE)
)
# One interpreter for all: importing JAX takes longer than all else.
HELP = """
import contextlib, io, json, runpy, sys
import wt_jax
shown = {}
for name in sys.argv[1:]:
    sys.argv = [name, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_module(f"wt_jax.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            shown[name] = (end.code or 0, out.getvalue())
files = [module.__file__ for name, module in sys.modules.items() if name.startswith("wt_jax")]
print(json.dumps([shown, files]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An empty folder into which the project was installed, without what it depends on."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(REPOSITORY / "wt_jax", source / "wt_jax", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", target, source], check=True)
    return target


def test_every_module_is_installed(installed):
    assert {
        path.relative_to(installed).as_posix() for path in (installed / "wt_jax").rglob("*.py")
    } == MODULES


def test_the_checkpoint_in_the_box_is_installed(installed):
    box = REPOSITORY / "wt_jax" / "pretrained"
    assert {path.name: path.read_bytes() for path in box.iterdir()} == {
        path.name: path.read_bytes() for path in (installed / "wt_jax" / "pretrained").iterdir()
    }


def test_the_page_is_installed(installed):
    page = Path("wt_jax") / "exporting" / "page"
    files = {path.relative_to(REPOSITORY): path.read_bytes() for path in (REPOSITORY / page).rglob("*.*")}
    assert len(files) > 15
    assert files == {
        path.relative_to(installed): path.read_bytes() for path in (installed / page).rglob("*.*")
    }


@pytest.fixture(scope="module")
def helped(installed, tmp_path_factory):
    """{command: (exit status, what --help shows)}, in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", HELP, *COMMANDS], cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    shown, files = json.loads(done.stdout)
    assert files and all(Path(file).is_relative_to(installed) for file in files)
    return shown


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_its_help(helped, command):
    status, shown = helped[command]
    assert status == 0
    assert f"wt_jax.{command}" in shown
