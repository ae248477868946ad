"""That the loop never waits: nothing is compiled twice, and it says itself where its time goes."""

import numpy as np
import pytest
from runs import compilations
from training_runs import arguments, read_history, write_root

from wt_jax import train
from wt_jax.runtime import cli
from wt_jax.runtime.config_flags import parse
from wt_jax.training.history import History
from wt_jax.training.setup import start_run


class Board:
    """Stands for TensorBoard: the number of compilations at the end of each epoch."""

    def __init__(self, events):
        self.events, self.seen, self.epochs = events, [], []

    def write(self, number, epoch):
        self.seen.append(len(self.events))
        self.epochs.append(epoch)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


def worse_each_time(run):
    """Validation for real, of which the loss is then said to grow: the learning rate falls, saves go on."""
    validate, n = run.programs.validate, 0

    def worse(params):
        nonlocal n
        n += 1
        sums = validate(params)
        return sums.replace(segmentation_loss=sums.segmentation_loss + 1000.0 * n)

    run.programs.validate = worse


def test_nothing_is_compiled_after_the_first_epoch(root, tmp_path):
    overrides = {"optimizer.plateau_patience": 1, "train.epochs": 4, "train.average": 0.5}
    run = start_run(parse(arguments(root, tmp_path / "run", **overrides)))
    worse_each_time(run)
    with compilations() as events:
        board = Board(events)
        train.fit(run, board, cli.Stop())
    assert run.progress.history.values["learning_rate"] == [5e-4, 5e-4, 2.5e-4, 1.25e-4]
    assert run.checkpoints.latest_step == 4 * 8
    assert board.seen[0] > 0
    assert events[board.seen[0] :] == []
    run.checkpoints.close()


def test_an_epoch_says_where_its_time_went(root, tmp_path, capsys):
    run = start_run(parse(arguments(root, tmp_path / "run", **{"train.epochs": 2})))
    board = Board([])
    train.fit(run, board, cli.Stop())
    run.checkpoints.close()
    line = capsys.readouterr().out.splitlines()[-1]
    for key in ("validation_seconds", "checkpoint_seconds"):
        kept = read_history(tmp_path / "run")[key]
        assert kept == run.progress.history.values[key] == [epoch[key] for epoch in board.epochs]
        assert min(kept) > 0
    last = board.epochs[-1]
    all_s = last["epoch_seconds"] + last["validation_seconds"] + last["checkpoint_seconds"]
    assert f"validation {100 * last['validation_seconds'] / all_s:.1f} %, saving" in line


def test_a_history_from_before_these_times_goes_on():
    """Epochs that did not measure them are NaN, so that all lists have a value for each epoch."""
    history = History({"loss": [1.0, 0.9]})
    assert np.isnan(history.values["checkpoint_seconds"]).tolist() == [True, True]
    history.append(dict.fromkeys(history.values, 0.5))
    history.complete(checkpoint_seconds=0.25)
    assert history.values["checkpoint_seconds"][2:] == [0.25]
    assert {len(values) for values in history.values.values()} == {3}
