"""Augmentation: what may change does, by as much as it may, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wt_jax.config import Augment
from wt_jax.input_pipeline import augment as augment_module
from wt_jax.input_pipeline import features
from wt_jax.skeleton import ANGLE_NAMES

KEYS = jax.vmap(jax.random.key)(jnp.arange(64))
augment = jax.jit(augment_module.augment, static_argnums=0)


@jax.jit
def point_angles(points_BxTxLx3):
    return features.turned(features.point_angles(features.turned(points_BxTxLx3)))


@pytest.fixture(scope="module")
def batch():
    points = np.random.default_rng(0).uniform(-300, 300, (1, 6, 33, 3)).astype(np.float32)
    frames = np.ones((64, 6), bool)
    return {"points_BxTxLx3": jnp.asarray(points.repeat(64, 0)), "mask_BxT": jnp.asarray(frames),
            "counted_BxT": jnp.asarray(frames), "labels_B": jnp.arange(64)}  # fmt: skip


def test_nothing_changes_by_default(batch):
    after = augment_module.augment(Augment(), batch, KEYS)
    assert all(after[name] is batch[name] for name in batch)


def test_half_of_the_windows_are_mirrored(batch):
    before, after = batch["points_BxTxLx3"], augment(Augment(mirror=True), batch, KEYS)["points_BxTxLx3"]
    mirrored = np.asarray((before != after)[..., :2].any((1, 2, 3)))
    assert 20 <= mirrored.sum() <= 44
    of_one = point_angles(after[mirrored.argmax()][None])[0]
    for joint in ("elbow", "knee", "hip"):
        left, right = ANGLE_NAMES.index(f"{joint}_left"), ANGLE_NAMES.index(f"{joint}_right")
        np.testing.assert_allclose(of_one[:, left], point_angles(before[:1])[0][:, right], atol=1e-6)


@pytest.mark.parametrize(("axis", "kept"), [("yaw_deg", 1), ("pitch_deg", 0), ("roll_deg", 2)])
def test_a_camera_turns_about_its_axis(batch, axis, kept):
    """Of a body that a pose estimator finds so many times too deep."""
    before = batch["points_BxTxLx3"] / jnp.array([[[[1, 1, 2.8]]]])
    after = augment(Augment(**{axis: 30.0}), batch, KEYS)["points_BxTxLx3"]
    np.testing.assert_allclose(after[..., kept], before[..., kept], rtol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(after, axis=-1), jnp.linalg.norm(before, axis=-1), rtol=1e-5)
    others = [i for i in range(3) if i != kept]
    dot = (after[..., others] * before[..., others]).sum(-1)
    lengths = jnp.linalg.norm(after[..., others], axis=-1) * jnp.linalg.norm(before[..., others], axis=-1)
    degrees = np.rad2deg(np.arccos(np.clip(dot / lengths, -1, 1)))[:, 0, 0]
    assert 20 < degrees.max() <= 30.01
    assert len(np.unique(degrees.round(3))) > 60  # each window its own


def test_a_person_who_is_turned_keeps_the_proportions(batch):
    """A thigh as long as the shank, one towards the camera and one across, stays so."""
    points = np.zeros((64, 6, 33, 3), np.float32)
    points[..., 25, :] = [0, 0, -2.8 * 100]  # the knee: before the hip at (0, 0, 0), as it is estimated
    points[..., 27, :] = [100, 0, -2.8 * 100]
    options = Augment(yaw_deg=90.0)
    after = augment(options, {**batch, "points_BxTxLx3": jnp.asarray(points)}, KEYS)["points_BxTxLx3"]
    thigh, shank = (np.asarray(after[:, 0, a] - after[:, 0, b])[:, :2] for a, b in ((25, 23), (27, 25)))
    np.testing.assert_allclose((thigh**2).sum(1) + (shank**2).sum(1), 100**2, rtol=1e-4)
    assert np.ptp(np.abs(thigh[:, 0])) > 80


def test_roll_leaves_the_joint_angles_as_they_are(batch):
    after = augment(Augment(roll_deg=180.0), batch, KEYS)["points_BxTxLx3"]
    np.testing.assert_allclose(point_angles(after), point_angles(batch["points_BxTxLx3"]), atol=1e-4)


def test_jitter_is_in_torso_lengths(batch):
    off, far = (jitter_of(batch, size) for size in (0.1, 0.2))
    np.testing.assert_allclose(far, 2 * off, atol=1e-2)
    assert 0 < np.abs(off).mean() < 100
    larger = {**batch, "points_BxTxLx3": 3 * batch["points_BxTxLx3"]}
    np.testing.assert_allclose(jitter_of(larger, 0.1), 3 * off, atol=1e-2)


def test_jitter_stays_through_a_window_and_changes_slowly(batch):
    """As a pose estimator's errors do: half as much to and fro as all the time, and slowly."""
    long = {**batch, "points_BxTxLx3": batch["points_BxTxLx3"][:, :1].repeat(60, 1)}
    off = jitter_of(long, 0.1)
    constant, to_and_fro = off.mean(1).std(), (off - off.mean(1, keepdims=True)).std()
    assert 0.3 < to_and_fro / constant < 0.8
    assert np.abs(np.diff(off, axis=1)).mean() < 0.15 * np.abs(off).mean()
    of_window = off[np.abs(off).mean((1, 2, 3)).argmax()]
    assert abs(np.corrcoef(of_window[:, 3, 0], of_window[:, 20, 0])[0, 1]) < 1 - 1e-3  # each landmark its own


def jitter_of(batch, size) -> np.ndarray:
    """What is added to x and y."""
    after = augment(Augment(jitter=size), batch, KEYS)["points_BxTxLx3"]
    return np.asarray(after - batch["points_BxTxLx3"])[..., :2]


def test_a_missing_stretch_is_neither_seen_nor_counted(batch):
    after = augment(Augment(missing=0.5), batch, KEYS)
    gone = np.asarray(~after["mask_BxT"])
    assert (after["counted_BxT"] == after["mask_BxT"]).all()
    assert 0 < gone.sum(1).max() <= 4
    assert (np.abs(np.diff(gone.astype(int), axis=1)).sum(1) <= 2).all()  # one stretch


def test_stretch_is_as_often_longer_as_shorter():
    stretch = np.asarray(augment_module.draw_stretch(Augment(speed=0.5), KEYS))
    assert np.exp(-0.5) <= stretch.min() < 0.8 and 1.25 < stretch.max() <= np.exp(0.5)
    assert 20 <= (stretch > 1).sum() <= 44


@pytest.mark.optimized
def test_a_sample_is_changed_alike_in_any_batch(batch):
    options = Augment(mirror=True, yaw_deg=40, pitch_deg=20, roll_deg=10, jitter=0.05, missing=0.4)
    whole = augment(options, batch, KEYS)
    part = augment(options, {name: value[40:] for name, value in batch.items()}, KEYS[40:])
    for name in ("points_BxTxLx3", "mask_BxT"):
        np.testing.assert_allclose(part[name], whole[name][40:], rtol=1e-5, atol=1e-3)
