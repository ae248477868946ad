import os

from wt_jax.cluster.environment import passed_on, take_over


def test_what_a_run_needs_is_passed_on():
    needed = {
        "WT_JAX_LOG": "debug", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_dump_to=/tmp", "AWS_REGION": "x",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json", "STORAGE_EMULATOR_HOST": "http://localhost:9",
    }  # fmt: skip
    own = {
        "PATH": "/bin",
        "HOME": "/root",
        "CUDA_VISIBLE_DEVICES": "3",
        "XDG_CACHE_HOME": "/c",
        "RAY_JOB_ID": "1",
    }
    of_a_run = {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "9", "JAX_PROCESS_ID": "3"}
    assert passed_on(needed | own | of_a_run) == needed


def test_a_worker_takes_them_over(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", {"WT_JAX_LOG": "info", "OMP_NUM_THREADS": "1", "HOME": "/root"})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    take_over({"WT_JAX_LOG": "debug"}, str(tmp_path / "there"))
    assert os.environ == {"WT_JAX_LOG": "debug", "HOME": "/root"}  # threads: Ray's own idea
    assert os.getcwd() == str(tmp_path / "there")
    take_over({"OMP_NUM_THREADS": "4"}, str(tmp_path / "nowhere"))
    assert os.environ["OMP_NUM_THREADS"] == "4" and os.getcwd() == str(tmp_path / "there")
