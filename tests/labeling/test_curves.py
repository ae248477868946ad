"""The curves over the timeline: what they follow, and how they look where nobody moves, or is there."""

import dataclasses

import numpy as np
import pytest

from wt_jax.labeling.curves import make_curves
from wt_jax.pose.landmarks import Landmarks
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.motion import synthetic_motion


def test_they_fall_where_the_knee_bends(squatting):
    curves = make_curves(squatting(), "squats")
    assert list(curves.shares) == ["knee: angle", "hips over ankles: height"]
    for share_F in curves.shares.values():
        at = {time_s: share_F[round(time_s * 30)] for time_s in (0.5, 1.5, 2.2, 2.9)}
        assert min(at[0.5], at[2.2]) > 0.9
        assert max(at[1.5], at[2.9]) < 0.1
    assert curves.times_s[30] == pytest.approx(1.0)
    assert curves.valid_F.all()


@pytest.mark.parametrize(
    ("class_name", "travel"),
    [
        ("squats", "hips over ankles: height"),
        ("push-ups", "shoulders over wrists: height"),
        ("pull-ups", "shoulders over wrists: height"),
        ("dips", "shoulders over wrists: height"),
    ],
)
def test_both_move_with_the_repetitions_of_synthetic_people(class_name, travel):
    """A start is high on both, or low on the travel of a pull-up; half way to the next it is the reverse."""
    film = next(
        film
        for seed in range(99)
        if (film := synthetic_motion(class_name, np.random.default_rng(seed), Body(np.random.default_rng(0))))
        and film.class_known_F.all()
        and len(film.starts) > 5
    )
    curves = make_curves(Landmarks(film.landmarks_FxLx4, film.fps, film.width_px, film.height_px), class_name)
    assert list(curves.shares)[1] == travel
    starts_s = film.starts / film.fps
    for name, share_F in curves.shares.items():
        at_start, between = (
            np.interp(times_s, curves.times_s, share_F)
            for times_s in (starts_s, (starts_s[1:] + starts_s[:-1]) / 2)
        )
        sign = -1 if class_name == "pull-ups" and name == travel else 1
        assert sign * (np.median(at_start) - np.median(between)) > 0.4, name


def test_the_travel_of_another_exercise_is_what_moves_the_most(squatting):
    assert list(make_curves(squatting(), "lunges").shares)[1] == "hips over ankles: height"


def test_who_stands_still_has_flat_curves(squatting):
    curves = make_curves(squatting(24), "squats")
    for share_F in curves.shares.values():
        assert np.ptp(share_F) < 0.2


def test_where_nobody_is_seen(squatting):
    landmarks = squatting()
    hidden = landmarks.landmarks_FxLx4.copy()
    hidden[50:] = np.nan
    curves = make_curves(dataclasses.replace(landmarks, landmarks_FxLx4=hidden), "squats")
    assert curves.valid_F[:50].all()
    assert not curves.valid_F[62:].any()
    assert all(np.isfinite(share_F).all() for share_F in curves.shares.values())
    hidden[:] = np.nan
    curves = make_curves(dataclasses.replace(landmarks, landmarks_FxLx4=hidden), "squats")
    assert not curves.valid_F.any()
    assert all(np.isfinite(share_F).all() for share_F in curves.shares.values())
