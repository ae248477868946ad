"""A virtual screen (Xvfb, xdotool), a command on it, and somebody's fingers."""

import os
import shutil
import subprocess
import sys
import time

import pytest

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


class Screen:
    """A virtual screen, the label command on it, and somebody's fingers."""

    def __init__(self, display):
        self.env = {**os.environ, "DISPLAY": display}

    def open(self, video, *options):
        command = [sys.executable, "-m", "wt_jax.label", str(video), *options]
        self.start(command, f"^squats/{video.stem}$")

    def start(self, command, title):
        self.process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.window = until(lambda: self._xdotool("search", "--name", title).split() or self._ended())[0]
        self._xdotool("windowfocus", "--sync", self.window)
        time.sleep(0.5)

    def press(self, *keys):
        for key in keys:
            self._xdotool("key", key)
            time.sleep(0.2)  # OpenCV remembers one key alone

    def closed(self):
        """What it printed once it has ended by itself."""
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        return out

    def _ended(self):
        assert self.process.poll() is None, self.process.communicate()
        return []

    def _xdotool(self, *arguments):
        return subprocess.run(["xdotool", *arguments], env=self.env, capture_output=True, text=True).stdout


def until(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


@pytest.fixture
def virtual_screen():
    missing = [name for name in ("Xvfb", "xdotool") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: apt-get install xvfb xdotool")
    reader, writer = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writer),
        "-screen",
        "0",
        "1400x900x24",
        "-nolisten",
        "tcp",
        "-noreset",
    ]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with os.fdopen(reader) as answer:
            number = answer.readline().strip()
        screen = Screen(f":{number}")
        try:
            yield screen
        finally:
            if hasattr(screen, "process"):
                screen.process.kill()
                screen.process.communicate()
            server.terminate()
