"""README.md and docs/: short, and what they say of commands, files, rooms and numbers is so."""

import ast
import importlib
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from wt_jax.cluster import flags
from wt_jax.cluster.flags import take_cluster
from wt_jax.runtime.config_flags import parse
from wt_jax.synthetic import gym
from wt_jax.synthetic.bodies import WRISTS, Body

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
RESULTS = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text()
MAP = (REPOSITORY / "docs" / "map.md").read_text()
PAGES = {
    str(page.relative_to(REPOSITORY)): page.read_text()
    for page in (REPOSITORY / "README.md", REPOSITORY / "data" / "README.md", *REPOSITORY.glob("docs/*.md"))
}
EXPERIMENTS = {path.stem: ast.get_docstring(ast.parse(path.read_text()))
               for path in sorted(REPOSITORY.glob("experiments/*.py"))
               if path.stem != "space"}  # fmt: skip


def commands_of(text: str) -> list[str]:
    """What follows `python` in lines that are commands, without their comments."""
    before = r"^(?:.*&& )?(?: {4})?(?:srun [^#\n]*?)?(?:\S*/)?"
    found = re.findall(before + r"python (-m wt_jax\.[^#\n]*)", text.replace("\\\n", ""), re.MULTILINE)
    return [command.strip() for command in found]


COMMANDS = [(page, command) for page, text in PAGES.items() for command in commands_of(text)]
TRAININGS = sorted({command for _, command in COMMANDS if command.startswith("-m wt_jax.train ")})
OTHERS = sorted({re.search(r"wt_jax\.(\w+)", command)[1] for _, command in COMMANDS} - {"train"})


def test_it_is_short():
    assert len(README.splitlines()) < 150


def test_the_first_two_blocks_do_all_the_set_up():
    first, second = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[:2]
    assert first.strip().endswith("-m wt_jax.train --config experiments/main.py")
    assert second.strip().endswith("-m pytest")
    assert all("-m venv .venv && .venv/bin/pip install" in block for block in (first, second))


def test_ci_runs_the_second_block():
    """`.ci/run` takes the first line that holds this."""
    assert next(line for line in README.splitlines() if "-m pytest" in line).endswith("-m pytest")


def test_commands_are_found():
    assert OTHERS == [
        "adapt",
        "build_dataset",
        "evaluate",
        "export",
        "label",
        "live",
        "predict",
        "train_compile",
        "tune",
    ]
    assert len(TRAININGS) >= 5


@pytest.mark.parametrize("command", TRAININGS)
def test_train_commands_parse(command: str, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(flags, "find_spec", lambda _: True)  # Ray, an extra
    parse(take_cluster(shlex.split(command)[2:])[1])


@pytest.mark.parametrize("name", OTHERS)
def test_other_commands_know_their_options(name: str, capsys):
    with pytest.raises(SystemExit) as exit_:
        importlib.import_module(f"wt_jax.{name}").main(["--help"])
    assert exit_.value.code == 0
    known = set(re.findall(r"--\w+", capsys.readouterr().out))
    for page, command in COMMANDS:
        if command.startswith(f"-m wt_jax.{name} "):
            assert set(re.findall(r"--\w+", command)) <= known, page


@pytest.mark.parametrize("page", sorted(PAGES))
def test_what_it_links_to_exists(page: str):
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        path, _, anchor = link.partition("#")
        if path.startswith("https:"):
            continue
        target = REPOSITORY / page if not path else (REPOSITORY / page).parent / path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings], link


def test_every_page_is_in_the_list_of_pages():
    listed = re.findall(r"\]\(([^)\s]+)\)", PAGES["docs/README.md"])
    there = {path.name for path in (REPOSITORY / "docs").iterdir() if path.suffix in (".md", ".ipynb")}
    assert there - {"README.md"} <= set(listed)


def test_pictures_are_there_and_small():
    pictures = sorted((REPOSITORY / "docs" / "images").iterdir())
    shown = [
        name
        for text in PAGES.values()
        for name in re.findall(r"!\[.+\]\((?:docs/)?images/(\w+\.png)\)", text)
    ]
    assert [picture.name for picture in pictures] == sorted(shown)
    assert max(picture.stat().st_size for picture in pictures) < 250_000


