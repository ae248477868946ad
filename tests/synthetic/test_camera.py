"""Where the camera stands, and what it sees before a pose estimator's mistakes."""

import numpy as np
import pytest

from wt_jax.skeleton import HIPS
from wt_jax.synthetic import camera
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.camera import FRAME_RATES_HZ, choose_frames, drift, film
from wt_jax.synthetic.postures import stand

T_F = np.arange(60) / 30


@pytest.fixture
def standing() -> np.ndarray:
    """(60, 33, 3), somebody who stands still."""
    rng = np.random.default_rng(0)
    body = Body(rng)
    return body.points(stand(rng, body)[None]).repeat(60, 0)


@pytest.fixture
def faultless(monkeypatch):
    """What is seen, as it is: pixels, and depth behind the hips in pixels."""
    monkeypatch.setattr(camera, "estimate", lambda _, xy, z, *rest: np.concatenate([xy, z[..., None]], -1))


def test_frames_are_of_cameras_and_phones():
    drawn = [choose_frames(np.random.default_rng(seed)) for seed in range(300)]
    assert {fps for fps, _, _ in drawn} == set(FRAME_RATES_HZ)
    portrait = np.mean([width_px < height_px for _, width_px, height_px in drawn])
    assert 0.1 < portrait < 0.6


def test_wandering_is_slow_and_of_size_1():
    wave = drift(np.random.default_rng(0), np.arange(900) / 30, 200)
    assert 0.9 < wave.std() < 1.1 and abs(wave.mean()) < 0.1
    assert np.abs(np.diff(wave, axis=0)).mean() < 0.15  # a frame later


def test_limbs_keep_their_proportions_in_three_dimensions(standing, faultless):
    """With a depth in the units of x and y, whichever way the person is turned; but near ones are larger, and
    of some pictures the size is stated wrong."""
    ratios = []
    for seed in range(20):
        seen = film(np.random.default_rng(seed), standing, T_F, 1280, 720)
        pixels_a_metre = [
            np.linalg.norm(seen[0, a] - seen[0, b]) / np.linalg.norm(standing[0, a] - standing[0, b])
            for a, b in ((11, 12), (23, 24), (11, 23), (25, 27))
        ]
        ratios.append(max(pixels_a_metre) / min(pixels_a_metre))
        np.testing.assert_allclose(seen[:, list(HIPS), 2].mean(1), 0, atol=1e-9)
    assert np.median(ratios) < 1.35


def test_cameras_stand_all_around_high_and_low_and_some_move(standing, faultless):
    turned, tipped, moved, upright = [], [], [], []
    for seed in range(60):
        seen = film(np.random.default_rng(seed), standing, T_F, 1280, 720)
        across, up = seen[0, 11] - seen[0, 12], seen[0, [11, 12]].mean(0) - seen[0, [23, 24]].mean(0)
        turned.append(np.arctan2(across[2], across[0]))
        tipped.append(np.arctan2(up[2], -up[1]))
        moved.append(np.ptp(seen[..., :2], axis=0).max() / 720)
        upright.append(-up[1] > abs(up[0]))
    assert np.mean(upright) > 0.8
    assert np.histogram(turned, 8, (-np.pi, np.pi))[0].min() > 0
    assert min(tipped) < -0.15 and max(tipped) > 0.15 and np.abs(tipped).max() < 1.4
    assert 0.2 < np.mean(np.array(moved) > 0.005) < 0.8


def test_people_are_as_large_as_in_videos_and_some_are_cut_off(standing, faultless):
    share, cut_off = [], []
    for seed in range(60):
        seen = film(np.random.default_rng(seed), standing, T_F, 1280, 720)[..., :2] / [1280, 720]
        share.append(np.ptp(seen[0, :, 1]))
        cut_off.append(((seen < 0) | (seen > 1)).any())
    assert 0.45 < np.median(share) < 0.9 and min(share) > 0.2
    assert 0.05 < np.mean(cut_off) < 0.6
