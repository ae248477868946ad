"""The live command in a window on a virtual screen (Xvfb, xdotool)."""

import json
import sys
import time

import pytest
from clips import MODEL, VIDEOS
from runs import POINTS, save_run


@pytest.mark.skipif(
    not (MODEL.is_file() and VIDEOS.is_dir()), reason="no shared model and videos beside the checkout"
)
def test_in_a_window(virtual_screen, tmp_path):
    """On a virtual screen: it shows the clip, pauses, counts from 0 again, and q ends it with the result."""
    run, output = save_run(tmp_path / "run", POINTS), tmp_path / "r.json"
    command = [
        sys.executable, "-m", "wt_jax.live", "--source", str(VIDEOS / "push-ups" / "videoplayback.mp4"),
        "--checkpoint", str(run), "--pose_model", str(MODEL), "--output", str(output),
    ]  # fmt: skip
    virtual_screen.start(command, "^wt_jax live")
    virtual_screen.press("space")
    time.sleep(1.0)  # paused: no frame of these is dropped
    virtual_screen.press("space", "r")
    time.sleep(2.0)
    virtual_screen.press("q")
    shown = virtual_screen.closed()
    written = json.loads(output.read_text())
    assert written["source"]["frames"] > 10
    assert 0 < written["segments"][0]["start_s"] < 20  # since the reset
    assert f"{written['source']['frames']} frames, {written['live']['dropped_frames']} dropped" in shown
