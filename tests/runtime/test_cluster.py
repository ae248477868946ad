"""Several processes on one machine, a CPU device each: what one does alone, and how they end together."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
from training_runs import TIMES, arguments, best_and_history, write_root

from wt_jax.data.recordings import load_recording, save_recording
from wt_jax.runtime import cluster, coordination, failure
from wt_jax.training.checkpoints import Checkpoints
from wt_jax.training.history import KEYS

REPOSITORY = Path(__file__).parents[2]
# Slower machines than users have: a process may get no time for a minute.
TRAIN = """
from wt_jax import train
from wt_jax.runtime import cli, failure
failure._HEARTBEAT_S, failure._JOIN_S = {heartbeat_s}, {join_s}
cli.run(train.main)
"""
TRAIN_EACH = """
import ast, sys
from wt_jax import train
for argv in map(ast.literal_eval, sys.argv[1:]):
    assert train.main(argv) == 0
"""
GONE = "another process of the run is gone, and this one ends too; the same command"


class Processes:
    """A command line in several processes of one run, by hand or as tasks of Slurm; reads what they write."""

    def __init__(self, *argvs, heartbeat_s=600, slurm=False, **environment):
        program = TRAIN.format(heartbeat_s=heartbeat_s, join_s=300)
        n, port = len(argvs), free_port()
        by_hand = {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(n)}
        by_slurm = {
            "SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "9",
            "SLURM_STEP_NUM_TASKS": str(n), "JAX_COORDINATOR_PORT": str(port),
        }  # fmt: skip
        given = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", **(by_slurm if slurm else by_hand)}
        which = ("SLURM_PROCID", "SLURM_LOCALID") if slurm else ("JAX_PROCESS_ID",)
        self.all = [
            subprocess.Popen(
                [sys.executable, "-u", "-c", program, *argv], cwd=REPOSITORY, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=given | environment | dict.fromkeys(which, str(i)),
            )
            for i, argv in enumerate(argvs)
        ]  # fmt: skip

    def wait_for(self, text):
        """Until process 0 has written it."""
        seen = ""
        for line in self.all[0].stdout:
            seen += line
            if text in line:
                return
        raise AssertionError(f"{text!r} never came:\n{seen}\n{self.all[0].stderr.read()}")

    def end(self, timeout_s=900):
        """[(exit status, standard output, standard error)]; none may hang."""
        ends = [None] * len(self.all)

        def read(i):
            out, err = self.all[i].communicate(timeout=timeout_s)
            ends[i] = (self.all[i].returncode, out, err)

        threads = [threading.Thread(target=read, args=(i,)) for i in range(len(self.all))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in self.all:
            process.kill()
        assert None not in ends, f"still running after {timeout_s} s: {ends}"
        return ends


def free_port():
    with socket.socket() as taken:
        taken.bind(("", 0))
        return taken.getsockname()[1]


def assert_close(a, b):
    """Parameters, losses and scores; binned and counted ones may differ by a window at a bin's edge."""
    (params_a, history_a), (params_b, history_b) = best_and_history(a), best_and_history(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), params_a, params_b)
    for key in set(KEYS) - TIMES:
        np.testing.assert_allclose(history_a[key], history_b[key], rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


def argv_of(root, workdir, **overrides):
    """Long enough for a plateau; dropout as in main.py."""
    return arguments(root, workdir, **{"train.epochs": 6, "optimizer.plateau_patience": 1, **overrides})


LONG_EPOCH = {"train.windows_per_epoch": 2000, "train.epochs": 1}


@pytest.fixture(scope="module")
def by_one_process(root, tmp_path_factory):
    """Runs of one process, {name: workdir}: the whole one, its first half, one epoch of 125 dispatches."""
    overrides = {"whole": {}, "half": {"train.epochs": 3}, "long": LONG_EPOCH}
    workdirs = {name: tmp_path_factory.mktemp("alone") / name for name in overrides}
    argvs = [argv_of(root, workdirs[name], **overrides[name]) for name in overrides]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_EACH, *map(repr, argvs)], cwd=REPOSITORY, check=True,
        capture_output=True, text=True, env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""},
    )  # fmt: skip
    assert done.stdout.count("serving the best") == 3
    return workdirs


@pytest.fixture(scope="module")
def alone(by_one_process):
    """The run of one process that several must equal."""
    return by_one_process["whole"]


@pytest.mark.optimized
@pytest.mark.parametrize("n_devices", [1, 2])
def test_two_processes_equal_one(alone, root, tmp_path, n_devices):
    argv = argv_of(root, tmp_path / "run")
    flags = f"--xla_force_host_platform_device_count={n_devices}"
    (status, out, err), other = Processes(argv, argv, XLA_FLAGS=flags).end()
    assert status == 0, err
    assert other[:2] == (0, "")  # only process 0 prints
    assert f"{2 * n_devices} x cpu of 2 processes" in out and "epoch   6/6" in out
    assert_close(tmp_path / "run", alone)
    step = max((tmp_path / "run" / "checkpoints").iterdir(), key=lambda path: int(path.name))
    assert len(list((step / "batches").glob("process_*-of-2.json"))) == 2
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoints", "tensorboard", "training_history.npy", "training_curves.png", ".lock"}
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


