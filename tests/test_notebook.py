"""docs/quickstart.ipynb runs from its first cell to its last, and is in the repository with what it shows."""

import copy
import runpy

import nbformat
import pytest
from training_runs import REPOSITORY

SCRIPT = REPOSITORY / "docs" / "write_quickstart.py"
NOTEBOOK = REPOSITORY / "docs" / "quickstart.ipynb"


def outputs(notebook):
    """Of each cell that shows something: its outputs, by kind."""
    return {
        cell.id: {
            kind: value
            for output in cell.outputs
            for kind, value in (output.data if "data" in output else {output.name: output.text}).items()
        }
        for cell in notebook.cells
        if cell.get("outputs")
    }


@pytest.fixture(scope="module")
def written():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def fresh(written):
    """Run from its first cell to its last; a smaller model, for two short epochs."""
    notebook = copy.deepcopy(written)
    (cell,) = (cell for cell in notebook.cells if cell.id == "train")
    for longer, shorter in (
        ("filters = 32", "filters = 8"),
        ("blocks = 4", "blocks = 1\nconfig.data.synthetic_people = 15"),
        ("epochs = 10", "epochs = 2"),
        ("windows_per_epoch = 4096", "windows_per_epoch = 256"),
    ):
        assert longer in cell.source
        cell.source = cell.source.replace(longer, shorter)
    return runpy.run_path(str(SCRIPT))["execute"](notebook)


def test_it_runs(fresh):
    """An error in a cell would have ended it."""
    shown = outputs(fresh)
    assert shown["train"]["text/plain"].startswith("<TrainingResult: epoch ")
    assert "data: synthetic" in shown["train"]["stdout"]
    assert shown["evaluate"]["text/plain"].startswith("<Evaluation: 15 recordings of split test")
    assert shown["predict"]["text/plain"].startswith("<Prediction: ")
    assert {"curves", "timeline"} == {name for name, of_cell in shown.items() if "image/png" in of_cell}


def test_it_shows_what_it_says_in_the_repository(written, fresh):
    """The same kinds of output; numbers differ from machine to machine."""
    assert {name: set(of_cell) for name, of_cell in outputs(written).items()} == {
        name: set(of_cell) for name, of_cell in outputs(fresh).items()
    }
    assert not any("stderr" in of_cell for of_cell in outputs(written).values())


def test_it_is_small_and_says_nothing_of_a_machine(written):
    assert NOTEBOOK.stat().st_size < 300_000
    assert set(written.metadata) == {"kernelspec", "language_info"}
    assert written.metadata.kernelspec.name == "python3"
    counts = [cell.execution_count for cell in written.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))  # in order, all of them
