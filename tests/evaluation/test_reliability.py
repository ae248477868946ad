"""Whether confidence and ranges hold, worked out by hand."""

import numpy as np
import pytest

from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.recording_result import make_result
from wt_jax.evaluation.reliability import reliability

CLASSES = ("squats", "dips", "no-exercise")
COUNTING = Counting(smoothing_frames=0, class_smoothing_frames=0)


def said(make_recording, name, true, shares, heights=(), nobody=False):
    """A result and its timeline: the same probabilities everywhere, starts this high at 100, 200, ..."""
    signal_F = np.zeros(900, np.float32)
    signal_F[100 * np.arange(1, len(heights) + 1)] = heights
    valid_F = np.full(900, not nobody)
    shares_FxC = np.tile(np.float32(shares), (900, 1)) * valid_F[:, None]
    timeline = Timeline(CLASSES, shares_FxC, signal_F, valid_F)
    return make_result(make_recording(name, 900, true), timeline, COUNTING), timeline


def test_by_hand(make_recording):
    asked = (
        said(make_recording, "squats/plain", (100, 200), (0.91, 0.09, 0.0), (1, 1)),
        said(make_recording, "squats/range", (100, 200, 300), (0.94, 0.06, 0.0), (1, 1, 0.55)),  # 2-3
        said(make_recording, "squats/missed", (100, 200), (0.92, 0.08, 0.0), (1,)),
        said(make_recording, "dips/wrong", (100,), (0.75, 0.25, 0.0), (1,)),
        said(make_recording, "squats/unknown", None, (0.55, 0.45, 0.0), (1,)),  # undecided, and right
        said(make_recording, "no-exercise/a", (), (0.24, 0.0, 0.76)),
        said(make_recording, "squats/nobody", (), (0, 0, 0), nobody=True),
    )
    found = reliability(*zip(*asked, strict=True), COUNTING)
    exercise = found["exercise"]
    assert [(one["from"], one["recordings"]) for one in exercise["bins"]] == [(0.5, 1), (0.7, 2), (0.9, 3)]
    assert [one["right"] for one in exercise["bins"]] == [1, 1 / 2, 1]
    assert [one["confidence"] for one in exercise["bins"]] == pytest.approx([0.55, 0.755, 2.77 / 3])
    error = (0.45 + 2 * 0.255 + 0.23) / 6
    assert exercise["expected_calibration_error"] == pytest.approx(error, abs=1e-4)
    assert (exercise["recordings"], exercise["undecided"]) == (6, 1)
    assert (exercise["right_undecided"], exercise["right_decided"]) == (1, 4 / 5)
    assert found["count"] == {
        "recordings": 3, "claimed": 0.9, "covered": 2 / 3, "covered_plain": 1 / 2, "ranges": 1,
        "mean_width": 1 / 3,
    }  # fmt: skip


def test_of_nothing_there_is_no_share(make_recording):
    found = reliability(*zip(said(make_recording, "squats/a", (), (0, 0, 0), nobody=True)), COUNTING)
    assert found["exercise"] == {
        "recordings": 0, "expected_calibration_error": None, "undecided": 0, "right_decided": None,
        "right_undecided": None, "bins": [],
    }  # fmt: skip
    assert (found["count"]["recordings"], found["count"]["covered"]) == (0, None)
