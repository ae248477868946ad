"""The label command driven by key on a virtual screen (Xvfb, xdotool)."""

import shutil
from pathlib import Path

import pytest
from virtual_screen import until

from wt_jax.data.labels import read_starts
from wt_jax.labeling.proposals import propose
from wt_jax.pose.landmarks import save_landmarks

REAL_CLIP = Path(__file__).resolve().parents[2] / "shared" / "videos" / "raw" / "squats" / "squat_17.mp4"


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
    assert labels_of(clip) == propose(squatting(), "squats").tolist()


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
