"""The command as users run it: resuming, stopping, refusing, and what it leaves on disk."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from training_runs import REPOSITORY, arguments, assert_same_run, best_and_history, read_history, write_root

from wt_jax import evaluate, train
from wt_jax.data.recordings import load_recording, save_recording
from wt_jax.runtime import cli
from wt_jax.runtime.config_flags import parse
from wt_jax.training.checkpoint_reader import CheckpointReader, open_served
from wt_jax.training.history import KEYS
from wt_jax.training.metrics import Sums
from wt_jax.training.setup import start_run

# All of users' programs, bit for bit; runs of one config share them, and its processes what was compiled.
pytestmark = [pytest.mark.optimized, pytest.mark.usefixtures("share_programs")]

# Trains, and is killed in that call of a method, while the loop goes on.
KILLED_IN = """
import importlib, os, signal, sys, time
from wt_jax import train
module, owner, name, call, *argv = sys.argv[1:]
owner = getattr(importlib.import_module(module), owner)
method, calls = getattr(owner, name), iter(range(int(call) - 1, -1, -1))
def killed(*args):
    if next(calls) == 0:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
    return method(*args)
setattr(owner, name, killed)
train.main(argv)
"""


def start_process(argv: list[str], **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "wt_jax.train", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY,
        env={**os.environ, **environment},
    )  # fmt: skip


def wait_for(process: subprocess.Popen, text: str) -> str:
    """Reads the output up to the first line that holds `text`."""
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came:\n{seen}")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def whole_run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs without a break."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    assert train.main(arguments(root, workdir)) == 0
    return workdir


def test_what_a_run_leaves(whole_run: Path, root: Path):
    history = read_history(whole_run)
    np.testing.assert_equal(history, np.load(whole_run / "training_history.npy", allow_pickle=True).item())
    assert set(history) == set(KEYS)
    assert all(len(values) == 4 for values in history.values())
    assert (whole_run / "training_curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((whole_run / "tensorboard").glob("events*"))
    checkpoints, best = open_served(whole_run)
    losses = history["val_segmentation_loss"]
    assert best == (int(np.argmin(losses)) + 1) * 8  # 64 windows in batches of 8
    meta = checkpoints.meta(best)
    assert meta["data"] == str(root)
    assert meta["split"]["push-ups/val0"] == "val"
    assert len(meta["angles"]) == 25
    assert meta["frame_rate_hz"] == 30.0


def test_two_epochs_and_two_more_equal_four(whole_run: Path, root: Path, tmp_path: Path, capsys):
    assert train.main(arguments(root, tmp_path / "run", **{"train.epochs": 2})) == 0
    assert train.main(arguments(root, tmp_path / "run")) == 0
    assert "resumed" in capsys.readouterr().out
    assert_same_run(whole_run, tmp_path / "run")


@pytest.mark.parametrize(
    ("owner", "name", "call", "steps"),
    [
        ("orbax.checkpoint StandardCheckpointHandler", "finalize", 2, [8]),  # the second is half there
        ("wt_jax.training.step_folder StepFolder", "write_digest", 2, [8, 16]),  # there, and unchecked
        ("wt_jax.training.step_folder StepFolder", "delete", 1, [8, 16]),  # there, with the first still
    ],
)
def test_kill_9_while_a_checkpoint_is_written_and_the_same_command_again(
    whole_run: Path, root: Path, tmp_path: Path, owner: str, name: str, call: int, steps: list[int]
):
    argv = arguments(root, tmp_path / "run")
    command = [sys.executable, "-c", KILLED_IN, *owner.split(), name, str(call), *argv]
    killed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert CheckpointReader(tmp_path / "run").steps() == steps
    assert train.main(argv) == 0
    assert_same_run(whole_run, tmp_path / "run")


def test_a_damaged_latest_is_got_over(root: Path, tmp_path: Path, capsys):
    """And comes to what it would have come to; also where no digest tells of the damage."""
    spoilt = {"optimizer.learning_rate": 0.5, "train.epochs": 3}  # the best epoch is the second
    assert train.main(arguments(root, tmp_path / "whole", **spoilt)) == 0
    for has_digest in (True, False):
        workdir = Path(shutil.copytree(tmp_path / "whole", tmp_path / str(has_digest)))
        argv = arguments(root, workdir, **spoilt)
        latest = workdir / "checkpoints" / str(CheckpointReader(workdir).latest_step)
        for path in (latest / "state").rglob("*"):
            if path.is_file() and path.stat().st_size > 1000:
                path.write_bytes(path.read_bytes()[:100])
        if not has_digest:
            (latest / "digest.json").unlink()
        capsys.readouterr()
        with pytest.raises(ValueError, match=r"strict_resume=False goes on from step \d+"):
            train.main([*argv, "--config.strict_resume=True"])
        assert latest.is_dir()
        assert train.main(argv) == 0
        assert f"step {latest.name} is skipped, and moved to" in capsys.readouterr().out
        assert_same_run(tmp_path / "whole", workdir)


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_in_the_middle_of_an_epoch(
    root: Path, tmp_path: Path, sent: signal.Signals, status: int
):
    long_epoch = {"train.windows_per_epoch": 1_000_000, "train.epochs": 1}
    argv = arguments(root, tmp_path / "run", **long_epoch)
    process = start_process(argv, WT_JAX_LOG="debug")
    wait_for(process, "losses")
    process.send_signal(sent)
    output = process.stdout.read()
    assert process.wait() == status
    assert f"{sent.name}: saved step" in output
    checkpoints = CheckpointReader(tmp_path / "run")
    assert 0 < checkpoints.latest_step < 125_000
    assert checkpoints.best_step is None  # nothing was validated yet


@pytest.mark.parametrize("n_dispatches", [3, 4, 5])  # within an epoch, at its end, after it
def test_a_stop_anywhere_changes_nothing(whole_run: Path, root: Path, tmp_path: Path, n_dispatches: int):
    """An epoch is 4 dispatches: stopped within one, at its last dispatch, and at the second of the next."""
    run, stop = start_run(parse(arguments(root, tmp_path / "run"))), cli.Stop()
    dispatch, n_done = run.programs.dispatch, 0

    def then_stop(*args):
        nonlocal n_done
        n_done += 1
        if n_done == n_dispatches:
            stop.caught = signal.SIGTERM
        return dispatch(*args)

    run.programs.dispatch = then_stop
    train.fit(run, train.TensorBoard(tmp_path / "board", 1, ""), stop)
    assert run.progress.step == 2 * n_dispatches
    assert len(run.progress.history) == n_dispatches // 4
    run.checkpoints.close()
    assert train.main(arguments(root, tmp_path / "run")) == 0
    assert_same_run(whole_run, tmp_path / "run")


def test_a_long_epoch_is_saved_inside(whole_run: Path, root: Path, tmp_path: Path):
    """Each time so much has passed, and a run that dies is taken up there; the epoch before stays served."""
    argv = arguments(root, tmp_path / "run", **{"train.save_minutes": 1e-9})
    run = start_run(parse(argv))
    dispatch, n_done = run.programs.dispatch, 0

    def then_die(*args):
        nonlocal n_done
        n_done += 1
        if n_done == 8:
            raise RuntimeError("lost")
        return dispatch(*args)

    run.programs.dispatch = then_die
    with pytest.raises(RuntimeError, match="lost"):
        train.fit(run, None, cli.Stop())
    run.checkpoints.close()
    checkpoints = CheckpointReader(tmp_path / "run")
    assert checkpoints.steps() == [8, 14]  # four dispatches of two steps are an epoch
    assert checkpoints.served_step == 8
    assert train.main(argv) == 0
    assert_same_run(whole_run, tmp_path / "run")


def test_nothing_is_saved_inside_that_came_of_a_loss_which_is_not_finite(root: Path, tmp_path: Path):
    run = start_run(parse(arguments(root, tmp_path / "run", **{"train.save_minutes": 1e-9})))
    dispatch = run.programs.dispatch

    def spoil(*args):
        state, losses_K = dispatch(*args)
        return state, losses_K * np.nan

    run.programs.dispatch = spoil
    with pytest.raises(train.NonFiniteLossError):
        train.fit(run, None, cli.Stop())
    run.checkpoints.close()
    assert CheckpointReader(tmp_path / "run").steps() == []


def test_another_config_is_refused(whole_run: Path, root: Path, tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"overwrite=True.*differs in labels.width_frames \(was 4.0, is 5.0\)$"
    ):
        train.main(arguments(root, whole_run, **{"labels.width_frames": 5}))
    more_people = write_root(tmp_path / "more", n_people=3)
    with pytest.raises(ValueError, match="recordings added, removed, changed"):
        train.main(arguments(more_people, whole_run))
    assert CheckpointReader(whole_run).latest_step == 32  # nothing was lost


def test_overwrite_starts_over(root: Path, tmp_path: Path, capsys):
    short = {"train.epochs": 1, "train.windows_per_epoch": 16}
    train.main(arguments(root, tmp_path / "run", **short))
    (tmp_path / "run" / "mine.txt").write_text("kept")
    train.main(arguments(root, tmp_path / "run", **short, **{"train.patience": 7}, overwrite=True))
    assert "resumed" not in capsys.readouterr().out
    assert (tmp_path / "run" / "mine.txt").exists()


def test_overwrite_deletes_nothing_when_the_data_is_bad(whole_run: Path):
    with pytest.raises(ValueError, match="no such folder"):
        train.main(arguments(Path("/nowhere"), whole_run, overwrite=True))
    assert CheckpointReader(whole_run).latest_step == 32


def test_two_runs_in_one_folder_are_refused(root: Path, tmp_path: Path):
    argv = arguments(root, tmp_path / "run", **{"train.epochs": 1, "train.windows_per_epoch": 10_000_000})
    first = start_process(argv)
    wait_for(first, "training windows")
    with pytest.raises(ValueError, match="another run is writing to it"):
        train.main(argv)
    first.kill()
    first.wait()


def test_a_workdir_that_is_a_file(root: Path, tmp_path: Path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError, match=r"run: cannot be written .*set --config.workdir"):
        train.main(arguments(root, tmp_path / "run"))
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("wrong", ["", "landmark/squats"])
def test_a_root_without_data_is_never_trained_on_synthetic(tmp_path: Path, wrong: str):
    (tmp_path / "root" / wrong).mkdir(parents=True)
    with pytest.raises(
        ValueError, match=f"it holds {wrong.split('/')[0] or 'nothing'}; expected videos as raw"
    ):
        train.main(arguments(tmp_path / "root", tmp_path / "run"))


def test_videos_alone_are_extracted_first(tmp_path: Path):
    video = tmp_path / "root" / "raw" / "squats" / "a.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no landmarks of them yet: python -m wt_jax.build_dataset --data "):
        train.main(arguments(tmp_path / "root", tmp_path / "run"))


def test_a_validation_split_without_labels(tmp_path: Path, capsys):
    root = write_root(tmp_path / "root")
    for path in (root / "recordings" / "push-ups").glob("val*.npz"):
        save_recording(path, dataclasses.replace(load_recording(path), starts=None))
    short = {"train.epochs": 1, "train.windows_per_epoch": 16}
    train.main(arguments(root, tmp_path / "run", **short))
    assert "validation holds no repetition start" in capsys.readouterr().out
    for path in (root / "recordings" / "no-exercise").glob("val*.npz"):
        path.unlink()
    with pytest.raises(ValueError, match="no validation recording has known repetitions"):
        train.main(arguments(root, tmp_path / "other", **short))


def test_a_checkpoint_that_cannot_be_written(root: Path, tmp_path: Path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.save", full)
    with pytest.raises(ValueError, match=r"checkpoint of step 8 could not be written.*none was saved before"):
        train.main(arguments(root, tmp_path / "run"))


def test_a_finished_run_says_so(whole_run: Path, root: Path, capsys):
    assert train.main(arguments(root, whole_run)) == 0
    assert "\ndone after 4 epochs: serving the best, epoch " in capsys.readouterr().out


def test_early_stop(root: Path, tmp_path: Path, monkeypatch, capsys):
    losses = iter([0.5, 0.4, 0.6, 0.45, 0.5])

    def make_scripted(*_):
        frames = np.zeros((2, 1024), np.int64)
        frames[0, 0] = 10
        zeros = Sums.zeros(2).replace(histogram_2xN=frames)
        return lambda params: zeros.replace(segmentation_loss=10 * next(losses))

    monkeypatch.setattr("wt_jax.training.setup.make_evaluation", make_scripted)
    train.main(arguments(root, tmp_path / "run", **{"train.patience": 3, "train.epochs": 50}))
    said = capsys.readouterr().out
    assert "early stop after epoch 5: serving the best, epoch 2; validation segmentation loss 0.4000;" in said
    assert "warning: 2 validation recordings with repetitions, 5 are needed to choose thresholds by: " in said
    assert len(read_history(tmp_path / "run")["loss"]) == 5


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good(root: Path, tmp_path: Path):
    workdir = tmp_path / "run"
    train.main(arguments(root, workdir, **{"train.epochs": 1}))
    options = parse(arguments(root, workdir))
    run = start_run(options)
    poisoned = jax.tree.map(lambda x: x * np.float32("nan"), run.progress.state.params)
    run.progress.state = run.progress.state.replace(params=poisoned)
    with pytest.raises(train.NonFiniteLossError, match=r"loss is nan at step 8 \(epoch 2\).*step 8, is kept"):
        train.fit(run, None, cli.Stop())
    run.checkpoints.close()
    params, _ = best_and_history(workdir)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_a_loss_that_is_not_finite_is_said_where_the_save_before_failed(
    root: Path, tmp_path: Path, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.save", full)
    run = start_run(parse(arguments(root, tmp_path / "run")))
    run.save()
    poisoned = jax.tree.map(lambda x: x * np.float32("nan"), run.progress.state.params)
    run.progress.state = run.progress.state.replace(params=poisoned)
    words = r"loss is nan at step 0 \(epoch 1\)\. And .*step 0 could not be written: No space .*\. Try a "
    with pytest.raises(train.NonFiniteLossError, match=words), run.checkpoints:
        train.fit(run, None, cli.Stop())


def test_out_of_memory_says_what_to_change(root: Path, tmp_path: Path, monkeypatch):
    def exhausted(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes")

    monkeypatch.setattr("wt_jax.training.setup.make_train_dispatch", lambda *_, **__: exhausted)
    with pytest.raises(ValueError, match=r"out of memory .*train.batch_size=8.*train.accumulate=2"):
        train.main(arguments(root, tmp_path / "run"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.root": "/nowhere"}, "data root /nowhere: no such folder"),
        ({"train.batch_size": 0}, "train.batch_size=0: must be at least 1"),
        ({"train.batchsize": 3}, "did you mean train.batch_size?"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    root: Path, tmp_path: Path, overrides: dict, message: str, monkeypatch, capsys
):
    monkeypatch.setattr("sys.argv", ["train", *arguments(root, tmp_path / "run", **overrides)])
    with pytest.raises(SystemExit) as exit_:
        cli.run(train.main)
    assert exit_.value.code == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1 and output.out == ""
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_classes_that_cannot_be_learned_are_named(root: Path, tmp_path: Path, capsys):
    unlabelled = write_root(tmp_path / "root")
    for path in (unlabelled / "recordings" / "push-ups").glob("train*.npz"):
        recording = load_recording(path)
        name = f"squats/{path.stem}"
        save_recording(
            unlabelled / "recordings" / f"{name}.npz",
            dataclasses.replace(
                recording, name=name, class_name="squats", starts=None, angles_FxJ=1 - recording.angles_FxJ
            ),
        )
    classes = "('push-ups', 'squats', 'lunges', 'no-exercise')"
    start_run(parse(arguments(unlabelled, tmp_path / "run", **{"data.classes": classes}))).checkpoints.close()
    out = capsys.readouterr().out
    assert "no repetition start of class squats in training" in out
    assert "no training window of class lunges" in out


def test_a_corpus_without_any_repetition_is_refused(tmp_path: Path):
    root = write_root(tmp_path / "root")
    for path in (root / "recordings" / "push-ups").glob("*.npz"):
        save_recording(path, dataclasses.replace(load_recording(path), starts=None))
    with pytest.raises(ValueError, match=r"no training window holds a repetition start.*add label files"):
        train.main(arguments(root, tmp_path / "run"))


def test_evaluate_gives_the_last_validation(whole_run: Path):
    values = evaluate.evaluate_here(whole_run, "val").report
    history = read_history(whole_run)
    best = int(np.argmin(history["val_segmentation_loss"]))
    for name in ("loss", "recall", "auc"):
        value = history[f"val_segmentation_{name}"][best]
        assert values["segmentation"][name] == pytest.approx(value, rel=1e-5), name
    assert values["exercise"]["accuracy_window"] == history["val_classification_accuracy"][best]
    assert values["recordings"] == 4
