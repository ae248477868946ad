"""What the model sees: the same angles from landmarks as from the recording, and what is made of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from wt_jax.config import Augment, Config, Data
from wt_jax.data_config import INPUTS
from wt_jax.input_pipeline.features import (
    FEATURES,
    lengths,
    make_inputs,
    n_inputs,
    needs_points,
    normalised,
    orientation,
    point_angles,
    turned,
)
from wt_jax.pose.joint_angles import joint_angles
from wt_jax.skeleton import LIMBS


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).uniform(-300, 300, (2, 5, 33, 3)).astype(np.float32)


def of_points(feature, points):
    return np.asarray(turned(feature({"points_3xLxTxB": turned(jnp.asarray(points))})))


def test_angles_of_points_are_those_of_the_recording(points):
    landmarks = np.concatenate([points, np.ones((2, 5, 33, 1), np.float32)], -1)
    for window, landmarks_TxLx4 in zip(turned(point_angles(turned(points))), landmarks, strict=True):
        np.testing.assert_allclose(window, joint_angles(landmarks_TxLx4, 1, 1), atol=2e-6)


def test_orientation_by_hand():
    """The torso hangs straight up, the left thigh points right, the right thigh down."""
    points = np.zeros((1, 1, 33, 3), np.float32)
    points[..., [11, 12], 1] = -50
    points[..., 25, 0], points[..., 26, 1] = 40, 40
    values = of_points(orientation, points)[0, 0]
    cosines, sines = values[: 1 + len(LIMBS)], values[1 + len(LIMBS) :]
    thighs = 1 + LIMBS.index((23, 25)), 1 + LIMBS.index((24, 26))
    assert cosines[0] == -0.5
    assert [cosines[i] for i in thighs] == [0, 0.5]
    assert [sines[i] for i in (0, *thighs)] == [0, 0.5, 0]
    assert np.isfinite(values).all()  # arms without a length


def test_lengths_by_hand():
    """Torso 50, left thigh 40, right thigh 30 towards the camera (unseen); arms and shanks have no length."""
    points = np.zeros((1, 1, 33, 3), np.float32)
    points[..., [11, 12], 1] = -50
    points[..., [13, 14, 15, 16, 17, 18, 19, 20, 21, 22], 1] = -50
    points[..., [25, 27, 29, 31], 0], points[..., 26, 2] = 40, -30
    values = of_points(lengths, points)[0, 0]
    assert values.shape == (3 + len(LIMBS),)
    expected = np.zeros(3 + len(LIMBS))
    expected[0], expected[1 + LIMBS.index((23, 25))] = 50, 40
    expected *= 0.5 / np.sqrt((expected**2).mean())
    np.testing.assert_allclose(values, expected, atol=0.006)


def test_lengths_do_not_change_with_size_place_and_depth(points):
    before = of_points(lengths, points)
    moved = 4 * points + np.array([100, -50, 0], np.float32)
    moved[..., 2] *= -7
    np.testing.assert_allclose(of_points(lengths, moved), before, rtol=1e-3)
    narrow = points * np.array([0.5, 1, 1], np.float32)  # turned away, they are others
    assert np.abs(of_points(lengths, narrow) - before).max() > 0.05


def test_normalised_is_relative_to_the_real_frames():
    angles = np.zeros((1, 4, 25), np.float32)
    angles[0, :, 3] = [0.2, 0.6, 0.2, 99.0]
    mask = np.array([[True, True, True, False]])
    values = np.asarray(turned(normalised({"angles_JxTxB": turned(angles), "mask_TxB": mask.T})))
    mean, spread = 1 / 3, np.sqrt(np.var([0.2, 0.6, 0.2]) + 0.03**2)
    np.testing.assert_allclose(
        values[0, :, 3], [*(0.5 * (np.array([0.2, 0.6, 0.2]) - mean) / spread), 0], rtol=1e-5
    )
    assert (values[..., 0] == 0).all()


def test_the_features_are_those_that_a_config_may_name():
    assert set(FEATURES) == set(INPUTS)


@pytest.mark.parametrize("names", [("angles",), ("angles", "orientation"), INPUTS])
def test_widths_are_what_is_made(points, names):
    batch = {"points_BxTxLx3": jnp.asarray(points), "mask_BxT": jnp.ones((2, 5), bool)}
    assert make_inputs(names, batch).shape == (2, 5, n_inputs(names))


def test_inputs_stand_in_the_order_of_their_names(points):
    batch = {"points_BxTxLx3": jnp.asarray(points), "mask_BxT": jnp.ones((2, 5), bool)}
    parts = [make_inputs((name,), batch) for name in ("normalised", "orientation", "angles")]
    whole = make_inputs(("normalised", "orientation", "angles"), batch)
    np.testing.assert_array_equal(whole, jnp.concatenate(parts, -1))


@pytest.mark.parametrize("name", INPUTS)
def test_only_what_says_so_needs_landmarks(name):
    batch = {"angles_BxTxJ": jnp.zeros((1, 4, 25)), "mask_BxT": jnp.ones((1, 4), bool)}
    if FEATURES[name].needs_landmarks:
        with pytest.raises(AssertionError, match=f"{name} needs landmarks"):
            make_inputs((name,), batch)
    else:
        assert make_inputs((name,), batch).shape == (1, 4, FEATURES[name].width)


def test_a_name_that_is_no_feature_is_refused(points):
    batch = {"points_BxTxLx3": jnp.asarray(points), "mask_BxT": jnp.ones((2, 5), bool)}
    for ask in (lambda: n_inputs(("speed",)), lambda: make_inputs(("angles", "speed"), batch)):
        with pytest.raises(AssertionError, match=r"no input feature 'speed'.*angles, orientation"):
            ask()


def test_landmarks_are_kept_only_where_needed():
    assert not needs_points(Config())
    assert not needs_points(Config(data=Data(inputs=("angles", "normalised")), augment=Augment(speed=0.3)))
    assert needs_points(Config(data=Data(inputs=("angles", "orientation"))))
    for change in ({"mirror": True}, {"yaw_deg": 1.0}, {"jitter": 0.1}):
        assert needs_points(Config(augment=Augment(**change)))
