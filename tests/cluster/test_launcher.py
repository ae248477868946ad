"""When a run is started again, and with which words and status it ends: with workers that only say so."""

import contextlib
import signal
import types

import pytest

from wt_jax.cluster import launcher
from wt_jax.cluster.ends import End, Lost
from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.launcher import Launcher
from wt_jax.runtime.failure import LOST
from wt_jax.runtime.files import only_writer

DONE = [End(0, "a", 0), End(1, "b", 0)]
KILLED = [End(1, "b", -signal.SIGKILL), End(0, "a", LOST)]
WRONG = [End(0, "a", 2, "error: no experiment"), End(1, "b", 2, "error: no experiment")]
SAVED = [End(0, "a", 143), End(1, "b", 143)]


class Runs:
    """Workers whose runs end as told, one after another; `steps` are the checkpoints between them."""

    def __init__(self, *runs, steps=(), stop=None):
        self._runs, self._steps, self._stop = list(runs), list(steps), stop
        self.n_started = 0

    @contextlib.contextmanager
    def gathered(self, stop):
        if self._runs[:1] == [None]:
            yield None
            return
        if self._runs and isinstance(self._runs[0], Exception):
            raise self._runs.pop(0)
        yield self

    def ask(self, question):
        assert question() == "which step?"
        return self._steps.pop(0)

    def start(self, arguments):
        assert arguments == ["train", "--config", "x"]
        self.n_started += 1

    def watch(self, stop):
        if self._stop:
            stop.caught = self._stop
        return self._runs.pop(0)


def run(runs, restarts=3):
    stop = types.SimpleNamespace(caught=None, status=130)
    cluster = Cluster("auto", 2, restarts=restarts)
    status = Launcher(cluster, runs.gathered, lambda: "which step?").run(["train", "--config", "x"], stop)
    assert not runs._steps, "the newest step was not asked for"
    return status


def test_a_run_that_comes_to_its_end_is_started_once(capsys):
    runs = Runs(DONE)
    assert run(runs) == 0 and runs.n_started == 1
    assert capsys.readouterr().err == ""


def test_one_that_loses_a_worker_is_started_again(capsys):
    runs = Runs(KILLED, DONE, steps=[120])
    assert run(runs, restarts=1) == 0 and runs.n_started == 2
    said = "worker 1 on b was ended by SIGKILL: started again from step 120 (restart 1 of 1 from there)\n"
    assert capsys.readouterr().err == said


def test_a_newer_checkpoint_begins_the_count_anew(capsys):
    runs = Runs(KILLED, KILLED, KILLED, KILLED, DONE, steps=[None, None, 40, 40])
    assert run(runs, restarts=2) == 0 and runs.n_started == 5
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("again from ")[2] for line in said] == [
        "its start (restart 1 of 2 from there)",
        "its start (restart 2 of 2 from there)",
        "step 40 (restart 1 of 2 from there)",
        "step 40 (restart 2 of 2 from there)",
    ]


def test_it_is_given_up_where_none_comes(capsys):
    runs = Runs(KILLED, KILLED, KILLED, steps=[40, 40, 40])
    assert run(runs, restarts=2) == LOST and runs.n_started == 3
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: worker 1 on b was ended by SIGKILL; 2 restarts brought no newer checkpoint; the same command "
        "goes on from the last checkpoint"
    )
    assert run(Runs(KILLED), restarts=0) == LOST


def test_a_mistake_is_not_tried_again(capsys):
    assert run(Runs(WRONG)) == 2
    assert capsys.readouterr().err == ""  # process 0 has said it
    assert run(Runs([End(1, "b", 2, "error: no folder x"), End(0, "a", -9)])) == 2
    assert capsys.readouterr().err == "error: b: no folder x\n"


def test_a_signal_at_the_driver_ends_it_with_the_driver_s_status(capsys):
    assert run(Runs(SAVED, stop=signal.SIGINT)) == 130
    assert capsys.readouterr().err == ""  # process 0 has said which step
    assert run(Runs(KILLED, stop=signal.SIGINT)) == LOST
    assert "SIGKILL; the same command goes on" in capsys.readouterr().err
    assert run(Runs(DONE, stop=signal.SIGINT)) == 0  # it was over


def test_a_signal_that_nobody_asked_for_is_a_machine_taken_away():
    runs = Runs(SAVED, DONE, steps=[7])
    assert run(runs) == 0 and runs.n_started == 2


def test_machines_that_never_come(capsys):
    with pytest.raises(TimeoutError, match="no room"):
        run(Runs(TimeoutError("no room")))
    assert run(Runs(KILLED, TimeoutError("no room"))) == LOST
    assert "SIGKILL, and no room; the same command goes on" in capsys.readouterr().err
    assert run(Runs(None)) == 130
    assert "stopped while it waited" in capsys.readouterr().err


def test_workers_that_go_before_the_run_begins(capsys):
    runs = Runs(Lost("x"), DONE, steps=[None])
    assert run(runs) == 0 and runs.n_started == 1
    assert run(Runs(Lost("x"), DONE, steps=[None]), restarts=1) == 0
    assert run(Runs(*[Lost("x")] * 9), restarts=2) == LOST
    assert "a worker was gone before the run began (x); the same" in capsys.readouterr().err


def test_a_workdir_that_a_killed_process_still_holds_is_waited_for(monkeypatch, tmp_path, capsys):
    slept = []
    monkeypatch.setattr(launcher.time, "sleep", slept.append)
    with only_writer(tmp_path), pytest.raises(ValueError) as held, only_writer(tmp_path):
        pass
    busy = [End(0, "a", 2, f"error: {held.value}"), End(1, "b", 2, "error: process 0 of the run ended")]
    runs = Runs(KILLED, busy, busy, DONE, steps=[40, 40, 40])
    assert run(runs, restarts=1) == 0 and runs.n_started == 4 and len(slept) == 2
    assert run(Runs(busy)) == 2  # by another run
