import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from jobs import work

from wt_jax.pose import process_pool
from wt_jax.pose.process_pool import on_this_machine


def test_jobs_are_shared_out_and_steps_counted():
    counted = []
    results = dict(on_this_machine(work, [10, 11, 12, 13, 14], 2, counted.append))
    assert {i: result[0] for i, result in results.items()} == {0: 10, 1: 11, 2: 12, 3: 13, 4: 14}
    assert os.getpid() not in {result[1] for result in results.values()}
    assert not any(result[2] for result in results.values())  # JAX, and its threads, stay out of them
    assert sum(counted) == 10


def test_a_job_that_ends_its_process_fails_alone():
    jobs = [1, "dies", 2, 3, "dies", 4]
    results = dict(on_this_machine(work, jobs, 2, lambda _: None))
    assert {i: result and result[0] for i, result in results.items()} == {
        0: 1,
        1: None,
        2: 2,
        3: 3,
        4: None,
        5: 4,
    }
    beside = dict(on_this_machine(work, ["slow", "dies"], 2, lambda _: None))
    assert beside[0] and beside[0][0] == "slow" and beside[1] is None
    assert dict(on_this_machine(work, ["dies"], None, lambda _: None)) == {0: None}


def test_an_interrupt_while_a_job_is_handed_over_is_heard(monkeypatch):
    """Processes that start then are not to hear it; this one is."""
    submit = process_pool.ProcessPoolExecutor.submit

    def interrupted(*arguments):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return submit(*arguments)

    monkeypatch.setattr(process_pool.ProcessPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(on_this_machine(work, [1, 2], 1, lambda _: None))
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_closing_ends_the_processes_at_once():
    """By a signal, in the middle of a job that would go on for a minute: not by waiting for its end."""
    others = set(multiprocessing.active_children())
    results = on_this_machine(work, [1, "sleeps", 2], 2, lambda _: None)
    next(results)
    workers = set(multiprocessing.active_children()) - others
    assert all(_is_deaf_to_interrupts(worker.pid) for worker in workers)
    results.close()
    assert [worker.exitcode for worker in workers] == [-signal.SIGTERM] * 2


def _is_deaf_to_interrupts(pid):
    (blocked,) = re.findall(r"^SigBlk:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(blocked, 16) >> (signal.SIGINT - 1) & 1)


def test_workers_end_with_a_process_that_is_killed(tmp_path):
    code = (
        "from jobs import work\n"
        "from wt_jax.pose.process_pool import on_this_machine\n"
        "if __name__ == '__main__':\n"
        "    results = on_this_machine(work, [1, 'sleeps'], 2, lambda _: None)\n"
        "    print(next(results)[1][1], flush=True)\n"
        "    next(results)\n"
    )
    script = tmp_path / "killed.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"}
    process = subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s and Path(f"/proc/{worker}/stat").exists():
        if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return  # ended; nobody has looked at it yet
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()
