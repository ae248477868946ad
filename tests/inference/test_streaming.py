"""A stream says the same as the whole: frames, windows, counts; and goes on at the same cost."""

import dataclasses
import math

import numpy as np
import pytest
from clips import SHARED
from runs import ANGLES, EVERYTHING, POINTS, compilations, said, save_run, walking

from wt_jax.counting.doubt import Doubt
from wt_jax.counting.taught_motion import taught_motion
from wt_jax.inference import streaming as stream_module
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.streaming import Stream, warm_up
from wt_jax.pose.joint_angles import SequenceStream, angle_sequence, point_sequence
from wt_jax.pose.landmarks import Landmarks, load_landmarks
from wt_jax.skeleton import NO_EXERCISE

pytestmark = pytest.mark.optimized
NAMES = {"angles": ANGLES, "points": POINTS}
CORPUS = SHARED / "corpus" / "landmarks"


@pytest.fixture(scope="module", params=NAMES)
def predictor(request, tmp_path_factory):
    return Predictor.restore(save_run(tmp_path_factory.mktemp("run"), NAMES[request.param]))


def with_gaps(landmarks, *spans):
    landmarks = landmarks.copy()
    for first, last in spans:
        landmarks[first:last] = np.nan
    return landmarks


def times_of(kind, n_frames):
    rng = np.random.default_rng(1)
    return {
        "30": 0.0 + np.arange(n_frames) / 30,
        "25 from 5 s": 5 + np.arange(n_frames) / 25,
        "120": np.arange(n_frames) / 120,
        "3, too few": np.arange(n_frames) / 3,
        "irregular": np.cumsum(rng.choice([0.001, 0.02, 0.04, 0.1, 0.249], n_frames)),
        "milliseconds": np.round(np.arange(n_frames) / 29.97, 3),
        "a long gap": np.arange(n_frames) / 30 + 3.0 * (np.arange(n_frames) > 50),
    }[kind]


