"""What is written into the pictures."""

import numpy as np
import pytest
from clips import grey, write_clip
from runs import walking

from wt_jax.counting.naming import Candidate, Undecided
from wt_jax.counting.prediction import read_timeline
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.pose.landmarks import Landmarks
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.visualization import overlay

NOBODY = np.full((33, 4), np.nan, np.float32)
LUNGES_OR_DIPS = Undecided((Candidate("lunges", 0.55), Candidate("dips", 0.3)))
SAID = "undecided: lunges 0.55 or dips 0.30?"


@pytest.fixture
def panels(monkeypatch):
    """The lines of each panel drawn."""
    drawn = []
    monkeypatch.setattr(overlay, "draw_panel", lambda _, lines: drawn.append([text for text, _ in lines]))
    return drawn


@pytest.mark.parametrize(
    ("exercise", "counts", "undecided", "lines"),
    [
        ("squats", {"squats": 3, "dips": 0}, None, ["squats", "3", "note"]),
        (NO_EXERCISE, {"squats": 3}, None, [NO_EXERCISE, "squats 3", "note"]),
        (NO_EXERCISE, {}, LUNGES_OR_DIPS, [SAID, "note"]),
        ("dips", {"dips": 1}, LUNGES_OR_DIPS, [SAID, "1", "note"]),
        ("squats", {"squats": 1}, LUNGES_OR_DIPS, ["squats", "1", "note"]),
    ],
)
def test_the_panel(panels, exercise, counts, undecided, lines):
    overlay.draw_state(grey(), NOBODY, exercise, counts, notes=("note",), undecided=undecided)
    assert panels == [lines]


@pytest.mark.parametrize(
    ("exercise", "undecided", "lines"),
    [
        (NO_EXERCISE, None, ["repeating, exercise unknown: 4", "squats 3"]),
        (NO_EXERCISE, LUNGES_OR_DIPS, [SAID, "repeating, exercise unknown: 4", "squats 3"]),
        ("squats", None, ["squats", "3"]),
    ],
)
def test_the_panel_of_what_repeats_and_is_no_exercise(panels, exercise, undecided, lines):
    overlay.draw_state(grey(), NOBODY, exercise, {"squats": 3}, 4, undecided=undecided)
    assert panels == [lines]


def test_an_annotated_video_is_as_undecided_as_its_table(panels, tmp_path):
    shares = np.tile(np.array([0.6, 0.4], np.float32), (60, 1))
    timeline = Timeline(("lunges", NO_EXERCISE), shares, np.zeros(60, np.float32), np.ones(60, bool))
    prediction = read_timeline(timeline, Counting(class_threshold=0.7), 0.0)
    source = write_clip(tmp_path / "a.mp4", 60)
    overlay.annotate(tmp_path / "out.mp4", source, Landmarks(walking(60), 30.0, 64, 48), prediction)
    assert panels == [[str(prediction.undecided)]] * 60
    assert str(prediction.undecided) == "undecided: lunges 0.60 or no-exercise 0.40?"
