"""Two nodes of Ray on this machine: a run that loses a worker, and recordings and files that are shared."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from programs import PLAIN_XLA_FLAGS
from training_runs import REPOSITORY, arguments, assert_close, write_root

from wt_jax import evaluate, predict, train
from wt_jax.cluster.connection import connected
from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.sharing import shared_out
from wt_jax.pose.landmarks import save_landmarks
from wt_jax.training.checkpoint_reader import CheckpointReader

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[cluster]'")
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "WT_JAX_LOG": "debug"}  # which reaches the workers
SHORT = {"train.windows_per_epoch": 160, "train.epochs": 4}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    os.environ |= environment
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.second = nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()
    for name in environment:
        del os.environ[name]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """(data root, workdir) of a run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    root = write_root(folder / "root")
    flags, os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", ""), PLAIN_XLA_FLAGS
    assert train.main(arguments(root, folder / "run", **SHORT)) == 0
    os.environ["XLA_FLAGS"] = flags
    return root, folder / "run"


class Driver:
    """`python -m wt_jax.train --cluster ...`; none outlives the `with`."""

    def __init__(self, argv):
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wt_jax.train", *argv], cwd=REPOSITORY, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | ENVIRONMENT,
        )  # fmt: skip
        self._timer = threading.Timer(600, self._process.kill)
        self._timer.start()
        self.said = ""
        self.send_signal = self._process.send_signal

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def read(self, until=None):
        """Until a line that holds this; to the end without: the exit status."""
        for line in self._process.stdout:
            self.said += line
            if until and until in line:
                return None
        assert until is None, self.said
        return self._process.wait()


def process_ids(workdir, process):
    """Of that process of the run and of the actor that watches it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended
            continue
        wanted = b"wt_jax.cluster.member", str(workdir).encode()
        if (
            all(each in arguments for each in wanted)
            and f"JAX_PROCESS_ID={process}\0".encode() in environment
        ):
            return int(folder.name), int(parent)
    raise AssertionError("no such process")


def test_a_run_of_two_workers_equals_one_though_one_is_killed_and_a_node_lost(cluster, alone, tmp_path):
    """And the driver is stopped by a signal: the same command goes on."""
    root, workdir = alone
    run = tmp_path / "run"
    argv = ["--cluster", cluster.address, "--workers", "2", *arguments(root, run, **SHORT)]
    with Driver(argv) as driver:
        driver.read(until="2 x cpu of 2 processes")
        driver.read(until="epoch   1/4")
        os.kill(process_ids(run, 1)[0], signal.SIGKILL)
        driver.read(until="was ended by SIGKILL: started again from")
        driver.read(until="resumed: ")
        driver.read(until=": losses ")
        driver.send_signal(signal.SIGTERM)
        assert driver.read() == 143, driver.said
    saved = re.search(r"SIGTERM: saved step (\d+) in .*; the same command goes on from there", driver.said)
    assert saved and int(saved[1]) == CheckpointReader(run).latest_step, driver.said
    with Driver([*argv, "--wait_minutes", "5"]) as driver:
        driver.read(until="resumed: ")
        cluster.remove_node(cluster.second, allow_graceful=False)
        driver.read(
            until="waiting for 2 x 1 CPU, 5 minutes at most (--wait_minutes); the cluster has 1 node, "
        )
        cluster.second = cluster.add_node(num_cpus=1)
        assert driver.read() == 0, driver.said
    assert "is gone: its machine, or Ray's process there: started again from step" in driver.said
    assert_close(run, workdir)


def test_a_mistake_ends_it_at_once(cluster, tmp_path):
    with Driver(
        ["--cluster", cluster.address, "--workers", "2", *arguments("/nowhere", tmp_path / "run")]
    ) as driver:
        assert driver.read() == 2
    assert "error: data root /nowhere: no such folder" in driver.said and "started again" not in driver.said


def test_recordings_shared_out_are_scored_as_by_one(cluster, alone, tmp_path):
    root, workdir = alone
    common = ["--checkpoint", str(workdir), "--data", str(root), "--split", "all", "--output"]
    evaluate.main([*common, str(tmp_path / "one.json")])
    evaluate.main([*common, str(tmp_path / "two.json"), "--cluster", cluster.address, "--workers", "2"])
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert flat(two) == pytest.approx(flat(one), abs=1e-6, nan_ok=True)


def flat(content, path=""):
    """{path: number or text} of nested JSON."""
    if not isinstance(content, dict | list):
        return {path: content}
    items = content.items() if isinstance(content, dict) else enumerate(content)
    return {key: value for name, part in items for key, value in flat(part, f"{path}/{name}").items()}


def test_files_shared_out_are_told_and_written_as_by_one(cluster, alone, squatting, tmp_path, capsys):
    for i in range(3):
        save_landmarks(tmp_path / "in" / f"{i}.npz", squatting(80 + 20 * i))
    (tmp_path / "in" / "broken.npz").write_bytes((tmp_path / "in" / "0.npz").read_bytes()[:500])
    common = [str(tmp_path / "in"), "--output"]
    said = []
    for name, more in (("one", []), ("two", ["--cluster", cluster.address, "--workers", "2"])):
        assert predict.main([*common, str(tmp_path / name), *more]) == 2
        said.append([text.replace(f"/{name}", "/out") for text in capsys.readouterr()])
    assert said[0] == said[1] and "broken.npz" in said[0][1]
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["0.json", "0.png", "1.json", "1.png", "2.json", "2.png"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def work(job):
    """A job is a number, or what happens to the worker that does it."""
    if isinstance(job, Path):  # the first that comes dies, the second does not
        try:
            job.touch(exist_ok=False)
        except FileExistsError:
            return "done"
    if not isinstance(job, int):
        os.kill(os.getpid(), signal.SIGKILL)
    if job < 0:
        raise ValueError(f"job {job}: must be positive")
    return job + 1


def test_a_job_whose_worker_dies_is_done_again_three_times(cluster, tmp_path):
    given = [1, tmp_path / "once", "always", 2]
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    results = dict(shared_out(work, given, Cluster(cluster.address, 2)))
    assert results == {0: 2, 1: "done", 2: None, 3: 3}
    with pytest.raises(ValueError, match=r"^job -1: must be positive$"):
        dict(shared_out(work, [1, -1], Cluster(cluster.address, None)))
    with pytest.raises(
        TimeoutError, match=r"2 x 9 CPU did not come within 0\.02 minutes .* free are 2 of 2 CPU"
    ):
        dict(shared_out(work, [1, 2], Cluster(cluster.address, 2, cpus=9, wait_s=1.2)))


def test_ray_here():
    assert dict(shared_out(abs, [-1, 2, -3], Cluster("local", 2))) == {0: 1, 1: 2, 2: 3}


@pytest.mark.parametrize(
    ("address", "advice"), [("127.0.0.1:9", "ray start --head, on this"), ("ray://127.0.0.1:9", "ray-client")]
)
def test_no_cluster(address, advice):
    message = f"--cluster {address}: no Ray cluster there .*{advice}"
    with pytest.raises(ValueError, match=message), connected(address):
        raise AssertionError
