"""The house: what a room may import, what it offers, and who speaks to a library of one purpose."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wt_jax

PACKAGE = Path(wt_jax.__file__).parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(path.read_text(), path) for name, path in FILES.items()}


def run(program):
    """In a process of its own: the libraries are not there yet, and standard output is nobody else's."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE.parent)


def test_a_room_imports_only_from_those_beneath_it():
    """The contract is in pyproject.toml."""
    done = run("import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_is_read_in_one_sitting(name):
    assert len(FILES[name].read_text().splitlines()) <= 300


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_what_a_room_offers_is_there(room):
    package = importlib.import_module(f"wt_jax.{room}".rstrip("."))
    assert len(package.__doc__.strip().splitlines()) <= 4  # three lines of words
    assert package.__all__
    for name in package.__all__:
        found = getattr(package, name)
        is_file = (Path(package.__file__).parent / f"{name}.py").exists()
        # Importing the file would take the name away from anything else.
        assert not is_file or found is sys.modules[f"{package.__name__}.{name}"], name
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = package.no_such_thing


def test_the_package_offers_every_room():
    assert set(ROOMS) <= set(wt_jax.__all__)


def test_a_room_is_entered_without_its_libraries():
    program = (
        f"import sys, wt_jax\nfor room in {ROOMS}: getattr(wt_jax, room)\n"
        "heavy = {'jax', 'cv2', 'mediapipe', 'matplotlib', 'numpy', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "wt_jax.pose.load_landmarks, wt_jax.pose.pose_model, wt_jax.video.VIDEO_SUFFIXES, wt_jax.Prediction\n"
        "heavy = {'jax', 'cv2', 'mediapipe', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = run(program)
    assert done.returncode == 0, done.stderr


def imported(tree):
    """The packages that a file imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def names_used(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(
    ("library", "files"),
    [
        ("mediapipe", {"pose/estimator.py"}),
        (
            "cv2",
            {f"video/{name}.py" for name in ("capture", "encoders", "reader", "window", "writer")}
            | {"visualization/drawing.py"},
        ),
        ("av", {"video/encoders.py"}),
        (
            "ray",
            {f"cluster/{name}.py" for name in ("about", "connection", "resources", "sharing", "worker_group")}
            | {"search/ray_tuner.py"},
        ),
        ("optuna", {"search/study.py", "search/report.py"}),
        ("onnx", {f"exporting/onnx_{name}.py" for name in ("file", "graph", "operators", "writer")}),
        ("onnxruntime", {"exporting/onnx_file.py", "inference/exported.py"}),
        ("ai_edge_litert", {"exporting/tflite_file.py"}),
        ("litert_converter", {"exporting/tflite_file.py"}),
    ],
)
def test_who_speaks_to_a_library_of_one_purpose(library, files):
    assert {name for name, tree in TREES.items() if library in imported(tree)} == files


def test_only_the_train_step_says_pmap():
    said = {name for name, tree in TREES.items() if {"pmap", "shard_map"} & set(names_used(tree))}
    assert said == {"training/train_step.py"}