def test_the_movement_that_a_page_adds_is_one():
    """As that page says: hands where arms reach, from an extended position and back."""
    code = re.search(r"```python\n(def .*?)```", PAGES["docs/synthetic.md"], re.DOTALL)[1]
    assert len(code.splitlines()) <= 10
    scope = dict(vars(gym))
    exec(code, scope)
    rng = np.random.default_rng(0)
    body = Body(rng)
    movement = scope["_wood_chop"](rng, body)
    wrists = body.points(movement.poses_Px17x3)[:, 15:17]
    np.testing.assert_allclose(wrists, movement.poses_Px17x3[:, WRISTS], atol=1e-6)
    assert np.ptp(wrists, axis=0).max() > 0.3


def score_of(experiment: str) -> str:
    """The validation segmentation loss to expect, as the header of an experiment has it."""
    return re.search(
        r"^Score: validation segmentation loss (0\.\d{4})", EXPERIMENTS[experiment], re.MULTILINE
    )[1]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_says_what_to_expect(name: str):
    """Command, time and score; what was measured of it has the same score."""
    header = EXPERIMENTS[name]
    assert f"\nCommand: python -m wt_jax.train --config experiments/{name}.py" in header
    assert re.search(r"^Time: \d+ epochs, \d+ (seconds|minutes) on two CPU cores$", header, re.MULTILINE)
    assert re.search(rf"^\| {name}\.py \|.*\| {score_of(name)} ", RESULTS, re.MULTILINE)


def test_the_first_command_ends_as_its_header_says():
    epochs, minutes = re.search(
        r"^Time: (\d+) epochs, (\d+) minutes", EXPERIMENTS["main"], re.MULTILINE
    ).groups()
    served = re.search(r"epoch (\d+) is served", EXPERIMENTS["main"])[1]
    said = " ".join(README.split())
    assert f"some {minutes} minutes on two CPU cores" in said
    assert f"after epoch {epochs} an early stop" in said
    assert f"epoch {served}, with validation segmentation loss {score_of('main')}" in said


def test_its_scores_are_those_measured():
    """On synthetic people; on real ones, of main.py and of the key angle."""
    row = re.search(rf"^\| main\.py \|.*?\| {score_of('main')} \|(.*)$", RESULTS, re.MULTILINE)[1]
    right, obo = (f"{float(cell.split()[0]):.2f}" for cell in row.split("|")[:2])
    said = " ".join(README.split())
    assert f"right in {right} of the recordings, and {obo} are counted" in said
    table = PAGES["docs/experiments.md"].replace("*", "")
    cells = [re.search(rf"^\| {name} \| (\S+).*?\| (\S+) ", table, re.MULTILINE).groups() for name in
             ("OBO, end to end", "F1 of starts, 15 frames", "accuracy, recordings")]  # fmt: skip
    numbers = re.findall(r"\b0\.\d\d\b", README.split("## How good")[1])
    assert numbers == [f"{float(row[i]):.2f}" for i in (0, 1) for row in cells]


def rooms_of_the_map() -> dict[str, tuple[int, str, str]]:
    """Room -> floor, what it is for, where to begin reading."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*?) \| `(\w+\.py)`", MAP, re.MULTILINE)
    return {room: (int(floor), what, first) for floor, room, what, first in rows}


def test_the_map_has_every_room_on_its_floor():
    """The floors are the layers of the contract that hold rooms, from the lowest."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [layer.split(" | ") for layer in reversed(settings["contracts"][0]["layers"])]
    there = {path.parent.name for path in (REPOSITORY / "wt_jax").glob("*/__init__.py")}
    floors = [layer for layer in layers if set(layer) <= there]
    assert {room for layer in floors for room in layer} == there
    expected = {room: floor for floor, layer in enumerate(floors, 1) for room in layer}
    assert {room: floor for room, (floor, _, _) in rooms_of_the_map().items()} == expected


@pytest.mark.parametrize("room", sorted(rooms_of_the_map()))
def test_the_map_says_of_a_room_what_the_room_says(room: str):
    _, what, first = rooms_of_the_map()[room]
    folder = REPOSITORY / "wt_jax" / room
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert what.startswith(said.splitlines()[0])
    assert (folder / first).exists()


def test_files_that_pages_name_exist():
    names = r"`((?:wt_jax|tests|benchmarks|experiments|docs)/[\w/]+\.\w+)`"
    for page, text in PAGES.items():
        for name in re.findall(names, text):
            assert (REPOSITORY / name).exists(), f"{page}: {name}"
