"""Exit statuses, and the first and the second signal."""

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import types

import pytest
from training_runs import REPOSITORY

from wt_jax.runtime import cli


def fail(error: BaseException):
    def main(_):
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "status", "shown"),
    [
        (lambda _: None, None, ""),
        (lambda _: 143, 143, ""),
        (fail(ValueError("file.csv:3: label 2")), 2, "error: file.csv:3: label 2\n"),
        (fail(PermissionError(13, "denied", "/x")), 2, "error: [Errno 13] denied: '/x'\n"),
        (
            fail(MemoryError("Unable to allocate 7 PiB")),
            2,
            "error: not enough memory (Unable to allocate 7 PiB)\n",
        ),
        (fail(MemoryError()), 2, "error: not enough memory\n"),
        (fail(KeyboardInterrupt()), 130, "interrupted\n"),
        (lambda _: os.kill(os.getpid(), signal.SIGTERM), 143, "terminated\n"),
    ],
)
def test_statuses(main, status, shown, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as exit_:
        cli.run(main)
    assert exit_.value.code == status
    assert capsys.readouterr().err == shown


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_a_callback_of_the_garbage_collector_is_heard(number, status, monkeypatch):
    """JAX has one, in which an exception is printed and lost."""

    def send(*_):
        gc.callbacks.remove(send)
        signal.raise_signal(number)

    def main(_):
        gc.callbacks.append(send)
        gc.collect()
        time.sleep(20)

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as exit_:
        cli.run(main)
    assert exit_.value.code == status


def test_ctrl_c_while_jax_is_imported_is_one_word(tmp_path):
    """As it comes when the import of JAX begins; what is imported then would make any error of it."""
    (tmp_path / "jax.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", "wt_jax.evaluate"], capture_output=True, text=True, timeout=100,
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_a_stopped_command_leaves_by_the_shortest_way():
    """What was registered before it is not waited for."""
    program = (
        "import atexit, os\nfrom wt_jax.runtime import cli\natexit.register(print, 'never')\n"
        "cli.begin_process()\natexit.register(print, 'flushed')\n"
        "def main(_):\n    raise KeyboardInterrupt\ncli.run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout, done.stderr) == (130, "flushed\n", "interrupted\n")


def test_of_what_cannot_be_raised_orbax_alone_is_quiet(monkeypatch, capsys):
    def main(_):
        for words in ("Event loop is closed", "something else"):
            unraisable = types.SimpleNamespace(
                exc_type=RuntimeError,
                exc_value=RuntimeError(words),
                exc_traceback=None,
                err_msg=None,
                object=None,
            )
            sys.unraisablehook(unraisable)

    shown = []
    monkeypatch.setattr("sys.__unraisablehook__", lambda unraisable: shown.append(str(unraisable.exc_value)))
    with pytest.raises(SystemExit):
        cli.run(main)
    assert shown == ["something else"]


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(fail(ZeroDivisionError()))


def test_debug_keeps_the_traceback(monkeypatch):
    monkeypatch.setenv("WT_JAX_LOG", "debug")
    with pytest.raises(ValueError, match="x"):
        cli.run(fail(ValueError("x")))


def test_an_unknown_log_level(monkeypatch, capsys):
    monkeypatch.setenv("WT_JAX_LOG", "loud")
    with pytest.raises(SystemExit) as exit_:
        cli.run(lambda _: None)
    assert exit_.value.code == 2
    assert "WT_JAX_LOG=loud: must be debug" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted_and_the_second_ends_at_once(number, status, monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = signal.getsignal(number)
    with cli.catch_stop() as stop:
        assert stop.caught is None
        os.kill(os.getpid(), number)
        assert stop.caught == number
        assert stop.status == status
        assert not ended
        os.kill(os.getpid(), number)
        assert ended == [status]
    assert signal.getsignal(number) == before


def test_the_second_signal_does_what_it_did_before_where_the_process_is_not_ours(monkeypatch):
    """In a notebook it must not take the kernel away."""
    monkeypatch.setattr(os, "_exit", lambda status: pytest.fail(f"exits with {status}"))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), cli.catch_stop(ends_process=False) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.caught == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_thread_leaves_signals_to_the_main_one():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with cli.catch_stop() as stop:
            seen.extend([stop.caught, signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, before]


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has mallopt"
)
def test_freed_memory_is_kept():
    """Taking the same block again and again costs no page faults: in a process of its own, for it stays."""
    code = (
        "import numpy as np, resource\n"
        "from wt_jax.runtime.jax_setup import keep_freed\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(20): np.ones(100_000_000, np.uint8)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults(); before = faults(); keep_freed(); faults(); print(before, faults())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < 100 < before
