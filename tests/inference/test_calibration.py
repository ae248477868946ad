"""Thresholds chosen on validation: better ones are found, lucky ones are not, and where they are kept."""

import dataclasses
import json
import math

import numpy as np
import pytest

from wt_jax.counting.decoding import count_repetitions, find_starts
from wt_jax.counting.doubt import Doubt
from wt_jax.counting.segments import find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.inference.calibration import calibrate, counting_error, fit_doubt

CLASSES = ("push-ups", "squats", "no-exercise")


def squats(make_recording, n_starts, height, noise, every=40):
    """A recording and its timeline: peaks of `height` at the starts, of `noise` between them."""
    n_frames = every * (n_starts + 1)
    starts = every // 2 + every * np.arange(n_starts)
    signal_F = np.zeros(n_frames, np.float32)
    for frame in starts:
        signal_F[frame - 2 : frame + 3] = height
        signal_F[frame + every // 2 - 2 : frame + every // 2 + 3] = noise
    probabilities = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (n_frames, 1))
    recording = make_recording(f"squats/{n_starts}-{height}", n_frames, starts)
    return recording, Timeline(CLASSES, probabilities, signal_F, np.ones(n_frames, bool))


def counts(timelines, counting):
    return [len(find_starts(t.signal_F, t.valid_F, counting)[0]) for t in timelines]


def test_error_of_a_count():
    assert counting_error(5, 5) == 0
    assert counting_error(4, 5) == pytest.approx(0.1 + 0.25)
    assert counting_error(10, 5) == pytest.approx(0.5 + 0.5)


def test_a_height_between_starts_and_noise_is_found(make_recording):
    """Noise of 0.69 of the starts' height: the default, 0.6 of it, counts double."""
    recordings, timelines = zip(
        *(squats(make_recording, n, 0.9, 0.62) for n in (4, 5, 7, 9, 12)), strict=True
    )
    assert counts(timelines, Counting()) == [8, 10, 14, 18, 24]
    chosen = calibrate(recordings, timelines)
    assert chosen.relative_height == 0.7 or chosen.min_distance_frames == 24
    assert counts(timelines, chosen) == [4, 5, 7, 9, 12]


def test_the_start_stays_where_nothing_is_clearly_better(make_recording):
    recordings, timelines = zip(*(squats(make_recording, n, 0.9, 0.1) for n in (4, 5, 6, 7, 8)), strict=True)
    assert calibrate(recordings, timelines) == Counting()


def test_false_repetitions_of_rest_raise_the_class_threshold(make_recording):
    """Rest that is taken for squats at 0.55, with a peak every second."""
    recordings, timelines = zip(*(squats(make_recording, n, 0.9, 0.0) for n in range(4, 9)), strict=True)
    _, other = squats(make_recording, 20, 0.9, 0.0)
    probabilities = np.tile(np.array([0.0, 0.55, 0.45], np.float32), (len(other.valid_F), 1))
    rest = make_recording("no-exercise/a", len(other.valid_F), ())
    other = dataclasses.replace(other, probabilities_FxC=probabilities)
    chosen = calibrate([*recordings, rest, rest], [*timelines, other, other])
    assert chosen.class_threshold > 0.55
    assert count_repetitions(other, chosen, find_segments(other, chosen)) == []


def sure(make_recording, name, true, share, heights):
    """A recording that squats are seen in with this probability, and starts of these heights."""
    signal_F = np.zeros(600, np.float32)
    signal_F[30 + 50 * np.arange(len(heights))] = heights
    shares = np.tile(np.float32((0, share, 1 - share)), (600, 1))
    return make_recording(name, 600, true), Timeline(CLASSES, shares, signal_F, np.ones(600, bool))


RAW = Counting(smoothing_frames=0, class_smoothing_frames=0)


def test_of_no_recording_doubt_is_the_default():
    assert fit_doubt([], [], RAW) == Doubt()


