"""A minute of the campaign (tests/faults/campaign.py is all of it): every fault is met as promised."""

import random

import pytest
from faults.bad_inputs import bad_inputs
from faults.damage import damage
from faults.full_disk import full_disk
from faults.readers import readers
from faults.stops import train_arguments
from faults.table import Outcome, table
from training_runs import write_root

from wt_jax import train


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def unbroken(root, tmp_path_factory):
    """A whole run, whose best epoch is not its last."""
    workdir = tmp_path_factory.mktemp("unbroken") / "run"
    assert train.main(train_arguments(root, workdir)) == 0
    return workdir


def not_as_promised(outcomes):
    outcomes = list(outcomes)
    assert outcomes
    return [outcome for outcome in outcomes if not outcome.is_promised]


def test_damage_is_never_silent(unbroken):
    assert not_as_promised(damage(unbroken, seed=0, n_flips=24, n_cut=8, n_edits=24)) == []


def test_bad_inputs_are_one_line(unbroken, tmp_path):
    assert not_as_promised(bad_inputs(tmp_path / "inputs", unbroken, random.Random(0), 200)) == []


def test_readers_stop_no_run(root, tmp_path):
    assert not_as_promised(readers(root, tmp_path, minutes=0.1, epochs=60)) == []


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(root, unbroken, tmp_path):
    (*outcomes,) = full_disk(root, unbroken, tmp_path, random.Random(1), n=1)
    if "skipped" in outcomes[0].found:
        pytest.skip(outcomes[0].found)
    assert not_as_promised(outcomes) == []


def test_the_table_counts_and_names_what_was_not_as_promised():
    rows = [Outcome("kills", "at 1 s", "fine", True), Outcome("kills", "at 2 s", "hung", False)]
    assert table(rows).splitlines()[2:] == ["| kills | 2 | 1 |", "", "NOT AS PROMISED: kills: at 2 s: hung"]
