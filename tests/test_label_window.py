"""The label command driven by key and mouse on a virtual screen (Xvfb, xdotool)."""

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from virtual_screen import until

from wt_jax.data.labels import read_starts, write_starts
from wt_jax.labeling import curve_view
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
    """Of an exercise that the checkpoint in the box does not know: by what repeats."""
    save_landmarks(clip.parents[2] / "landmarks" / "lunges" / "clip.npz", squatting())
    command = [sys.executable, "-m", "wt_jax.label", str(clip), "--class", "lunges", "--propose"]
    virtual_screen.start(command, "^lunges/clip$")
    virtual_screen.press("s", "q")
    assert "2 repetitions proposed by what repeats" in virtual_screen.closed()
    labels = read_starts(clip.parents[2] / "labels" / "lunges" / "clip.csv", 100)
    assert labels.tolist() == propose(squatting(), "lunges").tolist()


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


def column(frame, last_frame=99):
    """Where a frame stands in the curves of a clip that is shown whole."""
    left, _, right, _ = curve_view.CURVES
    return left + round(frame / last_frame * (right - 1 - left))


ROW, OVERVIEW_ROW = curve_view.CURVES.top + 40, curve_view.OVERVIEW.top + 10


def test_labelling_by_mouse(virtual_screen, clip):
    virtual_screen.open(clip)
    virtual_screen.drag((column(20), ROW))
    virtual_screen.press("m")
    until(lambda: draft_of(clip) == [20])
    virtual_screen.drag((column(30), ROW), (column(41), ROW), (column(42), 300))  # the cursor, out of the box
    virtual_screen.press("m")
    until(lambda: draft_of(clip) == [20, 42])
    virtual_screen.drag((column(20) + 3, ROW), (column(30) + 3, ROW), (column(60) + 3, ROW))  # that mark
    until(lambda: draft_of(clip) == [42, 60])
    virtual_screen.drag((column(10), OVERVIEW_ROW), (column(90), OVERVIEW_ROW))
    virtual_screen.press("m", "u", "t")
    until(lambda: draft_of(clip) == [42, 90])
    virtual_screen.press("q", "s")
    assert "2 repetitions in " in virtual_screen.closed()


def test_a_step_held_down_goes_on(virtual_screen, clip):
    virtual_screen.open(clip)
    virtual_screen.hold("Right", 1.5)  # the server repeats a key after 0.66 s, then 25 times a second
    time.sleep(0.3)
    virtual_screen.press("m")
    until(lambda: draft_of(clip))
    (there,) = draft_of(clip)
    assert there > 5
    virtual_screen.hold("Left", 1.5)
    time.sleep(0.3)
    virtual_screen.press("m")
    until(lambda: len(draft_of(clip)) == 2)
    assert draft_of(clip)[0] < there - 5
    virtual_screen.press("q", "q")
    virtual_screen.closed()


def test_a_folder_from_start_to_end(virtual_screen, clip):
    """Twelve clips: some saved and on, some left as drafts and come back to, one that cannot be read."""
    folder = clip.parent
    names = [f"v{i:02}" for i in range(11)]
    for name in names:
        shutil.copy(clip, folder / f"{name}.mp4")
    (folder / "v05.mp4").write_bytes(b"")
    write_starts(folder.parents[1] / "labels" / "squats" / "clip.csv", np.array([1, 50]), 100)

    def press(*keys):
        virtual_screen.press(*keys)
        time.sleep(0.3)  # another video is opened

    virtual_screen.open(folder)
    for _ in range(5):  # v00 to v04, as clip is done
        press("l", "m", "g")
    assert [labels_of(folder / f"{name}.mp4") for name in names[:5]] == [[25]] * 5
    press("f")  # v05 cannot be opened
    press("l", "m", "f")  # v06 stays a draft
    press("l", "m", "g")  # v07
    for key in "bbbf":  # from v08 to v05, and on to v06
        press(key)
    press("l", "l", "m", "g")
    for _ in range(3):  # v08 to v10
        press("l", "m", "g")
    press("q")
    out = virtual_screen.closed(status=1)
    assert labels_of(folder / "v06.mp4") == [25, 50]
    assert [labels_of(folder / f"{name}.mp4") for name in names[7:]] == [[25]] * 4
    last = "11 of 12 done (squats 13 repetitions); 1 left: v05.mp4; the same command goes on"
    assert out.splitlines()[-1] == last
    assert out.count("cannot be opened: ") == 2
    assert out.count("NOT saved: 1 marks, kept as a draft") == 2
