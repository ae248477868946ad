"""Repetitions in time: where they start, and that what goes down comes up before the next."""

import numpy as np
import pytest

from wt_jax.synthetic.movement import Movement, ease, repeat

POSES = np.zeros((4, 17, 3)) + np.array([0.0, 1.0, 2.0, 4.0]).reshape(4, 1, 1)


def test_poses_between_two_are_interpolated_and_a_loop_closes():
    down = Movement(POSES, (1.0, 2.0))
    assert down.at(np.array([0, 0.5, 2.5, 3.0, 3.7, -1.0]))[:, 0, 0].tolist() == [0, 0.5, 3, 4, 4, 0]
    round_ = Movement(POSES, (1.0, 2.0), is_loop=True)
    assert round_.at(np.array([0, 2.5, 3.5, 4.0, 9.0]))[:, 0, 0].tolist() == [0, 3, 2, 0, 1]


def test_curves_go_through_their_points_without_going_beyond_them():
    times_s, values = np.array([0, 1, 1.5, 2.5, 4]), np.array([0, 3, 3, 1, 2.0])
    np.testing.assert_allclose(ease(times_s, values, times_s), values)
    curve = ease(times_s, values, np.linspace(0, 4, 200))
    for a, b in ((0, 50), (75, 125), (126, 200)):
        steps = np.diff(curve[a:b])
        assert (steps >= -1e-9).all() or (steps <= 1e-9).all()
    assert curve.min() == 0 and curve.max() <= 3
    np.testing.assert_allclose(ease(times_s, values, np.array([-1, 9.0])), [0, 2])  # before, and after


@pytest.mark.parametrize("is_loop", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_a_set_begins_a_repetition_where_the_extended_position_is_left(is_loop, seed):
    movement = Movement(POSES, (0.8, 3.0), is_loop)
    times_s, phases, starts_s = repeat(np.random.default_rng(seed), movement, 15.0)
    assert times_s[0] == phases[0] == 0 and (np.diff(times_s) > 0).all() and (np.diff(starts_s) > 0).all()
    assert 15 <= times_s[-1] < 25 and len(starts_s) >= 4
    assert np.isin(starts_s, times_s).all() and (is_loop or phases[-1] < 0.05 * 3)
    for start_s, end_s in zip(starts_s, [*starts_s[1:], times_s[-1] + 1], strict=True):
        within = (times_s >= start_s) & (times_s < end_s)
        of_one = phases[within]
        if is_loop:  # once round
            assert of_one[0] % 4 == 0 and of_one[-1] == of_one[0] + 4
        else:  # there and back
            assert of_one[0] < 0.05 * 3
            assert of_one.max() > 0.5 * 3  # half repetitions go at least half way
            assert 0.3 < end_s - start_s < 3 * 1.5 * 1.5 + 3.5


def test_a_twitch_is_no_repetition():
    """It stands between two of them and goes less than a quarter of the way."""
    n_twitches = 0
    for seed in range(40):
        times_s, phases, starts_s = repeat(np.random.default_rng(seed), Movement(POSES, (1.0, 2.0)), 15.0)
        peaks = (phases[1:-1] > phases[:-2] + 0.1) & (phases[1:-1] > phases[2:])
        shallow = peaks & (phases[1:-1] < 0.3 * 3)
        n_twitches += shallow.sum()
        deep = np.flatnonzero(phases > 0.5 * 3)
        assert len(starts_s) == np.count_nonzero(np.diff(deep, prepend=-9) > 1)  # one of each dive
        assert (np.searchsorted(starts_s, times_s[deep], side="right") > 0).all()
    assert 5 < n_twitches < 100


def test_a_loop_with_two_starts_counts_both_sides():
    """An archer bends to one side and then to the other: two repetitions a round."""
    movement = Movement(POSES, (1.0, 2.0), is_loop=True, starts=(0, 2))
    times_s, phases, starts_s = repeat(np.random.default_rng(0), movement, 12.0)
    at_start = phases[np.searchsorted(times_s, starts_s)]
    np.testing.assert_array_equal(at_start, 2 * np.arange(len(at_start)))


def test_people_differ_in_pace_and_tire():
    gaps_s = [
        np.diff(repeat(np.random.default_rng(seed), Movement(POSES, (0.6, 4.0)), 20.0)[2])
        for seed in range(60)
    ]
    typical_s = [np.median(gaps) for gaps in gaps_s if len(gaps)]
    assert min(typical_s) < 0.9 and max(typical_s) > 3
    later = [np.median(gaps[-4:]) / np.median(gaps[:4]) for gaps in gaps_s if len(gaps) >= 8]
    assert 1.02 < np.median(later) < 1.5
