"""Which processes belong to a run, by hand, under Slurm and on a TPU slice."""

import os
import re
import socket
import subprocess
import sys

import pytest
from processes import TRAIN, free_port
from training_runs import REPOSITORY, arguments, write_root

from wt_jax.runtime import cluster


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


def test_nobody_else_comes(root, tmp_path):
    """Process 0 of one run, and process 1 of another, at the same time."""
    program = [sys.executable, "-c", TRAIN.format(heartbeat_s=600, join_s=1)]
    ports = [free_port() for _ in range(2)]
    started = [
        subprocess.Popen(
            [*program, *arguments(root, tmp_path / "run")], cwd=REPOSITORY, text=True, stderr=subprocess.PIPE,
            env={
                **os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(i),
                "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            },
        )
        for i, port in enumerate(ports)
    ]  # fmt: skip
    for process, port in zip(started, ports, strict=True):
        _, err = process.communicate(timeout=200)
        assert process.returncode == 2
        assert f"error: the processes of the run did not all come together at localhost:{port}" in err
        assert err.count("\n") == 1 and not (tmp_path / "run").exists()


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
