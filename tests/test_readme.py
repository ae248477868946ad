"""The README's commands exist and parse; what it says of defaults is what they are."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from wt_jax import config
from wt_jax.runtime.config_flags import parse

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
COMMANDS = re.findall(
    r"^(?:.*&& )?(?:\S*/)?python (-m wt_jax\.[^#\n]*)", README.replace("\\\n", ""), re.MULTILINE
)


def test_the_first_two_blocks_do_all_the_set_up():
    first, second = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[:2]
    assert first.strip().endswith("-m wt_jax.train --config experiments/main.py")
    assert second.strip().endswith("-m pytest")
    assert all("-m venv .venv && .venv/bin/pip install" in block for block in (first, second))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "wt_jax.train" in c])
def test_train_commands_parse(command: str, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    parse(shlex.split(command)[2:])


@pytest.mark.parametrize("name", sorted({re.search(r"wt_jax\.(\w+)", c)[1] for c in COMMANDS} - {"train"}))
def test_other_commands_know_their_options(name: str):
    done = subprocess.run(
        [sys.executable, "-m", f"wt_jax.{name}", "--help"], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 0
    for command in (c for c in COMMANDS if f"wt_jax.{name}" in c):
        for option in re.findall(r"--\w+", command):
            assert option in done.stdout


def test_every_key_is_in_the_table():
    section, documented = "", set()
    for cell in re.findall(r"^\| (`.*?`) \|", README, re.MULTILINE):
        for name in re.findall(r"`([\w.]+)`", cell):
            section = name.rsplit(".", 1)[0] if "." in name else section
            documented.add(name if "." in name or name in vars(config.Config()) else f"{section}.{name}")
    assert set(config.flatten(config.Config())) <= documented


def test_files_that_it_links_to_exist():
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (REPOSITORY / link).exists(), link
