"""What is kept, what comes back, and what is refused."""

import errno
import json
import math
import shutil
import threading
from pathlib import Path

import grain
import jax
import numpy as np
import pytest
from runs import ABOUT

from wt_jax import config
from wt_jax.inference.restore import restore_model
from wt_jax.training.checkpoint_meta import check_resumable, make_meta
from wt_jax.training.checkpoint_reader import CheckpointReader, open_served
from wt_jax.training.checkpoint_writer import CheckpointWriter
from wt_jax.training.checkpoints import Checkpoints, delete_run
from wt_jax.training.step_folder import StepFolder
from wt_jax.training.train_step import init_state, state_template

DEVICES = jax.devices()[:1]


def counter() -> grain.DatasetIterator:
    return iter(grain.MapDataset.range(100).to_iter_dataset())


@pytest.fixture(scope="module")
def state(tiny_config):
    return init_state(tiny_config, DEVICES)


def save(checkpoints, options, state, step, loss, batches=None, **meta):
    state = state.replace(step=state.step + np.int32(step))
    checkpoints.save(state, batches or counter(), make_meta(options, **ABOUT | meta), loss)
    checkpoints.wait()


def test_the_best_and_the_latest_are_kept(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    for step, loss in enumerate([0.5, 0.3, 0.4, 0.6, 0.45], 1):
        save(checkpoints, tiny_config, state, step, loss)
    assert (checkpoints.best_step, checkpoints.latest_step) == (2, 5)
    save(checkpoints, tiny_config, state, 6, None)  # in the middle of an epoch
    assert (checkpoints.best_step, checkpoints.latest_step) == (2, 6)
    assert checkpoints.steps() == [2, 5, 6]  # and the last epoch's, which `train.select=last` serves
    save(checkpoints, tiny_config, state, 7, 0.2)
    assert checkpoints.steps() == [7]
    checkpoints.close()
    again = Checkpoints(tmp_path)
    assert (again.best_step, again.latest_step) == (7, 7)
    again.close()


def test_state_iterator_and_meta_come_back(tmp_path, tiny_config, state):
    checkpoints, batches = Checkpoints(tmp_path), counter()
    drawn = [next(batches) for _ in range(3)]
    assert drawn == [0, 1, 2]
    monitor = {"learning_rate": 0.1, "best": math.inf}
    save(checkpoints, tiny_config, state, 6, 1 / 3, batches, monitor=monitor)
    other = counter()
    restored, is_checked = checkpoints.restore(6, state_template(tiny_config, DEVICES), other)
    assert next(other) == 3
    assert int(restored.step) == 6 and is_checked
    jax.tree.map(np.testing.assert_array_equal, restored.params, state.params)
    meta = checkpoints.meta(6)
    assert meta["monitor"] == monitor
    assert config.unflatten(meta["config"]) == tiny_config
    checkpoints.close()


def test_what_is_saved_is_of_that_moment_whatever_the_run_does_next(
    tmp_path, tiny_config, state, monkeypatch
):
    """The step that comes next takes the state's memory, draws a batch and adds to the history."""
    checkpoints, batches, begin = Checkpoints(tmp_path), counter(), threading.Event()
    write = CheckpointWriter.write
    monkeypatch.setattr(CheckpointWriter, "write", lambda *args: begin.wait(60) and write(*args))
    next_step = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
    training, history = jax.tree.map(lambda x: x + 1, state), {"loss": [1.0]}
    checkpoints.save(training, batches, make_meta(tiny_config, **ABOUT | {"history": history}), 0.5)
    for _ in range(3):
        training = next_step(training)
    next(batches), history["loss"].append(0.5), begin.set()
    assert checkpoints.steps() == [1]
    saved = checkpoints.restore(1, state_template(tiny_config, DEVICES)).state
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y + 1), saved, state)
    assert StepFolder(tmp_path / "checkpoints" / "1").position() == {"next_index": 0}
    assert checkpoints.meta(1)["history"] == {"loss": [1.0]}
    checkpoints.close()


