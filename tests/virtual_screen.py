"""A virtual screen (Xvfb, xdotool), a command on it, and somebody's fingers."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

SIZE_PX = (1400, 900)
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


class Screen:
    """A virtual screen, the label command on it, and somebody's fingers."""

    def __init__(self, display, folder):
        self.env = {**os.environ, "DISPLAY": display}
        self.place = None  # where commands are started
        self._pixels = Path(folder) / "Xvfb_screen0"

    def open(self, video, *options):
        """The label command, once its window is there: that of a folder is called as the folder."""
        command = [sys.executable, "-m", "wt_jax.label", str(video), *options]
        self.start(command, f"^{video.name}$" if video.is_dir() else f"^squats/{video.stem}$")

    def start(self, command, title):
        self.process = subprocess.Popen(command, env=self.env, cwd=self.place, **PIPES)
        self.window = until(lambda: self._xdotool("search", "--name", title).split() or self._ended())[0]
        self._xdotool("windowfocus", "--sync", self.window)
        time.sleep(0.5)

    def press(self, *keys):
        for key in keys:
            self._xdotool("key", key)
            time.sleep(0.2)  # OpenCV remembers one key alone

    def hold(self, key, seconds):
        self._xdotool("keydown", key)
        time.sleep(seconds)
        self._xdotool("keyup", key)

    def drag(self, *places, lets_go=True):
        """Presses the left button at the first of the (x, y) in the window, goes through all, lets go."""
        for i, (x, y) in enumerate(places):
            self._xdotool("mousemove", "--window", self.window, "--sync", str(x), str(y))
            if i == 0:
                self._xdotool("mousedown", "1")
            time.sleep(0.1)
        if lets_go:
            self._xdotool("mouseup", "1")
        time.sleep(0.1)

    def point_away(self):
        """Moves the mouse off the window."""
        self._xdotool("mousemove", *map(str, SIZE_PX))
        time.sleep(0.1)

    def picture(self):
        """What is on the whole screen: (H, W, 3) uint8 RGB."""
        width_px, height_px = SIZE_PX
        pixels = np.fromfile(self._pixels, np.uint8)[-4 * width_px * height_px :]
        return pixels.reshape(height_px, width_px, 4)[..., 2::-1].copy()

    def closed(self, status=0):
        """What it printed once it has ended by itself."""
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == status, err
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


@contextlib.contextmanager
def opened_screen():
    """A screen, with nothing on it."""
    reader, writer = os.pipe()
    size = "x".join(map(str, SIZE_PX))
    with tempfile.TemporaryDirectory() as folder:
        command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{size}x24", "-fbdir", folder]
        command += ["-nolisten", "tcp", "-noreset"]
        with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
            os.close(writer)
            with os.fdopen(reader) as answer:
                number = answer.readline().strip()
            screen = Screen(f":{number}", folder)
            try:
                yield screen
            finally:
                if hasattr(screen, "process"):
                    screen.process.kill()
                    screen.process.communicate()
                server.terminate()


@pytest.fixture
def virtual_screen():
    missing = [name for name in ("Xvfb", "xdotool") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: apt-get install xvfb xdotool")
    with opened_screen() as screen:
        yield screen
