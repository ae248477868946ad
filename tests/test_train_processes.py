"""What several processes train is what one does alone, and they end together."""

import re
import shutil
import signal
from pathlib import Path

import pytest
from processes import Processes
from programs import PLAIN_XLA_FLAGS
from training_runs import arguments, assert_close, write_root

from wt_jax import train
from wt_jax.data.recordings import load_recording, save_recording
from wt_jax.runtime import failure
from wt_jax.training.checkpoint_reader import CheckpointReader

pytestmark = pytest.mark.usefixtures("share_programs")
GONE = "another process of the run is gone, and this one ends too; the same command"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


def argv_of(root, workdir, **overrides):
    """Long enough for a plateau and for signals to come within epochs; dropout as in experiments/plain.py."""
    few = {"train.epochs": 6, "train.windows_per_epoch": 160, "optimizer.plateau_patience": 1}
    return arguments(root, workdir, **few | overrides)


N_STEPS = 6 * 20  # of batches of 8
SHORT = {"train.windows_per_epoch": 64, "train.epochs": 3}


@pytest.fixture(scope="module")
def by_one_process(root, tmp_path_factory, share_programs):
    """Runs of one process, {name: workdir}: the whole one, its first epoch, and one of short epochs."""
    overrides = {"whole": {}, "begun": {"train.epochs": 1}, "short": SHORT}
    workdirs = {name: tmp_path_factory.mktemp("alone") / name for name in overrides}
    for name, workdir in workdirs.items():
        assert train.main(argv_of(root, workdir, **overrides[name])) == 0
    return workdirs


def test_two_processes_of_two_devices_equal_one(by_one_process, root, tmp_path):
    """From files, each its own share. Of one device each: where a killed process is told of."""
    argv = argv_of(root, tmp_path / "run", **SHORT, **{"data.resident": "false"})
    flags = f"{PLAIN_XLA_FLAGS} --xla_force_host_platform_device_count=2"
    with Processes(argv, argv, XLA_FLAGS=flags) as processes:
        (status, out, err), other = processes.end()
    assert status == 0, err
    assert other[:2] == (0, "")  # only process 0 prints
    assert "4 x cpu of 2 processes" in out and "epoch   3/3" in out
    assert_close(tmp_path / "run", by_one_process["short"])
    step = max((tmp_path / "run" / "checkpoints").iterdir(), key=lambda path: int(path.name))
    assert [path.name for path in (step / "batches").glob("*.json")] == ["process_0-of-1.json"]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "checkpoints", "tensorboard", "training_history.json", "training_history.npy", "training_curves.png",
        ".lock",
    }  # fmt: skip
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


def stopped(argv, signals):
    """Two processes, told to stop as soon as they train: the step that they have saved."""
    with Processes(argv, argv, WT_JAX_LOG="debug") as processes:
        next(line for line in processes.all[0].stderr if "losses" in line)
        for i, number in signals.items():
            processes.all[i].send_signal(number)
        (status, out, _), (other, nothing, err) = processes.end()
    assert status == other and status in {128 + number for number in signals.values()}, err
    assert nothing == ""
    return int(re.search(r"SIG\w+: saved step (\d+)", out)[1])


def killed(argv, which):
    """Of two processes one, after an epoch: the other ends too, and says why."""
    with Processes(argv, argv, heartbeat_s=100) as processes:
        processes.wait_for("validation class")
        processes.all[which].kill()
        status, _, err = processes.end()[1 - which]
    assert status == failure.LOST and GONE in err.splitlines()[-1] and "Traceback" not in err, err


def test_stopped_or_killed_the_same_command_goes_on(by_one_process, root, tmp_path):
    """Begun by one process, gone on with by two, three times, and ended by one: equal to one without a break.

    A signal at one of two stops both, at the same step.
    """
    run = Path(shutil.copytree(by_one_process["begun"], tmp_path / "run"))
    argv, checkpoints = argv_of(root, run), CheckpointReader(run)
    first = stopped(argv, {1: signal.SIGTERM})
    assert 20 < first == checkpoints.latest_step
    killed(argv, 0)
    kept = checkpoints.latest_step
    assert kept == first or (kept > first and kept % 20 == 0)  # process 0 may not have written that epoch
    killed(argv, 1)
    assert kept < checkpoints.latest_step < N_STEPS
    assert train.main(argv) == 0
    assert checkpoints.latest_step == N_STEPS
    assert_close(run, by_one_process["whole"])


def test_an_error_of_one_ends_all_with_its_words(root, tmp_path):
    argv, wrong = argv_of(root, tmp_path / "run"), argv_of("/nowhere", tmp_path / "run")
    with Processes(argv, wrong, slurm=True) as processes:
        (status, _, err), (other, _, words) = processes.end()
    assert status == other == 2
    assert words == (
        "error: data root /nowhere: no such folder; expected videos as raw/<class>/<video>.mp4, or "
        "landmarks/<class>/<video>.npz, see data/README.md\n"
    )
    assert err == words.replace("error: ", "error: process 1 of the run ended: ")


def test_other_data_another_config_and_another_workdir_are_refused(root, tmp_path):
    changed = Path(shutil.copytree(root, tmp_path / "changed"))
    path = next(changed.rglob("train0.npz"))
    recording = load_recording(path)
    recording.angles_FxJ[:] *= 0.5
    save_recording(path, recording)
    argv = argv_of(root, tmp_path / "run")
    for other, message in (
        (
            argv_of(changed, tmp_path / "run", seed=3),
            "must be given the same: seed (process 0: 0, process 1: 3); the data's fingerprint (process 0: ",
        ),
        (argv_of(root, tmp_path / "own"), f"workdir={tmp_path}/own: does not hold what process 0 writes"),
    ):
        with Processes(argv, other) as processes:
            ends = processes.end()
        assert [status for status, *_ in ends] == [2, 2], ends
        said = "".join(err for *_, err in ends)
        assert message in said and "Traceback" not in said
        assert not (tmp_path / "run" / "checkpoints").exists()
