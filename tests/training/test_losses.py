import math

import jax
import numpy as np
import pytest

from wt_jax.training.losses import focal_losses, segmentation_losses

LOGITS = np.log(np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], np.float32)) + 3
LABELS = np.array([0, 2, 1], np.int8)


@pytest.mark.parametrize(("gamma", "alpha"), [(1.0, 0.5), (2.0, 0.25), (0.5, 1.0), (0.0, 0.5)])
def test_focal_loss_by_hand(gamma, alpha):
    expected = [-alpha * (1 - p) ** gamma * math.log(p) for p in (0.7, 0.1, 0.25)]
    np.testing.assert_allclose(focal_losses(LOGITS, LABELS, gamma, alpha), expected, rtol=1e-5)


def test_focal_loss_of_gamma_0_is_alpha_times_cross_entropy():
    expected = [-0.5 * math.log(p) for p in (0.7, 0.1, 0.25)]
    np.testing.assert_allclose(focal_losses(LOGITS, LABELS, 0.0, 0.5), expected, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.0, 2.0])
def test_focal_loss_and_gradient_are_finite_at_extreme_logits(gamma):
    logits = np.array([[100, -100, 0], [-100, 100, 0], [100, 100, -100], [0, 0, 0]], np.float32)
    labels = np.zeros(4, np.int8)

    def total(logits):
        losses = focal_losses(logits, labels, gamma, 0.5)
        return losses.sum(), losses

    (_, losses), grads = jax.value_and_grad(total, has_aux=True)(logits)
    assert np.isfinite(grads).all()
    np.testing.assert_allclose(losses[:2], [0, 100], atol=1e-5)  # alpha x 200, where 1 - p is 1
    assert (np.sign(grads[1]) == [-1, 1, 0]).all()


def test_focal_gradient_against_differences():
    at = np.array([[0.3, -0.2, 0.5]], np.float64)
    labels = np.array([1])

    def plain(logits):
        p = np.exp(logits[0, 1]) / np.exp(logits[0]).sum()
        return -0.5 * (1 - p) ** 1.5 * np.log(p)

    steps = 1e-5 * np.eye(3)
    expected = [(plain(at + step) - plain(at - step)) / 2e-5 for step in steps]
    grads = jax.grad(lambda logits: focal_losses(logits, labels, 1.5, 0.5).sum())(at.astype(np.float32))
    np.testing.assert_allclose(grads[0], expected, rtol=1e-4)


def test_an_unknown_label_gives_a_finite_loss_to_mask():
    assert np.isfinite(focal_losses(LOGITS, np.array([-1, -1, 0], np.int8), 1.0, 0.5)).all()


def test_segmentation_loss_by_hand():
    p, target = np.array([[0.9, 0.2], [0.5, 0.6]]), np.array([[1.0, 0.0], [0.5, 0.25]])
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    logits = np.log(p / (1 - p)).astype(np.float32)
    losses = segmentation_losses(logits, target.astype(np.float32))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(losses[1, 0], math.log(2), rtol=1e-6)


def test_segmentation_loss_and_gradient_are_finite_at_extreme_logits():
    logits = np.array([[100, -100, 100, -100]], np.float32)
    targets = np.array([[1, 0, 0, 0.5]], np.float32)
    np.testing.assert_allclose(segmentation_losses(logits, targets), [[0, 0, 100, 50]], atol=1e-5)
    grads = jax.grad(lambda x: segmentation_losses(x, targets).sum())(logits)
    np.testing.assert_allclose(grads, [[0, 0, 1, -0.5]], atol=1e-5)
