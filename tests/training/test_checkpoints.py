"""What is kept, what comes back, and what is refused."""

import json
import math
from pathlib import Path

import grain
import jax
import numpy as np
import pytest

from wt_jax import config
from wt_jax.training.checkpoints import Checkpoints, check_resumable, delete_run, make_meta, open_served
from wt_jax.training.train_step import init_state, state_template

DEVICES = jax.devices()[:1]


def counter() -> grain.DatasetIterator:
    return iter(grain.MapDataset.range(100).to_iter_dataset())


@pytest.fixture(scope="module")
def state(tiny_config):
    return init_state(tiny_config, DEVICES)


def save(checkpoints, options, state, step, loss, batches=None, **meta):
    state = state.replace(step=state.step + np.int32(step))
    checkpoints.save(state, batches or counter(), make_meta(options, **meta), loss)


def test_the_best_and_the_latest_are_kept(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    for step, loss in enumerate([0.5, 0.3, 0.4, 0.6, 0.45], 1):
        save(checkpoints, tiny_config, state, step, loss)
    assert (checkpoints.best_step, checkpoints.latest_step) == (2, 5)
    save(checkpoints, tiny_config, state, 6, None)  # in the middle of an epoch
    assert (checkpoints.best_step, checkpoints.latest_step) == (2, 6)
    assert sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir()) == [2, 6]
    save(checkpoints, tiny_config, state, 7, 0.2)
    checkpoints.close()
    again = Checkpoints(tmp_path)
    assert (again.best_step, again.latest_step) == (7, 7)
    again.close()


def test_state_iterator_and_meta_come_back(tmp_path, tiny_config, state):
    checkpoints, batches = Checkpoints(tmp_path), counter()
    drawn = [next(batches) for _ in range(3)]
    assert drawn == [0, 1, 2]
    save(checkpoints, tiny_config, state, 5, 1 / 3, batches, monitor={"best": math.inf, "x": 0.1})
    other = counter()
    restored = checkpoints.restore(5, state_template(tiny_config, DEVICES), other)
    assert next(other) == 3
    assert int(restored.step) == 5
    jax.tree.map(np.testing.assert_array_equal, restored.params, state.params)
    meta = checkpoints.meta(5)
    assert meta["monitor"] == {"best": math.inf, "x": 0.1}
    assert config.unflatten(meta["config"]) == tiny_config
    checkpoints.close()


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
    with pytest.raises(ValueError, match=r"checkpoints/4: damaged, or not a checkpoint of this model"):
        checkpoints.restore(4, state_template(other, DEVICES))
    checkpoints.close()


def test_a_damaged_checkpoint_is_refused(tmp_path, tiny_config, state):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, tiny_config, state, 4, 0.5)
    checkpoints.close()
    for path in (tmp_path / "checkpoints" / "4" / "state").rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            path.write_bytes(path.read_bytes()[:100])
    again = Checkpoints(tmp_path)
    with pytest.raises(ValueError, match="checkpoints/4: damaged"):
        again.restore(4, state_template(tiny_config, DEVICES))
    again.close()


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