@pytest.mark.parametrize("asked", ["wait", "steps", "close", "save"])
def test_a_write_that_failed_is_said_at_the_next_opportunity_and_once(
    tmp_path, tiny_config, state, monkeypatch, asked
):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.save", full)
    again = state.replace(step=state.step + np.int32(6)), counter(), make_meta(tiny_config, **ABOUT)
    checkpoints.save(*again)
    with pytest.raises(ValueError, match=r"step 6 could not be written: No space .*before, step 4, is whole"):
        getattr(checkpoints, asked)(*again if asked == "save" else ())
    checkpoints.close()
    assert checkpoints.steps() == [4]


def test_what_ended_a_run_is_not_hidden_by_a_write_that_failed(
    tmp_path, tiny_config, state, monkeypatch, capsys
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.save", full)
    with pytest.raises(ZeroDivisionError), Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, counter(), make_meta(tiny_config, **ABOUT))
        raise ZeroDivisionError
    said = f"warning: {tmp_path}/checkpoints: the checkpoint of step 0 could not be written: No space "
    assert capsys.readouterr().out.startswith(said)
    with pytest.raises(ValueError, match="step 0 could not be written"), Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, counter(), make_meta(tiny_config, **ABOUT))


def test_the_same_step_is_not_saved_twice(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    save(checkpoints, tiny_config, state, 4, None)
    assert checkpoints.best_step == 4
    checkpoints.close()


def test_a_loss_that_is_not_finite_is_never_saved(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(AssertionError):
        save(checkpoints, tiny_config, state, 4, math.nan)
    assert checkpoints.latest_step is None
    checkpoints.close()


def test_a_checkpoint_of_another_model_is_refused(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    other = config.unflatten(config.flatten(tiny_config) | {"model.filters": 16})
    with pytest.raises(ValueError, match=r"checkpoints/4: not a checkpoint of this model"):
        checkpoints.restore(4, state_template(other, DEVICES))
    checkpoints.close()


def test_a_damaged_latest_is_moved_aside_and_the_one_before_taken_up(tmp_path, tiny_config, state, capsys):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    save(checkpoints, tiny_config, state, 6, None)
    checkpoints.close()
    damaged = tmp_path / "checkpoints" / "6" / "state" / "_METADATA"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"_METADATA: not as .*strict_resume=False goes on from step 4"):
        Checkpoints(tmp_path, strict=True)
    capsys.readouterr()
    again = Checkpoints(tmp_path)
    assert (again.latest_step, again.best_step) == (4, 4)
    where = tmp_path / "checkpoints" / "damaged" / "6"
    said = capsys.readouterr().out
    assert said == (
        f"warning: {damaged}: not as it was written (SHA-256 differs): the checkpoint of step 6 is skipped, "
        f"and moved to {where}\n"
    )
    assert (where / "state").is_dir()
    save(again, tiny_config, state, 6, None)
    again.close()
    damaged.unlink()
    again = Checkpoints(tmp_path)
    assert (tmp_path / "checkpoints" / "damaged" / "6-2").is_dir() and again.latest_step == 4
    again.close()


def test_where_nothing_whole_is_left_nothing_is_moved(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    checkpoints.close()
    (tmp_path / "checkpoints" / "4" / "meta" / "metadata").write_text("{}")
    with pytest.raises(ValueError, match=r"4/meta/metadata: not .*no whole checkpoint .*overwrite=True"):
        Checkpoints(tmp_path)
    assert (tmp_path / "checkpoints" / "4").is_dir()


def test_reading_changes_nothing_that_the_run_is_writing(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    being_written = tmp_path / "checkpoints" / "9999.orbax-checkpoint-tmp"
    being_written.mkdir()
    (tmp_path / "checkpoints" / "deleted" / "2").mkdir(parents=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    reader, step = open_served(tmp_path)
    assert reader.steps() == [4] and reader.check(step)
    reader.meta(step), reader.counting(step), reader.restore(step, state_template(tiny_config, DEVICES))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    checkpoints.close()
    again = Checkpoints(tmp_path)
    save(again, tiny_config, state, 6, None)  # the run itself cleans up
    again.close()
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"4", "6"}


def test_a_step_that_is_deleted_goes_in_one_move(tmp_path, tiny_config, state, monkeypatch):
    """So that no reader, and no resume after a kill, finds a half of it."""
    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr("shutil.rmtree", lambda path, **_: None)
    for step, loss in ((2, 0.5), (4, 0.4)):
        save(checkpoints, tiny_config, state, step, loss)
    assert checkpoints.steps() == [4]
    assert StepFolder(tmp_path / "checkpoints" / "deleted" / "2").check()
    checkpoints.close()


def test_a_best_whose_loss_is_lost_is_passed_over_with_a_word(tmp_path, tiny_config, state, capsys):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3)
    save(checkpoints, tiny_config, state, 6, 0.5)
    checkpoints.close()
    best = tmp_path / "checkpoints" / "4"
    (best / "metrics" / "metrics").unlink()
    reader, step = open_served(tmp_path)
    assert step == 4  # the digest knows
    with pytest.raises(ValueError, match=r"4/metrics/metrics: missing"):
        reader.check(step)
    (best / "digest.json").unlink()  # as an older version would have left it
    assert open_served(tmp_path)[1] == 6
    assert "4/metrics/metrics: cannot be read (No such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["digest.json", "metrics/metrics"])
def test_a_best_that_becomes_unreadable_while_the_run_goes_on_is_moved_aside(
    tmp_path, tiny_config, state, capsys, name
):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3)
    save(checkpoints, tiny_config, state, 6, 0.5)
    if name != "digest.json":
        (tmp_path / "checkpoints" / "4" / "digest.json").unlink()
    (tmp_path / "checkpoints" / "4" / name).write_text("{")
    save(checkpoints, tiny_config, state, 8, 0.4)
    assert checkpoints.steps() == [8]
    where = tmp_path / "checkpoints" / "damaged" / "4"
    assert (where / "state").is_dir()
    said = capsys.readouterr().out
    assert f"4/{name}: " in said and f"the checkpoint of step 4 is skipped, and moved to {where}" in said
    checkpoints.close()


def test_serving_looks_at_each_files_bytes_once(tmp_path, tiny_config, state, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3)
    save(checkpoints, tiny_config, state, 6, 0.5)
    checkpoints.close()
    checked, check = [], StepFolder.check
    monkeypatch.setattr(StepFolder, "check", lambda folder: checked.append(folder.step) or check(folder))
    assert restore_model(tmp_path, DEVICES).step == 4
    assert checked == [6, 4]


def test_a_checkpoint_whose_digest_cannot_be_written_is_none(tmp_path, tiny_config, state, monkeypatch):
    """And the one before is still there, as is said."""
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StepFolder, "write_digest", full)
    with pytest.raises(ValueError, match=r"step 6 could not be written: No space .*before, step 4, is whole"):
        save(checkpoints, tiny_config, state, 6, 0.4)
    checkpoints.close()
    assert CheckpointReader(tmp_path).steps() == [4] and CheckpointReader(tmp_path).check(4)


def test_where_all_are_damaged_that_is_said(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    checkpoints.close()
    (tmp_path / "checkpoints" / "4" / "digest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"4/digest\.json: not as it was written"):
        open_served(tmp_path)


def test_a_best_that_is_gone_is_missed(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3, history={"loss": [1], "val_segmentation_loss": [0.3]})
    history = {"loss": [1, 1], "val_segmentation_loss": [0.3, 0.5]}
    save(checkpoints, tiny_config, state, 6, 0.5, history=history)
    checkpoints.close()
    reader = CheckpointReader(tmp_path)
    assert reader.lost_best(4) is None and reader.lost_best(6) == 0.3
    shutil.rmtree(tmp_path / "checkpoints" / "4")
    assert open_served(tmp_path)[1] == 6
    model = restore_model(tmp_path, DEVICES)
    assert "the best epoch (validation segmentation loss 0.3000) is damaged or gone: step 6" in model.remark


def test_without_a_digest_that_is_said(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3)
    checkpoints.close()
    (tmp_path / "checkpoints" / "4" / "digest.json").unlink()
    assert "step 4 holds no digest" in restore_model(tmp_path, DEVICES).remark


@pytest.mark.parametrize("meta", ["{}", '{"version": 99}', '{"version": "a"}', "[]"])
def test_the_words_of_a_damaged_latest_do_not_stop_a_whole_best(tmp_path, tiny_config, state, meta):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3)
    save(checkpoints, tiny_config, state, 6, 0.5)
    checkpoints.close()
    (tmp_path / "checkpoints" / "6" / "meta" / "metadata").write_text(meta)
    assert restore_model(tmp_path, DEVICES).step == 4


def test_a_damaged_latest_does_not_stop_a_whole_best(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.3)
    save(checkpoints, tiny_config, state, 6, 0.5)
    checkpoints.close()
    for path in list((tmp_path / "checkpoints" / "6").rglob("*")):
        if path.is_file():
            path.write_bytes(b"\0")
    reader, step = open_served(tmp_path)
    assert step == 4 and reader.check(step)
    reader.restore(step, state_template(tiny_config, DEVICES))


def test_a_state_or_a_position_of_another_step_is_refused(tmp_path, tiny_config, state):
    """Where there is no digest to tell it."""
    checkpoints = Checkpoints(tmp_path)
    for step in (4, 6):
        batches = counter()
        for _ in range(step // tiny_config.train.steps_per_dispatch):
            next(batches)
        save(checkpoints, tiny_config, state, step, 10 - step, batches)
        (tmp_path / "checkpoints" / str(step) / "digest.json").unlink()
        (tmp_path / "checkpoints" / str(step)).rename(tmp_path / str(step))
    checkpoints.close()
    template = state_template(tiny_config, DEVICES)
    for part, message in (
        ("state", "holds the state of step 4"),
        ("batches", "stands at .*not where step 6"),
    ):
        mixed = tmp_path / part
        shutil.copytree(tmp_path / "6", mixed / "checkpoints" / "6")
        shutil.rmtree(mixed / "checkpoints" / "6" / part)
        shutil.copytree(tmp_path / "4" / part, mixed / "checkpoints" / "6" / part)
        reader = CheckpointReader(mixed)
        assert not reader.check(6)
        with pytest.raises(ValueError, match=message):
            reader.restore(6, template, counter())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("angles", ["elbow"], "other joint angles or another frame rate"),
        ("frame_rate_hz", 25.0, "other joint angles or another frame rate"),
        ("version", 99, "version 99, this wt_jax reads 1"),
    ],
)
def test_other_angles_rate_or_version_are_refused(tmp_path, tiny_config, state, key, value, message):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    path = tmp_path / "checkpoints" / "4" / "meta" / "metadata"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ValueError, match=message):
        checkpoints.meta(4)
    checkpoints.close()


