"""What every command shares: errors in one line, exit statuses, signals, logging."""

import atexit
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NoReturn

from wt_jax.runtime.printable import Screen, printable

USER_ERROR = 2  # exit status: the command line, the config or the data is wrong
INTERRUPTED = 130  # 128 + SIGINT
TERMINATED = 143  # 128 + SIGTERM
BROKEN_PIPE = 141  # 128 + SIGPIPE
_stopped: list[int] = []  # the exit status of a command that a signal has stopped


def begin_process() -> None:
    """What a command does before it imports JAX, where this process is its own.

    Until `run`, Ctrl-C ends the process: an exception while JAX is imported may become any other. And one
    that was stopped leaves without Python's own way out, which may crash under XLA's threads at work.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    atexit.register(_leave)  # the first to be registered is the last that is called


def _end_at_once(number: int, frame: object) -> NoReturn:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _leave() -> None:
    if _stopped:
        if sys.stdout:
            sys.stdout.flush()
        os._exit(_stopped[0])


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
    """Runs `main(arguments)` and exits with its status.

    A user's mistake (ValueError, OSError) is shown as one line, exit status 2. The environment variable
    WT_JAX_LOG (debug, info, warning) sets how much is logged; at debug an error keeps its traceback. What is
    printed meanwhile, by whomever, does nothing to the terminal (`Screen`).
    """
    with ExitStack() as screens:
        for redirect, stream in ((redirect_stdout, sys.stdout), (redirect_stderr, sys.stderr)):
            if stream is not None:  # closed by who started this
                screens.enter_context(redirect(Screen(stream)))
        status = _status(main)
    if status in (INTERRUPTED, TERMINATED):
        _stopped.append(status)
    sys.exit(status)


def _status(main: Callable[[Sequence[str]], int | None]) -> int | None:
    level = os.environ.get("WT_JAX_LOG", "warning").upper()
    if level not in logging.getLevelNamesMapping():
        print(f"error: WT_JAX_LOG={level.lower()}: must be debug, info, warning or error", file=sys.stderr)
        return USER_ERROR
    logging.basicConfig(level=logging.ERROR, format="%(levelname).1s %(name)s: %(message)s", force=True)
    logging.getLogger("wt_jax").setLevel(
        level
    )  # libraries stay quiet: at debug they print thousands of lines
    if level != "DEBUG":
        for name in ("absl", "asyncio"):  # Orbax: errors that it raises as well
            logging.getLogger(name).setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before, sys.unraisablehook = sys.unraisablehook, _stop_again
    try:
        status = main(sys.argv[1:])
        if sys.stdout:
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read has read enough: `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except BaseException as error:
        words = last_words(error)
        if words is None or (level == "DEBUG" and words[1] == USER_ERROR):
            raise
        print(words[0], file=sys.stderr)
        return words[1]
    finally:
        sys.unraisablehook = before


def whole_number(option: str, text: str) -> int:
    """What somebody wrote after `option`. Raises ValueError for anything but a whole number, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{option} {text}: must be a whole number, 1 or more")
    return number


def positive_number(option: str, text: str) -> float:
    """What somebody wrote after `option`. Raises ValueError for anything but a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{option} {text}: must be a number greater than 0")
    return number


def last_words(error: BaseException) -> tuple[str, int] | None:
    """The line and the exit status with which a command ends; None for a fault of the program itself."""
    if isinstance(error, ValueError | OSError):
        return printable(f"error: {error}"), USER_ERROR
    if isinstance(error, MemoryError):
        return printable(f"error: not enough memory{f' ({error})' if str(error) else ''}"), USER_ERROR
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    return ("terminated", TERMINATED) if isinstance(error, Terminated) else None


class Terminated(BaseException):
    """SIGTERM came where nothing has to be saved."""


def _stop_again(unraisable: Any) -> None:
    """Sends again a signal that came where no exception can rise: in JAX's callback of the garbage collector.

    Python only prints such an exception, and the program would go on.
    """
    number = {KeyboardInterrupt: signal.SIGINT, Terminated: signal.SIGTERM}.get(unraisable.exc_type)
    if number is None:
        # What Orbax had still to read when it failed; that it did is an error of its own.
        if "Event loop is closed" not in str(unraisable.exc_value):
            sys.__unraisablehook__(unraisable)
    else:
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated


class Stop:
    """Whether a signal has asked this process to stop, and which."""

    caught: signal.Signals | None = None

    @property
    def status(self) -> int:
        """Exit status of the run that was stopped."""
        return stop_status(self.caught)

    @property
    def exception(self) -> BaseException:
        """What the signal would have raised, had it not been noted: to be raised once all is saved."""
        return KeyboardInterrupt() if self.status == INTERRUPTED else Terminated()


def stop_status(caught: signal.Signals | None) -> int:
    """Exit status of a run that a signal stopped."""
    return TERMINATED if caught == signal.SIGTERM else INTERRUPTED


@contextmanager
def catch_stop(ends_process: bool = True) -> Iterator[Stop]:
    """Notes the first SIGINT or SIGTERM for the loop to act on; a second one ends the process at once.

    With `ends_process` False the second one does what it would have done without this: SIGINT raises
    KeyboardInterrupt. Only the main thread hears of signals; in any other this notes none.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _: object) -> None:
        if stop.caught is None:
            stop.caught = signal.Signals(number)
        elif ends_process:
            os._exit(stop.status)  # an exception could be swallowed by whatever callback is running
        else:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