@pytest.mark.parametrize(("right", "low", "high"), [(0.5, 0.55, 0.75), (0.8, 0.75, 0.85), (1.0, 0.85, 0.98)])
def test_a_class_is_as_sure_as_validation_found_it(make_recording, right, low, high):
    """Squats at 0.8, of 40 recordings; few are believed less."""
    names = ["squats" if i < 40 * right else "push-ups" for i in range(40)]
    both = [sure(make_recording, f"{name}/{i}", None, 0.8, ()) for i, name in enumerate(names)]
    many = fit_doubt(*zip(*both, strict=True), RAW)
    few = fit_doubt(*zip(*both[::10], strict=True), RAW)
    assert low < many.confidence(0.8) < high
    assert abs(few.confidence(0.8) - 0.8) < abs(many.confidence(0.8) - 0.8) + 0.02 < 0.25
    assert many.confidence(0.5) < many.confidence(0.8) < many.confidence(0.9)


@pytest.mark.parametrize(
    ("height", "true", "factor"),
    [
        (0.2, 4, 1.0),  # four tall starts, a fifth far too low, and that is right
        (0.4, 5, 1.3),  # it was one: 0.4 is 0.8 of the working height
        (0.6, 4, 1.3),  # it counts, and was none
        (0.2, 9, 1.3),  # no range is wide enough: the widest
    ],
)
def test_ranges_are_as_wide_as_nine_in_ten_of_validation_need(make_recording, height, true, factor):
    starts = 30 + 50 * np.arange(true)
    both = [sure(make_recording, f"squats/{i}", starts, 0.9, (1, 1, 1, 1, height)) for i in range(30)]
    assert fit_doubt(*zip(*both, strict=True), RAW).height_factor == factor
    assert fit_doubt(*zip(*both[:2], strict=True), RAW).height_factor in (1.1, 1.2, 1.3, factor)
    named_wrong = [(recording, replaced(timeline)) for recording, timeline in both]
    assert fit_doubt(*zip(*named_wrong, strict=True), RAW).height_factor == Doubt().height_factor


def replaced(timeline):
    return dataclasses.replace(timeline, probabilities_FxC=timeline.probabilities_FxC[:, [1, 0, 2]])


def test_nothing_to_choose_by(make_recording):
    recording, timeline = squats(make_recording, 3, 0.9, 0.0)
    unknown = dataclasses.replace(recording, starts=None)
    assert calibrate([unknown] * 9, [timeline] * 9) is None
    assert calibrate([recording] * 4, [timeline] * 4) is None  # too few to tell skill from luck
    assert calibrate([recording] * 5, [timeline] * 5) == Counting()
    assert calibrate([], []) is None


BAD_COUNTING = [
    {"doubt": {"class_slope": 0}}, {"doubt": 1}, {"doubt": {"unknown": 1}}, {"peak_height": "0.3"},
    {"peak_height": math.nan}, {"min_distance_frames": -5}, {"peak_height": True},
    {"smoothing_frames": 1e9}, {"min_segment_frames": 90.0}, {"class_threshold": None},
]  # fmt: skip


def test_kept_in_the_checkpoint(tmp_path):
    from wt_jax.training.step_folder import StepFolder

    folder = StepFolder(tmp_path / "7")
    assert folder.counting() is None
    counting = Counting(peak_height=0.3, min_distance_frames=24)
    folder.save_counting(counting)
    assert folder.counting() == counting
    doubtful = dataclasses.replace(counting, doubt=Doubt(1.5, -0.25, 1.4))
    folder.save_counting(doubtful)
    assert folder.counting() == doubtful
    folder.save_counting(counting)
    path = tmp_path / "7" / "counting.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"peak_height": 0.4}))
    with pytest.raises(ValueError, match=r"counting\.json: damaged \(not as it was written"):
        folder.counting()
    del values["sha256"], values["doubt"]  # as older versions wrote it
    path.write_text(json.dumps(values))
    assert folder.counting() == counting
    path.write_text(json.dumps(values | {"frame_rate_hz": 10.0}))
    with pytest.raises(
        ValueError, match=r"chosen at 10\.0 frames a second, this wt_jax reads timelines at 30"
    ):
        folder.counting()
    for text in ("{", "[]", *(json.dumps(values | bad) for bad in ({"unknown": 1}, *BAD_COUNTING))):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"counting\.json: damaged"):
            folder.counting()
