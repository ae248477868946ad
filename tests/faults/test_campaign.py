"""Half a minute of the campaign (tests/faults/campaign.py is all of it): every fault is met as promised."""

import random

import pytest
from faults.bad_inputs import bad_inputs
from faults.damage import damage
from faults.readers import readers
from faults.table import Outcome, table
from training_runs import arguments, write_root

from wt_jax import train

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def unbroken(root, tmp_path_factory):
    """A whole run; its best epoch is not its last: the learning rate spoils what it learns."""
    workdir = tmp_path_factory.mktemp("unbroken") / "run"
    assert train.main(arguments(root, workdir, **{"optimizer.learning_rate": 0.5, "train.epochs": 3})) == 0
    return workdir


def not_as_promised(outcomes):
    outcomes = list(outcomes)
    assert outcomes
    return [outcome for outcome in outcomes if not outcome.is_promised]


def test_damage_is_never_silent(unbroken):
    assert not_as_promised(damage(unbroken, seed=0, n_flips=8, n_cut=3, n_edits=8)) == []


def test_bad_inputs_are_one_line(unbroken, tmp_path):
    assert not_as_promised(bad_inputs(tmp_path / "inputs", unbroken, random.Random(0), 200)) == []


def test_readers_stop_no_run(root, tmp_path):
    assert not_as_promised(readers(root, tmp_path, minutes=0.1, epochs=30)) == []


def test_the_table_counts_and_names_what_was_not_as_promised():
    rows = [Outcome("kills", "at 1 s", "fine", True), Outcome("kills", "at 2 s", "hung", False)]
    assert table(rows).splitlines()[2:] == ["| kills | 2 | 1 |", "", "NOT AS PROMISED: kills: at 2 s: hung"]
