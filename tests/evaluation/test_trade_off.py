"""False repetitions against recall: the points of the curve, counted by hand and as results count them."""

import dataclasses

import numpy as np
import pytest

from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.recording_result import make_result
from wt_jax.evaluation.trade_off import trade_off
from wt_jax.skeleton import ANGLE_NAMES

CLASSES = ("squats", "dips", "no-exercise")
COUNTING = Counting(smoothing_frames=0, class_smoothing_frames=0, relative_height=0.0)


def said(make_recording, name, true, shares, heights):
    """A result and its timeline: the same probabilities everywhere, starts this high at 100, 200, ..."""
    signal_F = np.zeros(900, np.float32)
    signal_F[100 * np.arange(1, len(heights) + 1)] = heights
    timeline = Timeline(CLASSES, np.tile(np.float32(shares), (900, 1)), signal_F, np.ones(900, bool))
    recording = make_recording(name, 900, true)
    return make_result(recording, timeline, COUNTING), timeline


@pytest.fixture
def asked(make_recording):
    """Squats seen at 0.75, at 0.45 with faint starts, and as dips; half a minute of rest as dips at 0.65."""
    return (
        said(make_recording, "squats/sure", (100, 200, 300), (0.75, 0.0, 0.25), (0.9, 0.9, 0.9)),
        said(make_recording, "squats/faint", (100, 200), (0.45, 0.15, 0.4), (0.25, 0.25)),
        said(make_recording, "squats/as-dips", (100, 200), (0.3, 0.65, 0.05), (0.9, 0.9)),
        said(make_recording, "no-exercise/a", (), (0.0, 0.65, 0.35), (0.5, 0.5, 0.15)),
        said(make_recording, "squats/unknown", None, (0.0, 1.0, 0.0), ()),
    )


def test_points_by_hand(asked):
    found = trade_off(*zip(*asked, strict=True), COUNTING)
    points = {name: {one.pop("at"): one for one in map(dict, of)} for name, of in found["curves"].items()}
    assert found["working"] == {"false_reps_per_minute": 3 / 0.5, "obo": 1 / 3}
    assert points["class_threshold"][0.5] == found["working"]
    assert points["class_threshold"][0.4] == {"false_reps_per_minute": 3 / 0.5, "obo": 2 / 3}  # the faint
    assert points["class_threshold"][0.7] == {"false_reps_per_minute": 0, "obo": 1 / 3}
    assert points["class_threshold"][0.8] == {"false_reps_per_minute": 0, "obo": 0}
    assert points["peak_height"][0.2] == {"false_reps_per_minute": 2 / 0.5, "obo": 1 / 3}
    assert points["peak_height"][0.6] == {"false_reps_per_minute": 0, "obo": 1 / 3}


@pytest.mark.parametrize("change", [{}, {"class_threshold": 0.4}, {"peak_height": 0.2}, {"peak_height": 0.6}])
def test_a_point_counts_as_results_do(asked, change):
    counting = dataclasses.replace(COUNTING, **change)
    results = [make_result(one.recording, timeline, counting) for one, timeline in asked]
    off = [abs(one.n_end_to_end - one.n_true) for one in results if one.is_exercise and one.n_true]
    assert trade_off(*zip(*asked, strict=True), counting)["working"] == {
        "false_reps_per_minute": sum(one.n_end_to_end for one in results if not one.is_exercise) / 0.5,
        "obo": np.mean(np.array(off) <= 1),
    }


@pytest.mark.parametrize("kept", [slice(0, 3), slice(3, 5)])
def test_without_rest_or_without_known_repetitions_there_is_no_curve(asked, kept):
    found = trade_off(*zip(*asked[kept], strict=True), COUNTING)
    assert found == {"curves": {}, "working": {"false_reps_per_minute": None, "obo": None}}


def test_what_clips_have_taught_is_counted_as_results_count_it(make_recording):
    signal_F = np.zeros(900, np.float32)
    signal_F[[100, 300]] = 0.9  # which is not asked
    angles_FxJ = np.full((900, 25), 0.6, np.float32)
    knees = [ANGLE_NAMES.index("knee_left"), ANGLE_NAMES.index("knee_right")]
    angles_FxJ[:, knees] += 0.2 * np.cos(np.arange(900)[:, None] * 2 * np.pi / 90)
    said = Timeline(
        CLASSES, np.tile(np.float32([0.5, 0.1, 0.4]), (900, 1)), signal_F, np.ones(900, bool), angles_FxJ
    )
    counting = dataclasses.replace(COUNTING, taught=("squats",))
    recordings = [
        make_recording("squats/a", 900, range(0, 900, 90)),
        make_recording("no-exercise/a", 900, ()),
    ]
    results = [make_result(one, said, counting) for one in recordings]
    assert [one.n_end_to_end for one in results] == [9, 9]  # the first begins with the film
    working = trade_off(results, [said, said], counting)["working"]
    assert working == {"false_reps_per_minute": 9 / 0.5, "obo": 1}
