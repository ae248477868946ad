"""What is said of a video in which no exercise is sure enough."""

import numpy as np
import pytest

from wt_jax.counting.decoding import Counting, Timeline
from wt_jax.counting.prediction import read_timeline
from wt_jax.skeleton import NO_EXERCISE

CLASSES = ("lunges", "squats", NO_EXERCISE)


def predict(shares, valid_F=None, threshold=0.7, classes=CLASSES):
    """A `Prediction` of 300 frames that all have these probabilities, and a start in the middle."""
    valid_F = np.ones(300, bool) if valid_F is None else valid_F
    probabilities = np.tile(np.array(shares, np.float32), (300, 1)) * valid_F[:, None]
    signal_F = np.zeros(300, np.float32)
    signal_F[150] = valid_F[150]
    counting = Counting(class_threshold=threshold)
    return read_timeline(Timeline(classes, probabilities, signal_F, valid_F), counting, 0.0)


def test_an_exercise_that_is_probable_and_not_sure_is_named_with_a_question_mark():
    prediction = predict((0.604, 0.366, 0.03))
    assert (prediction.exercise, prediction.counts) == (NO_EXERCISE, {})
    assert prediction.confidence == pytest.approx(0.03)
    assert str(prediction.undecided) == "undecided: lunges 0.60?"
    said = prediction.document()
    assert said["undecided"] == {"exercise": "lunges", "probability": 0.604}
    assert (said["exercise"], said["confidence"]) == (NO_EXERCISE, 0.03)  # what they meant before


def test_frames_without_anybody_do_not_make_it_less_probable():
    prediction = predict((0.604, 0.366, 0.03), np.arange(300) >= 100)
    assert prediction.undecided.probability == pytest.approx(0.604)


@pytest.mark.parametrize(
    ("shares", "threshold", "exercise"),
    [
        ((0.3, 0.3, 0.4), 0.7, NO_EXERCISE),  # rest is the most probable: it is said as such
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
    assert (prediction.exercise, prediction.undecided) == (None, None)


def test_without_a_class_for_rest_whatever_is_not_sure_is_undecided():
    prediction = predict((0.4, 0.6), classes=("lunges", "squats"))
    assert prediction.exercise == NO_EXERCISE
    assert str(prediction.undecided) == "undecided: squats 0.60?"
