"""The label command driven by key on a virtual screen (Xvfb, xdotool)."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wt_jax import label
from wt_jax.data.labels import read_starts
from wt_jax.pose.landmarks import save_landmarks

REAL_CLIP = Path(__file__).resolve().parents[2] / "shared" / "videos" / "raw" / "squats" / "squat_17.mp4"


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


def labels_of(clip):
    return read_starts(clip.parents[2] / "labels" / "squats" / f"{clip.stem}.csv", 10**6).tolist()


def draft_of(clip):
    path = clip.parents[2] / "labels" / "squats" / f".{clip.stem}.draft.csv"
    return read_starts(path, 10**6).tolist() if path.exists() else None


def test_labelling_by_key_and_reopening(virtual_screen, clip):
    virtual_screen.open(clip)
    virtual_screen.press("l", "m")
    until(lambda: draft_of(clip) == [25])
    virtual_screen.press("Right", "Right", "Right", "Return")
    until(lambda: draft_of(clip) == [25, 28])
    virtual_screen.press("u")
    until(lambda: draft_of(clip) == [25])
    virtual_screen.press("r", "h", "h", "s")
    until(lambda: draft_of(clip) is None)
    assert labels_of(clip) == [25, 28]
    virtual_screen.press("End", "Left", "space")  # plays the last frame, and stops there
    virtual_screen.press("m", "q", "q")
    assert "NOT saved: 3 marks, kept as a draft" in virtual_screen.closed()
    assert (labels_of(clip), draft_of(clip)) == ([25, 28], [25, 28, 99])

    virtual_screen.open(clip, "--propose")  # goes on with the draft
    virtual_screen.press("n", "x")
    until(lambda: draft_of(clip) == [28, 99])
    virtual_screen.press("q", "s")
    assert "2 repetitions in " in virtual_screen.closed()
    assert (labels_of(clip), draft_of(clip)) == ([28, 99], None)
    lines = (clip.parents[2] / "labels" / "squats" / "clip.csv").read_text().splitlines()
    assert lines[:2] == ["frame,label", "0,0"]
    assert len(lines) == 1 + 100


def test_proposals_in_the_window(virtual_screen, clip, squatting):
    save_landmarks(clip.parents[2] / "landmarks" / "squats" / "clip.npz", squatting())
    virtual_screen.open(clip, "--propose")
    virtual_screen.press("s", "q")
    assert "2 repetitions proposed" in virtual_screen.closed()
    assert labels_of(clip) == label.propose(squatting(), "squats").tolist()


def test_killed_while_marking_loses_nothing(virtual_screen, clip):
    virtual_screen.open(clip)
    virtual_screen.press("l", "m")
    until(lambda: draft_of(clip) == [25])
    virtual_screen.process.kill()
    virtual_screen.process.communicate()
    virtual_screen.open(clip)
    virtual_screen.press("s", "q")
    virtual_screen.closed()
    assert labels_of(clip) == [25]


@pytest.mark.skipif(not REAL_CLIP.exists(), reason="needs ../shared/videos beside the checkout")
def test_a_real_clip(virtual_screen, clip):
    real = clip.with_name(REAL_CLIP.name)
    shutil.copy(REAL_CLIP, real)
    virtual_screen.open(real)
    virtual_screen.press("l", "Left", "m")
    until(lambda: draft_of(real) == [24])  # at 25 frames a second
    virtual_screen.press("q", "s")
    virtual_screen.closed()
    assert labels_of(real) == [24]
