"""What a run is made of: labels that are moved or proposed, windows to validate on, the epoch to serve."""

import dataclasses

import jax
import numpy as np
import pytest
from training_runs import arguments, write_root

from wt_jax import train
from wt_jax.data.proposed_starts import propose_starts
from wt_jax.data.recordings import load_recording, save_recording
from wt_jax.inference.restore import restore_model
from wt_jax.runtime.config_flags import parse
from wt_jax.skeleton import ANGLE_NAMES
from wt_jax.training.checkpoint_reader import open_served
from wt_jax.training.setup import start_run

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture
def bending(make_recording):
    """bending(starts) -> squats whose knees begin to bend at frames 40, 90 and 140."""

    def make(starts):
        recording = make_recording("squats/a", 200, starts)
        knee_F = np.ones(200, np.float32)
        for frame in (40, 90, 140):
            knee_F[frame : frame + 31] = np.interp(np.arange(31), [0, 15, 30], [1.0, 0.4, 1.0])
        recording.angles_FxJ[:, [ANGLE_NAMES.index("knee_left"), ANGLE_NAMES.index("knee_right")]] = knee_F[
            :, None
        ]
        return recording

    return make


def test_unknown_starts_are_proposed_and_known_ones_kept(bending, make_recording, capsys):
    unknown, known, rest = bending(None), bending((7,)), make_recording("no-exercise/b", 60, ())
    proposed = propose_starts([unknown, known, rest])
    np.testing.assert_allclose(proposed[0].starts, [40, 90, 140], atol=6)
    assert proposed[1] is known and proposed[2] is rest and unknown.starts is None
    assert "3 repetition starts proposed by the key angle in 1 recordings" in capsys.readouterr().out


def test_a_window_split_validates_on_people_it_trains_on(tmp_path):
    """And on none of the windows: 91 of each of the 4 recordings, of which 7 begin at a multiple of 15."""
    root = write_root(tmp_path / "root")
    shown = {}
    for name, split in (("group", False), ("window", True)):
        options = parse(arguments(root, tmp_path / name, **{"data.window_split": split}))
        run = start_run(options)
        shown[name] = run.programs.validate(run.progress.state.eval_params).confusion_CxC.sum()
        run.checkpoints.close()
    assert shown == {"group": 4 * 7, "window": 4 * 7}


@pytest.mark.parametrize("window_split", [False, True])
def test_synthetic_people_are_trained_on_and_never_validated_on(tmp_path, window_split):
    """However validation is split off: its windows are those of the 4 recordings above."""
    root = write_root(tmp_path / "root")
    beside = {"data.synthetic": 0.5, "data.synthetic_people": 3, "data.window_split": window_split}
    run = start_run(parse(arguments(root, tmp_path / "run", **beside)))
    assert run.programs.validate(run.progress.state.eval_params).confusion_CxC.sum() == 4 * 7
    firsts, runs = np.concatenate([next(run.data.batches) for _ in "123"]), run.data.windows
    made = runs.made_R[np.searchsorted(runs.firsts_R, firsts, side="right") - 1]
    assert abs(made.mean() - 0.5) < 2 / made.size
    run.checkpoints.close()


def test_the_last_epoch_is_served_where_the_config_says_so(tmp_path, capsys):
    """With a learning rate that spoils what it learns: the best epoch is an early one, and no stop comes."""
    root = write_root(tmp_path / "root")
    served = {}
    for select in ("best", "last"):
        overrides = {
            "train.select": select, "train.epochs": 6, "train.patience": 2, "optimizer.learning_rate": 0.5,
            "train.average": 0.5,
        }  # fmt: skip
        train.main(arguments(root, tmp_path / select, **overrides))
        checkpoints, step = open_served(tmp_path / select)
        assert step == (checkpoints.best_step if select == "best" else 6 * 8)
        served[select] = step
    assert served["best"] < served["last"]
    said = capsys.readouterr().out
    assert "\ndone after 6 epochs: serving the last, epoch 6; validation segmentation loss" in said
    average = restore_model(tmp_path / "last", jax.devices()[:1])
    assert average.step == 48 and average.chosen is None  # two recordings are too few to choose by
    for select in ("best", "last"):  # whichever checkpoint is served: the newest one tells
        assert restore_model(tmp_path / select, jax.devices()[:1]).remark == (
            "no thresholds were chosen, the defaults are used: fewer than 5 of its validation recordings "
            "hold repetitions: label more with python -m wt_jax.label, and train again"
        )


def test_rest_alone_is_nothing_to_validate_on_where_it_does_not_count(tmp_path):
    """A data set whose validation knows repetitions of no-exercise only: an error before the first step."""
    root = write_root(tmp_path / "root")
    for path in (root / "recordings" / "push-ups").glob("val*"):
        save_recording(path, dataclasses.replace(load_recording(path), starts=None))
    start_run(parse(arguments(root, tmp_path / "counts"))).checkpoints.close()
    with pytest.raises(
        ValueError, match=r"no validation recording has known repetitions.*data/README\.md\)$"
    ):
        start_run(parse(arguments(root, tmp_path / "run", **{"labels.rest": False})))