def test_a_checkpoint_moves_between_numbers_of_processes(by_one_process, alone, root, tmp_path):
    """Three epochs of one process, three of two; the other way round where a killed process is told of."""
    shutil.copytree(by_one_process["half"], tmp_path / "run")
    assert Checkpoints(tmp_path / "run").latest_step == 24
    argv = argv_of(root, tmp_path / "run")
    for status, _, err in Processes(argv, argv).end():
        assert status == 0, err
    assert_close(tmp_path / "run", alone)


@pytest.mark.parametrize("sent", [{1: signal.SIGTERM}, {0: signal.SIGINT, 1: signal.SIGTERM}])
def test_a_signal_at_one_stops_all_at_the_same_step(by_one_process, root, tmp_path, sent):
    """And the same command goes on to what a run without a break gives."""
    argv = argv_of(root, tmp_path / "run", **LONG_EPOCH)
    processes = Processes(argv, argv, WT_JAX_LOG="debug")
    for line in processes.all[0].stderr:
        if "losses" in line:
            break
    for i, number in sent.items():
        processes.all[i].send_signal(number)
    (status, out, _), (other, nothing, err) = processes.end()
    assert status == other and status in {128 + number for number in sent.values()}, err
    step = int(re.search(r"SIG\w+: saved step (\d+)", out)[1])
    assert 0 < step < 250 and nothing == ""
    n_processes = 3 - len(sent)
    assert [status for status, *_ in Processes(*[argv] * n_processes).end()] == [0] * n_processes
    assert_close(tmp_path / "run", by_one_process["long"])


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_the_same_command_goes_on(alone, root, tmp_path, killed):
    argv = argv_of(root, tmp_path / "run")
    processes = Processes(argv, argv, heartbeat_s=100)
    processes.wait_for("epoch   1/6")
    processes.all[killed].kill()
    status, _, err = processes.end()[1 - killed]
    assert status == failure.LOST and GONE in err.splitlines()[-1] and "Traceback" not in err, err
    assert 8 <= Checkpoints(tmp_path / "run").latest_step < 48
    n_processes = 1 + killed
    assert [status for status, *_ in Processes(*[argv] * n_processes).end()] == [0] * n_processes
    assert_close(tmp_path / "run", alone)


def test_an_error_of_one_ends_all_with_its_words(root, tmp_path):
    argv, wrong = argv_of(root, tmp_path / "run"), argv_of("/nowhere", tmp_path / "run")
    (status, _, err), (other, _, words) = Processes(argv, wrong, slurm=True).end()
    assert status == other == 2
    assert words == "error: data root /nowhere: no such folder; expected landmarks/<class>/<video>.npz, " \
        "see data/README.md\n"  # fmt: skip
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
        ends = Processes(argv, other).end()
        assert [status for status, *_ in ends] == [2, 2], ends
        said = "".join(err for *_, err in ends)
        assert message in said and "Traceback" not in said
        assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("process", ["0", "1"])
def test_nobody_else_comes(root, tmp_path, process):
    port = free_port()
    program = [sys.executable, "-c", TRAIN.format(heartbeat_s=600, join_s=3)]
    environment = {
        **os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": process,
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
    }  # fmt: skip
    done = subprocess.run(
        [*program, *argv_of(root, tmp_path / "run")], cwd=REPOSITORY, env=environment, capture_output=True,
        text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"error: the processes of the run did not all come together at localhost:{port}" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "run").exists()


@pytest.fixture
def environment(monkeypatch):
    """environment(**variables): these, and none other that says anything of hosts."""

    def set_(**variables):
        for name in os.environ:
            if name.startswith(
                ("SLURM_", "JAX_COORD", "JAX_NUM", "JAX_PROC", "TPU_", "MEGA", "CUDA_", "ROCR_")
            ):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    set_()
    return set_


def test_a_laptop_is_alone(environment):
    assert cluster.find_hosts() is None


def test_variables_by_hand(environment):
    by_hand = dict(zip(cluster.VARIABLES, ("localhost:1234", "3", "1"), strict=True))
    environment(**by_hand)
    expected = {"coordinator_address": "localhost:1234", "num_processes": 3, "process_id": 1}
    assert cluster.find_hosts() == {**expected, "cluster_detection_method": "deactivate"}
    environment(**by_hand | {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"})
    assert cluster.find_hosts() is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ("localhost:1", "2", ""),
            "ADDRESS and JAX_NUM_PROCESSES set without JAX_PROCESS_ID: ",
        ),
        (("localhost:1", "", ""), "ADDRESS set without JAX_NUM_PROCESSES and JAX_PROCESS_ID: several proc"),
        (("localhost:1", "two", "0"), "JAX_NUM_PROCESSES=two: must be a whole number"),
        (("localhost:1", "2", "-1"), "JAX_PROCESS_ID=-1: must be a whole number"),
        (("localhost:1", "2", "2"), "JAX_PROCESS_ID=2: must be below JAX_NUM_PROCESSES=2"),
        (("localhost", "2", "0"), "JAX_COORDINATOR_ADDRESS=localhost: must be HOST:PORT"),
        (("localhost:99999", "2", "0"), "JAX_COORDINATOR_ADDRESS=localhost:99999: must be HOST:PORT"),
        (("no-host.invalid:1", "2", "0"), "no-host.invalid:1: no such host"),
    ],
)
def test_variables_that_make_no_sense(environment, values, message):
    environment(**dict(zip(cluster.VARIABLES, values, strict=True)))
    with pytest.raises(ValueError, match=re.escape(message)):
        cluster.find_hosts()