KINDS = ("30", "25 from 5 s", "120", "3, too few", "irregular", "milliseconds", "a long gap")
GAPS = {"none": (), "some": ((0, 7), (20, 22), (40, 60), (97, 100)), "nobody": ((0, 100),)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gaps", GAPS)
def test_frames_settle_to_the_same_numbers(kind, gaps):
    landmarks, times_s = with_gaps(walking(100), *GAPS[gaps]), times_of(kind, 100)
    one = SequenceStream(320, 240)
    parts = [one.push(row, time_s) for row, time_s in zip(landmarks, times_s, strict=True)] + [one.flush()]
    angles, points, valid = (np.concatenate(part) for part in zip(*parts, strict=True))
    expected, expected_valid = angle_sequence(landmarks, times_s, 320, 240)
    np.testing.assert_array_equal(valid, expected_valid)
    np.testing.assert_array_equal(angles, expected)
    np.testing.assert_array_equal(points, point_sequence(landmarks, times_s, 320, 240))
    assert (angles.dtype, points.dtype) == (np.float32, np.float16)
    if kind == "30" and gaps == "none":
        assert [len(part[2]) for part in parts] == [1] * 100 + [0]  # nothing waits that need not


def test_a_time_that_stands_still_is_refused():
    one = SequenceStream(320, 240)
    one.push(walking(1)[0], 1.0)
    for time_s in (1.0, 0.5, np.nan):
        with pytest.raises(ValueError, match="strictly increasing"):
            one.push(walking(1)[0], time_s)


def push_all(stream, landmarks):
    return [stream.push(*one) for one in zip(landmarks.landmarks_FxLx4, landmarks.times_s, strict=True)]


def assert_same(streamed, whole):
    np.testing.assert_array_equal(streamed.timeline.angles_FxJ, whole.timeline.angles_FxJ)
    np.testing.assert_array_equal(streamed.timeline.valid_F, whole.timeline.valid_F)
    for name in ("signal_F", "probabilities_FxC"):
        a, b = getattr(streamed.timeline, name), getattr(whole.timeline, name)
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)
    assert len(said(streamed)) == len(said(whole))
    for a, b in zip(said(streamed), said(whole), strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    assert (streamed.counts, streamed.ranges) == (whole.counts, whole.ranges)
    assert streamed.confidence == pytest.approx(whole.confidence, abs=1e-4)
    assert (streamed.undecided is None) == (whole.undecided is None)


# Shorter than a window, as long as one, whole strides more, and anything.
@pytest.mark.parametrize("n_frames", [1, 2, 29, 30, 31, 33, 47, 48, 49, 54, 101, 250])
def test_the_end_is_what_predict_says(predictor, n_frames):
    landmarks = Landmarks(walking(n_frames), 30.0, 320, 240)
    stream = Stream(predictor, 320, 240)
    push_all(stream, landmarks)
    whole = predictor.predict(landmarks)
    assert_same(stream.flush(), whole)
    assert n_frames < 250 or len(whole.repetitions) > 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gaps", GAPS)
def test_the_same_at_any_rate_and_with_gaps(predictor, kind, gaps):
    landmarks = Landmarks(with_gaps(walking(100), *GAPS[gaps]), 30.0, 320, 240, times_of(kind, 100))
    stream = Stream(predictor, 320, 240)
    push_all(stream, landmarks)
    assert_same(stream.flush(), predictor.predict(landmarks))


def test_what_is_shown_is_what_predict_says_of_the_frames_so_far(predictor):
    landmarks = Landmarks(walking(300), 30.0, 320, 240)
    stream = Stream(predictor, 320, 240)
    states = push_all(stream, landmarks)
    span, stride = stream._span, stream._stride
    counted = []
    for n_frames in [*range(stride, span, stride), *range(span, 301, 7 * stride)]:
        so_far = predictor.predict(Landmarks(landmarks.landmarks_FxLx4[:n_frames], 30.0, 320, 240))
        shown = sum(states[n_frames - 1].counts.values())
        if predictor.options.data.overhang:  # windows over the end say a little more
            assert abs(shown - sum(so_far.counts.values())) <= 1, n_frames
        else:
            assert states[n_frames - 1].counts == so_far.counts, n_frames
            assert states[n_frames - 1].exercise == so_far.segments[-1].exercise
        counted.append(sum(so_far.counts.values()))
    assert counted[-1] > 5


def test_a_long_stream_counts_again_only_its_end(predictor, monkeypatch):
    monkeypatch.setattr(stream_module, "_KEPT_FRAMES", 200)
    monkeypatch.setattr(stream_module, "_CONTEXT_FRAMES", 300)
    monkeypatch.setattr(stream_module, "_MOST_FRAMES", 600)
    lengths, find = [], stream_module.find_segments
    monkeypatch.setattr(
        stream_module, "find_segments", lambda t, c: lengths.append(len(t.valid_F)) or find(t, c)
    )
    landmarks = Landmarks(walking(1500), 30.0, 320, 240)
    stream = Stream(predictor, 320, 240)
    push_all(stream, landmarks)
    assert max(lengths) <= 600 + stream._stride
    last = stream._next - stream._stride + stream._span  # frames that the last window has seen
    so_far = predictor.predict(Landmarks(landmarks.landmarks_FxLx4[:last], 30.0, 320, 240))
    shown, there = sum(stream.state.counts.values()), len(so_far.repetitions)
    assert there > 20
    assert abs(shown - there) <= 1
    assert_same(stream.flush(), predictor.predict(landmarks))
    assert len(stream._points) <= stream._span + stream._stride


def test_exercises_taught_by_clips_are_counted_by_what_repeats(predictor, monkeypatch):
    """In the end as predict does, and while it lasts as of the frames so far."""
    taught = tuple(name for name in predictor.classes if name != NO_EXERCISE)
    counting = dataclasses.replace(predictor.counting, taught=taught, taught_threshold=0.0)
    monkeypatch.setattr(predictor, "counting", counting)
    monkeypatch.setattr(stream_module, "_KEPT_FRAMES", 200)
    monkeypatch.setattr(stream_module, "_MOST_FRAMES", 600)
    landmarks = Landmarks(walking(900), 30.0, 320, 240)
    stream = Stream(predictor, 320, 240)
    push_all(stream, landmarks)
    whole = predictor.predict(landmarks)
    there = len(whole.repetitions)
    assert there > 10 and there == len(whole.any_starts_s)
    assert abs(sum(stream.state.counts.values()) - there) <= 2
    assert_same(stream.flush(), whole)
    assert all(low == high for low, high in whole.ranges.values())


def test_how_somebody_moves_is_heard_while_it_lasts(predictor, monkeypatch):
    monkeypatch.setattr("wt_jax.counting.taught_motion._LEAST_LIKENESS", 0.0)  # who walks so is not steady
    landmarks = Landmarks(walking(900), 30.0, 320, 240)
    whole = predictor.predict(landmarks).timeline
    motion = taught_motion("squats", whole.angles_FxJ, whole.valid_F, whole.upright_F)
    counting = dataclasses.replace(
        predictor.counting, class_threshold=1.0, taught=("squats",), taught_threshold=0.5, motions=(motion,)
    )
    monkeypatch.setattr(predictor, "counting", counting)
    stream = Stream(predictor, 320, 240)
    push_all(stream, landmarks)
    there = predictor.predict(landmarks)
    assert [one.odds for one in there.found_segments] == [30] and there.counts["squats"] > 10
    assert stream.state.counts == pytest.approx(there.counts, abs=2)
    assert_same(stream.flush(), there)
    monkeypatch.setattr(predictor, "counting", dataclasses.replace(counting, motions=()))
    assert predictor.predict(landmarks).counts == {}
    upside_down = dataclasses.replace(motion, upright=-motion.upright)
    monkeypatch.setattr(predictor, "counting", dataclasses.replace(counting, motions=(upside_down,)))
    stream = Stream(predictor, 320, 240)
    push_all(stream, landmarks)
    assert stream.state.counts == predictor.predict(landmarks).counts == {}


def test_it_is_as_undecided_as_predict_of_the_frames_so_far(predictor, monkeypatch):
    """Nothing is sure enough. A long stream remembers the beginning that it does not look at again."""
    monkeypatch.setattr(stream_module, "_KEPT_FRAMES", 200)
    monkeypatch.setattr(stream_module, "_CONTEXT_FRAMES", 300)
    monkeypatch.setattr(stream_module, "_MOST_FRAMES", 600)
    monkeypatch.setattr(
        predictor, "counting", dataclasses.replace(EVERYTHING, class_threshold=1.0, doubt=Doubt())
    )
    landmarks = Landmarks(with_gaps(walking(1500), (0, 200), (700, 800)), 30.0, 320, 240)
    stream = Stream(predictor, 320, 240)
    states = push_all(stream, landmarks)
    assert states[150].undecided is None  # nobody so far
    for n_frames in (400, 600, 900, 1500):
        so_far = predictor.predict(Landmarks(landmarks.landmarks_FxLx4[:n_frames], 30.0, 320, 240))
        shown = states[n_frames - 1].undecided.candidates
        assert so_far.exercise == NO_EXERCISE
        for one, other in zip(shown, so_far.undecided.candidates, strict=True):
            assert one.exercise == other.exercise
            assert one.probability == pytest.approx(other.probability, abs=5e-3)
    assert [one.exercise for one in stream.flush().undecided.candidates] == [one.exercise for one in shown]


def test_a_window_is_computed_once(predictor, monkeypatch):
    firsts, cut = [], stream_module.cut
    monkeypatch.setattr(stream_module, "cut", lambda *args: firsts.append(args[2]) or cut(*args))
    stream = Stream(predictor, 320, 240)
    push_all(stream, Landmarks(walking(300), 30.0, 320, 240))
    whole = (300 - stream._span) // stream._stride + 1
    beginning = (stream._span - 1) // stream._stride
    assert len(firsts) == whole + beginning


def test_an_empty_stream(predictor):
    stream = Stream(predictor, 320, 240)
    assert stream.state.counts == {}
    prediction = stream.flush()
    assert (prediction.exercise, prediction.repetitions, prediction.segments) == (None, [], [])


def test_the_delay_is_that_of_windows_smoothing_and_gaps(predictor):
    stream = Stream(predictor, 320, 240)
    smoothing = 3 * EVERYTHING.class_smoothing_frames
    assert stream.delay_s == pytest.approx((stream._span + stream._stride + smoothing) / 30 + 0.25)


def test_a_frame_costs_no_more_late_than_early(predictor):
    """Nothing is compiled that warm_up has not, and what is kept of all frames is hardly ever copied."""
    fresh, arrays = Predictor.restore(predictor.identity["checkpoint"]), []
    with compilations() as events:
        warm_up(fresh)
        n_first = len(events)
        stream = Stream(fresh, 320, 240)
        for landmarks_Lx4, time_s in zip(walking(900), np.arange(900) / 30, strict=True):
            stream.push(landmarks_Lx4, time_s)
            if not arrays or stream._angles._array is not arrays[-1]:
                arrays.append(stream._angles._array)
    assert n_first > 0 and events[n_first:] == []
    assert len(arrays) <= math.log2(900) + 2


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no shared corpus beside the checkout")
@pytest.mark.parametrize("name", ["dips/calimiro-dips_8", "push-ups/calimiro-videoplayback"])
def test_parity_on_landmarks_of_people(predictor, name):
    landmarks = load_landmarks(CORPUS / f"{name}.npz")
    stream = Stream(predictor, landmarks.width_px, landmarks.height_px)
    push_all(stream, landmarks)
    assert_same(stream.flush(), predictor.predict(landmarks))
