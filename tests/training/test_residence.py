"""Frames on every device, or in files: the same training, and a choice that is said and left to nobody."""

import os
import pickle
import signal
import sys

import jax
import pytest
from laid_out import PLAIN, options_with, some_recordings
from programs import PLAIN_XLA_FLAGS, run_python
from training_runs import arguments, assert_same_run, write_root

from wt_jax import train
from wt_jax.data.builder import fingerprint
from wt_jax.data.loading import Dataset
from wt_jax.data.recordings import SYNTHETIC, FiledRecording
from wt_jax.runtime import cli
from wt_jax.runtime.config_flags import parse
from wt_jax.training import residence
from wt_jax.training.setup import start_run

pytestmark = pytest.mark.usefixtures("share_programs")
MOVED = {"augment.speed": 0.4, "data.overhang": 0.3, "data.window_step": 2, "train.epochs": 2}


def test_a_run_from_files_is_that_from_memory(tmp_path, capsys):
    """Stopped within an epoch and taken up again; windows are stretched, and reach over recordings' ends."""
    root = write_root(tmp_path / "root")
    in_files = {**MOVED, "data.resident": "false"}
    assert train.main(arguments(root, tmp_path / "whole", **{**MOVED, "data.resident": "true"})) == 0
    run = start_run(parse(arguments(root, tmp_path / "run", **in_files)))
    assert all(isinstance(one, FiledRecording) for one in run.data.val_recordings)
    agreed = iter((0, 0, 0, signal.SIGINT, signal.SIGINT))
    run.programs.agree = lambda _: next(agreed)
    train.fit(run, None, cli.Stop())
    assert run.progress.step == 3 * 2 and len(run.progress.history) == 0
    run.checkpoints.close()
    assert train.main(arguments(root, tmp_path / "run", **in_files)) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    said = capsys.readouterr().out
    assert "resumed:" in said
    assert f"to train and validate on, read as needed from {root}/frames (data.resident=false; auto: " in said
    assert "to train and validate on, whole on each device (data.resident=true; auto: whole up to " in said
    assert {path.name for path in (root / "frames").rglob("*.npy")} == {"frames-00000.npy"}


TWO_DEVICES = """
import pickle, sys, tempfile
from pathlib import Path
import jax, numpy as np
from laid_out import STRETCHED, both, options_with
from wt_jax.training import train_step, validation
validation._WINDOWS_A_CALL = 16
recordings = pickle.load(open(sys.argv[1], "rb"))
devices = train_step.all_devices()
assert len(devices) == 2
options = options_with(STRETCHED)
folder = Path(tempfile.mkdtemp())
(sequences, runs), (files, _) = both(options, recordings, folder, 2)
firsts = runs.firsts(np.arange(24)).reshape(3, 8).astype(np.int32)
state = train_step.init_state(options, devices)
on_devices = jax.device_put(sequences, train_step.replicated(devices))
done = [train_step.make_train_dispatch(options, devices)(state, on_devices, firsts)]
state = train_step.init_state(options, devices)
done.append(train_step.make_train_dispatch(options, devices, in_files=True)(state, *files.cut(firsts)))
jax.tree.map(np.testing.assert_array_equal, *map(jax.device_get, done))
params = jax.device_get(done[0][0].params)
sums = [validation.make_evaluation(options, recordings, devices, of)(params) for of in (None, folder)]
assert sums[0].histogram_2xN.sum() > 0
jax.tree.map(np.testing.assert_array_equal, *sums)
"""


def test_two_devices_each_read_their_own_share(make_recording, tmp_path):
    (tmp_path / "recordings").write_bytes(pickle.dumps(some_recordings(make_recording)))
    done = run_python(
        TWO_DEVICES, tmp_path / "recordings", JAX_PLATFORMS="cpu", PYTHONPATH=os.pathsep.join(sys.path),
        XLA_FLAGS=f"{PLAIN_XLA_FLAGS} --xla_force_host_platform_device_count=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture
def dataset(make_recording):
    recordings = some_recordings(make_recording)
    return Dataset("mine", recordings, fingerprint(recordings))


@pytest.mark.parametrize(
    ("resident", "free", "in_files"),
    [("auto", 4 * 10**5, False), ("auto", 10**5, True), ("true", 10**5, False), ("false", 10**9, True)],
)
def test_the_bytes_decide_unless_somebody_does(
    dataset, tmp_path, monkeypatch, capsys, resident, free, in_files
):
    """394 frames and 8 gaps of 31, of 107 bytes each: 68.7 KB, and a quarter of what is free may be taken."""
    monkeypatch.setattr(residence, "available_bytes", lambda: free)
    options = options_with(PLAIN, **{"data.resident": resident, "data.root": str(tmp_path)})
    folder = residence.choose_folder(options, dataset, jax.devices()[:1])
    assert folder == (tmp_path / "frames" if in_files else None)
    where = f"read as needed from {folder}" if in_files else "whole on each device"
    assert capsys.readouterr().out == (
        f"frames: 0.1 MB to train and validate on, {where} (data.resident={resident}; auto: whole up to "
        f"{free / 4e6:,.1f} MB, a quarter of the memory that is free)\n"
    )


def test_files_go_into_workdir_where_the_data_is_nowhere_or_may_not_be_written(dataset, tmp_path):
    root = tmp_path / "root"
    root.mkdir(mode=0o555)
    places = {"data.resident": "false", "data.root": str(root), "workdir": str(tmp_path / "run")}
    for recordings, data, expected in (
        ("", "mine", tmp_path / "run" / "frames"),
        ("", SYNTHETIC, tmp_path / "run" / "frames"),
        (str(tmp_path / "built" / "recordings"), "mine", tmp_path / "built" / "frames"),
    ):
        options = options_with(PLAIN, **places, **{"data.recordings": recordings})
        there = Dataset(data, dataset.recordings, "")
        assert residence.choose_folder(options, there, jax.devices()[:1]) == expected
