"""What watches a process of a run, and that process: Ray is not asked."""

import os
import signal
import subprocess
import sys

import pytest

from wt_jax.cluster.worker import Worker

# A command that says which it is, and then goes on until it is told to stop.
SLEEPS = """
import os, sys, time, types
from wt_jax.cluster import member
def main(argv):
    print(*argv, os.environ.get("JAX_PROCESS_ID"), flush=True)
    print("oh", file=sys.stderr, flush=True)
    time.sleep(60)
sys.modules["wt_jax.sleeps"] = types.SimpleNamespace(main=main)
member.run()
"""


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Of the command above. It starts processes in a folder of its own, with an environment of its own."""
    started, popen = [], subprocess.Popen

    def start(command, **given):
        assert command[:4] == [sys.executable, "-u", "-m", "wt_jax.cluster.member"]
        started.append(popen([*command[:2], "-c", SLEEPS, *command[4:]], **given))
        return started[-1]

    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.setattr(subprocess, "Popen", start)
    yield Worker({}, os.getcwd())
    for process in started:
        process.kill()


def heard(worker, until):
    """All lines up to one of them, or to the end and its status."""
    all_lines, status = [], None
    while status is None and until not in [line for _, line in all_lines]:
        lines, status = worker.hear()
        all_lines += lines
    return sorted(all_lines), status


def test_lines_are_heard_and_signals_sent(worker, impatient):
    pid = worker.start(["sleeps", "--config", "x"], {"JAX_PROCESS_ID": "3"})
    assert os.getsid(pid) == pid  # no Ctrl-C of another terminal
    lines, _ = heard(worker, until="oh")
    assert (2, "oh") in lines
    worker.send(signal.SIGTERM)
    more, status = heard(worker, until=None)
    assert sorted(lines + more) == [(1, "--config x 3"), (2, "oh"), (2, "terminated")]
    assert status == 143
    worker.send(signal.SIGTERM)  # too late: nothing


def test_a_process_that_is_killed_says_so(worker, impatient):
    worker.start(["sleeps"], {})
    heard(worker, until="oh")
    worker.send(signal.SIGKILL)
    assert heard(worker, until=None)[1] == -signal.SIGKILL


def test_a_process_stops_where_its_worker_is_gone(worker, impatient):
    """Whoever is killed lets go of what he holds."""
    worker.start(["sleeps"], {})
    heard(worker, until="oh")
    worker._process.stdin.close()
    assert heard(worker, until=None) == ([(2, "terminated")], 143)


def test_a_port_is_free(worker):
    assert 0 < worker.free_port() < 65536 and worker.ask(lambda: 3) == 3
