import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wt_jax

FLOORS = {
    0: "options config skeleton commands files hosts",
    1: "angles labels landmarks recordings motions key_angle video workers memory repetitions peers",
    2: "calibration neighbours figures windows splits synthetic pose screen marks inputs augment losses "
    "metrics optimizer prediction sources feed layers",
    3: "pipeline dataset model history judged extraction session annotation",
    4: "steps checkpoint corpus summary columns baselines tables results",
    5: "validation timeline sections report trained",
    6: "scores run build_dataset predictor",
    7: "train evaluate label predict stream",
    8: "live",
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}
SAME_FLOOR = {
    ("repetitions", "key_angle"),
    ("options", "skeleton"),
    ("config", "skeleton"),
    ("config", "options"),
    ("commands", "files"),
}
FILES = {path.stem: path for path in Path(wt_jax.__file__).parent.glob("*.py")}
TREES = {name: ast.parse(path.read_text(), path) for name, path in FILES.items()}


def imported(tree):
    """Dotted names of all that a file imports, inside functions too: `wt_jax.config`, `cv2`, ..."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(filter(None, ["wt_jax" if node.level else "", node.module or ""]))
            yield package
            yield from (f"{package}.{alias.name}" for alias in node.names)


def own_imports(tree):
    """The files of wt_jax that a file imports."""
    parts = [name.split(".") for name in imported(tree)]
    return {part[1] for part in parts if part[0] == "wt_jax" and len(part) > 1 and part[1] in FILES}


def test_imports_are_seen_in_all_their_forms():
    text = (
        "import os\nimport wt_jax.model as m\nfrom wt_jax import config, labels\n"
        "def f():\n    from .steps import x\n    from . import train\n    from wt_jax.pose import y\n"
    )
    assert own_imports(ast.parse(text)) == {"model", "config", "labels", "steps", "train", "pose"}


def test_every_file_is_on_a_floor():
    assert set(FLOOR_OF) == set(FILES) - {"__init__"}


@pytest.mark.parametrize("name", sorted(FLOOR_OF))
def test_a_file_imports_only_from_lower_floors(name):
    wrong = [
        f"{name} (floor {FLOOR_OF[name]}) imports {other} (floor {FLOOR_OF[other]})"
        for other in sorted(own_imports(TREES[name]) - {"__init__"})
        if FLOOR_OF[other] >= FLOOR_OF[name] and (name, other) not in SAME_FLOOR
    ]
    assert not wrong


def test_package_file_imports_its_python_doors_only_when_they_are_asked_for():
    at_once = [node for node in TREES["__init__"].body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not own_imports(ast.Module(at_once, []))
    assert own_imports(TREES["__init__"]) == {"prediction", "predictor"}
    program = "import sys, wt_jax; assert not {'jax', 'cv2'} & set(sys.modules); print(wt_jax.Predictor)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_is_read_in_one_sitting(name):
    assert len(FILES[name].read_text().splitlines()) <= 300


def names_used(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


def test_only_steps_says_pmap():
    said = {name for name, tree in TREES.items() if {"pmap", "shard_map"} & set(names_used(tree))}
    assert said == {"steps"}


@pytest.mark.parametrize(
    ("library", "files"), [("mediapipe", {"pose"}), ("cv2", {"video", "screen"}), ("ray", {"workers"})]
)
def test_who_imports_a_library_of_one_purpose(library, files):
    said = {name for name, tree in TREES.items() if library in {n.split(".")[0] for n in imported(tree)}}
    assert said == files & set(FILES)