@pytest.mark.parametrize(
    ("exists", "message"), [(False, "holds no checkpoints"), (True, "no checkpoint of a")]
)
def test_a_folder_without_a_best_checkpoint(tmp_path, tiny_config, state, exists, message):
    if exists:
        checkpoints = Checkpoints(tmp_path)
        save(checkpoints, tiny_config, state, 4, None)
        checkpoints.close()
    with pytest.raises(ValueError, match=message):
        open_served(tmp_path)
    assert (tmp_path / "checkpoints").exists() == exists


def test_what_may_differ_when_a_run_is_taken_up(tiny_config):
    meta = json.loads(json.dumps(make_meta(tiny_config, fingerprint="a")))
    flat = config.flatten(tiny_config)
    free = {"workdir": "x", "overwrite": True, "data.root": "y", "data.recordings": "z", "train.epochs": 9}
    check_resumable(meta, config.unflatten(flat | free), "a", Path("w"))
    other = config.unflatten(flat | {"model.dilations": (1, 3), "seed": 5})
    with pytest.raises(
        ValueError, match=r"w holds .*differs in seed .*; model.dilations \(was \(1, 2\), is \(1, 3\)\)"
    ):
        check_resumable(meta, other, "a", Path("w"))
    with pytest.raises(ValueError, match="the data"):
        check_resumable(meta, tiny_config, "b", Path("w"))


def test_delete_run_leaves_what_is_not_its_own(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "training_history.npy").touch()
    (tmp_path / "recordings").mkdir()
    delete_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recordings"]
    delete_run(tmp_path / "never there")