def test_a_port_that_is_taken(environment):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        address = f"localhost:{taken.getsockname()[1]}"
        environment(**dict(zip(cluster.VARIABLES, (address, "2", "0"), strict=True)))
        with pytest.raises(ValueError, match=rf"{address}: process 0 cannot listen .*take another port"):
            cluster.find_hosts()


SLURM = {
    "SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "gpu[01-02]", "SLURM_NTASKS": "4", "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_NODEID": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "tasks", "local"),
    [
        ({}, 4, None),  # JAX takes device SLURM_LOCALID of those that all tasks of the node see
        ({"CUDA_VISIBLE_DEVICES": "3"}, 4, []),  # --gpus-per-task=1
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, 4, None),
        ({"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_TASKS_PER_NODE": "2,1"}, 3, []),  # alone on its node
        ({"JAX_COORDINATOR_ADDRESS": "gpu01:1234"}, 4, None),
        ({"SLURM_PTY_PORT": "1"}, 4, None),  # a step that was started from an interactive shell
        ({"SLURM_STEP_NUM_TASKS": "1"}, 1, None),  # the shell of an allocation
        ({"SLURM_STEP_NODELIST": None, "SLURM_STEP_NUM_TASKS": None}, 1, None),  # a batch script itself
    ],
)
def test_tasks_of_a_slurm_step(environment, changed, tasks, local):
    environment(**{name: value for name, value in (SLURM | changed).items() if value is not None})
    expected = {"num_processes": tasks, "local_device_ids": local, "cluster_detection_method": "slurm"}
    assert cluster.find_hosts() == (expected if tasks > 1 else None)


def test_an_interactive_shell_under_slurm_is_alone(environment, monkeypatch):
    environment(**SLURM, SLURM_PTY_PORT="1")
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    assert cluster.find_hosts() is not None
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert cluster.find_hosts() is None


def test_jax_reads_what_slurm_says(environment, monkeypatch):
    """The address of process 0, and which one this is, as jax.distributed.initialize finds them."""
    from jax._src.clusters import SlurmCluster

    environment(**SLURM)
    assert SlurmCluster.is_env_present() and SlurmCluster.get_process_id() == 3
    assert SlurmCluster.get_coordinator_address(1, None) == f"gpu01:{65535 - 2**12 + 1 + 7}"


@pytest.mark.parametrize(("names", "expected"), [("a,b,c", {}), ("localhost", None)])
def test_hosts_of_a_tpu_slice(environment, monkeypatch, names, expected):
    environment(
        TPU_WORKER_HOSTNAMES=names, TPU_WORKER_ID="1", MEGASCALE_NUM_SLICES="1", TPU_SKIP_MDS_QUERY="1"
    )
    assert cluster.find_hosts() is None  # the variables alone are no TPU
    monkeypatch.setattr("jax._src.clusters.cloud_tpu_cluster.running_in_cloud_tpu_vm", True)
    assert cluster.find_hosts() == expected


def test_a_tpu_whose_hosts_nobody_knows_trains_alone(environment, monkeypatch, capsys):
    environment()
    monkeypatch.setattr("jax._src.clusters.cloud_tpu_cluster.running_in_cloud_tpu_vm", True)

    def no_answer(_):
        raise OSError("no route to the metadata server")

    monkeypatch.setattr("jax._src.clusters.cloud_tpu_cluster.get_metadata", no_answer)
    assert cluster.find_hosts() is None
    assert "not found (no route" in capsys.readouterr().err


def test_another_process_being_gone_is_seen_behind_an_error():
    gone = ValueError("UNKNOWN: Gloo all-reduce failed: Connection reset by peer")  # from np.asarray
    wrapped = ValueError("checkpoints: the checkpoint of step 8 could not be written")
    wrapped.__cause__ = gone
    assert failure._is_lost(gone) and failure._is_lost(wrapped)
    assert not failure._is_lost(ValueError("barrier.mp4: no such file")) and not failure._is_lost(KeyError())


def test_alone_there_is_nothing_to_agree_on(tmp_path):
    assert coordination.exchange("a") == ["a"] and coordination.is_first()
    assert coordination.first_then_others(lambda: 3) == 3
    coordination.check_same({"a": json.loads("1")})
    coordination.check_shared(tmp_path / "nowhere")
    with pytest.raises(ZeroDivisionError), failure.joined():
        raise ZeroDivisionError
