"""What is said of a video that is not sure: which exercises it may be, and between what a count lies."""

import numpy as np
import pytest

from wt_jax.counting.doubt import Doubt
from wt_jax.counting.prediction import read_timeline
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.inference.results import headline
from wt_jax.skeleton import NO_EXERCISE

CLASSES = ("lunges", "squats", NO_EXERCISE)


def predict(shares, valid_F=None, threshold=0.7, classes=CLASSES, doubt=None, heights=(1.0,)):
    """A `Prediction` of 300 frames that all have these probabilities, and starts 50 frames apart."""
    valid_F = np.ones(300, bool) if valid_F is None else valid_F
    probabilities = np.tile(np.array(shares, np.float32), (300, 1)) * valid_F[:, None]
    signal_F = np.zeros(300, np.float32)
    signal_F[30 + 50 * np.arange(len(heights))] = heights
    counting = Counting(class_threshold=threshold, smoothing_frames=0, doubt=doubt or Doubt())
    return read_timeline(Timeline(classes, probabilities, signal_F * valid_F, valid_F), counting, 0.0)


def test_an_exercise_that_is_probable_and_not_sure_is_named_beside_the_next_one():
    prediction = predict((0.604, 0.366, 0.03))
    assert (prediction.exercise, prediction.counts) == (NO_EXERCISE, {})
    assert prediction.confidence == pytest.approx(0.03)
    assert str(prediction.undecided) == "undecided: lunges 0.60 or squats 0.37?"
    assert headline(prediction) == str(prediction.undecided)
    said = prediction.document()
    assert said["undecided"] == [
        {"exercise": "lunges", "probability": 0.604}, {"exercise": "squats", "probability": 0.366},
    ]  # fmt: skip
    assert (said["exercise"], said["confidence"]) == (NO_EXERCISE, 0.03)


def test_what_is_counted_is_said_however_unsure_the_exercise():
    prediction = predict((0.55, 0.05, 0.4), threshold=0.5)
    assert (prediction.exercise, prediction.counts) == ("lunges", {"lunges": 1})
    assert str(prediction.undecided) == "undecided: lunges 0.55 or no-exercise 0.40?"
    assert headline(prediction) == "undecided: lunges 0.55 or no-exercise 0.40? lunges 1"


def test_confidence_is_of_the_frames_that_are_said_to_be_of_the_exercise():
    """Squats at 0.9 for a while, and a longer rest."""
    shares = np.tile(np.float32((0.02, 0.08, 0.9)), (900, 1))
    shares[300:600] = 0.06, 0.9, 0.04
    timeline = Timeline(CLASSES, shares, np.zeros(900, np.float32), np.ones(900, bool))
    prediction = read_timeline(timeline, Counting(class_smoothing_frames=0), 0.0)
    assert prediction.exercise == "squats"
    assert prediction.confidence == pytest.approx(0.9)


def test_frames_without_anybody_do_not_make_it_less_probable():
    prediction = predict((0.604, 0.366, 0.03), np.arange(300) >= 100)
    assert prediction.undecided.candidates[0].probability == pytest.approx(0.604)


@pytest.mark.parametrize(
    ("shares", "threshold", "exercise"),
    [
        ((0.1, 0.1, 0.8), 0.7, NO_EXERCISE),
        ((0.604, 0.366, 0.03), 0.6, "lunges"),  # sure enough
        ((0.0, 0.0, 1.0), 0.7, NO_EXERCISE),
    ],
)
def test_what_is_decided(shares, threshold, exercise):
    prediction = predict(shares, threshold=threshold)
    assert prediction.exercise == exercise
    assert prediction.undecided is None
    assert prediction.document()["undecided"] is None


def test_nobody_seen_is_not_undecided():
    prediction = predict((0.604, 0.366, 0.03), np.zeros(300, bool))
    assert (prediction.exercise, prediction.confidence, prediction.undecided) == (None, 0.0, None)


def test_without_a_class_for_rest_whatever_is_not_sure_is_undecided():
    prediction = predict((0.4, 0.6), classes=("lunges", "squats"))
    assert prediction.exercise == NO_EXERCISE
    assert str(prediction.undecided) == "undecided: squats 0.60 or lunges 0.40?"


def test_validation_has_its_word_on_a_probability():
    """Odds of 3 to 1, tripled: 9 to 1; the others share the tenth as before."""
    surer = predict((0.75, 0.15, 0.1), doubt=Doubt(class_offset=float(np.log(3))))
    assert surer.confidence == pytest.approx(0.9)
    doubted = predict((0.75, 0.15, 0.1), doubt=Doubt(class_offset=float(-np.log(3))))
    assert doubted.exercise == "lunges"
    assert doubted.document()["undecided"] == [
        {"exercise": "lunges", "probability": 0.5}, {"exercise": "squats", "probability": 0.3},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("heights", "text"),
    [
        ((1, 1, 1, 1), "4"),  # starts count from 0.5 on
        ((1, 1, 1, 0.55), "4 (3-4)"),  # below 0.6: perhaps none
        ((1, 1, 1, 0.45), "3 (3-4)"),  # above 0.417: perhaps one
        ((1, 1, 0.52, 0.48), "3 (2-4)"),
        ((1, 1, 1, 0.4), "3"),
        ((), "0"),
    ],
)
def test_a_count_has_a_range_where_a_start_is_about_as_high_as_counts(heights, text):
    prediction = predict((0.9, 0.05, 0.05), heights=heights)
    assert prediction.count_text("lunges") == text
    assert headline(prediction) == f"lunges {text}"
    low, _, high = text.rpartition("(")[2].rstrip(")").partition("-")
    assert prediction.document()["ranges"] == {"lunges": [int(low), int(high or low)]}
    assert int(low) <= prediction.counts["lunges"] <= int(high or low)
    assert prediction.count_text("squats") == "0"


@pytest.mark.parametrize("bad", [{"class_slope": 0}, {"class_offset": "1"}, {"height_factor": True}])
def test_values_of_doubt_that_cannot_be(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*must be a number from"):
        Doubt(**bad)
