"""Several processes of one run on this machine, a CPU device each."""

import os
import socket
import subprocess
import sys
import threading

from training_runs import REPOSITORY

# Slower machines than users have, where a process may get no time for a minute; and quicker storage.
# JAX keeps what process 0 has compiled; on CPUs of their own others compile it again, in each of the tests.
TRAIN = """
from types import SimpleNamespace
from unittest import mock
from jax._src import compiler
from wt_jax import train
write = getattr(compiler, "_cache_write", None)
first = SimpleNamespace(global_state=SimpleNamespace(process_id=0))
def write_too(*args):
    with mock.patch.object(compiler, "distributed", first):
        write(*args)
if write:
    compiler._cache_write = write_too
from wt_jax.runtime import cli, coordination, failure
failure._HEARTBEAT_S, failure._JOIN_S, coordination._STORAGE_S = {heartbeat_s}, {join_s}, 1
cli.run(train.main)
"""


class Processes:
    """A command line in each process of a run, by hand or as tasks of Slurm; none outlives the `with`."""

    def __init__(self, *argvs, heartbeat_s=600, slurm=False, **environment):
        program = TRAIN.format(heartbeat_s=heartbeat_s, join_s=300)
        n, port = len(argvs), free_port()
        by_hand = {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(n)}
        by_slurm = {
            "SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "9",
            "SLURM_STEP_NUM_TASKS": str(n), "JAX_COORDINATOR_PORT": str(port),
        }  # fmt: skip
        given = {**os.environ, "JAX_PLATFORMS": "cpu", **(by_slurm if slurm else by_hand)}
        which = ("SLURM_PROCID", "SLURM_LOCALID") if slurm else ("JAX_PROCESS_ID",)
        self.all = [
            subprocess.Popen(
                [sys.executable, "-u", "-c", program, *argv], cwd=REPOSITORY, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=given | environment | dict.fromkeys(which, str(i)),
            )
            for i, argv in enumerate(argvs)
        ]  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.all:
            process.kill()
            process.communicate()

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
        assert None not in ends, f"still running after {timeout_s} s: {ends}"
        return ends


def free_port():
    with socket.socket() as taken:
        taken.bind(("", 0))
        return taken.getsockname()[1]
