"""The model's own layers, beside Flax's."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wt_jax.models.layers import CONVOLUTIONS, kept, norm_relu_dropout, tap_shifts
from wt_jax.models.tcn import DilatedConv, draw_keys

T = 30


@pytest.fixture(params=CONVOLUTIONS)
def target(request, monkeypatch):
    """The target that a program is made for: all ways of convolving run on a CPU as well."""
    one = dict.fromkeys(CONVOLUTIONS, CONVOLUTIONS[request.param])
    monkeypatch.setattr("wt_jax.models.layers.CONVOLUTIONS", one)
    return request.param


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("kernel_size", "dilation"),
    [(1, 40), (3, 1), (3, 9), (3, 15), (3, 29), (3, 30), (5, 1), (5, 14)],
)
def test_dilated_convolution_equals_flax(kernel_size, dilation, causal, target):
    rng = np.random.default_rng(dilation)
    x_BxTxD, weights, kernel, bias = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((2, T, 4), (2, T, 6), (kernel_size, 4, 6), (6,))
    )
    ours = DilatedConv(6, tap_shifts(kernel_size, dilation, causal), jnp.float32)
    flax = nn.Conv(6, (kernel_size,), kernel_dilation=dilation, padding="CAUSAL" if causal else "SAME")

    def by_us(params, x_BxTxD):
        return ours.apply({"params": params}, x_BxTxD.transpose(1, 0, 2)).transpose(1, 0, 2)

    def weighted(convolve, *args):
        y_BxTxD = convolve(*args)
        return (y_BxTxD * weights).sum(), y_BxTxD

    convolutions = (by_us, lambda params, x_BxTxD: flax.apply({"params": params}, x_BxTxD))
    both = [jax.grad(functools.partial(weighted, f), (0, 1), has_aux=True) for f in convolutions]
    results = jax.jit(lambda *args: [f(*args) for f in both])({"kernel": kernel, "bias": bias}, x_BxTxD)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), *results)


@pytest.mark.optimized
def test_dropout_masks_are_a_samples_own():
    """Another for each sample, site and step; the same wherever in a batch, on whatever device."""
    shape, rate = (T, 4, 16), 0.25
    whole = draw_keys(jax.random.key(5), jnp.arange(4))
    assert whole.shape == (2, 4) and whole.dtype == jnp.uint32
    np.testing.assert_array_equal(whole[:, 2:], draw_keys(jax.random.key(5), jnp.array([2, 3])))
    masks = np.array([kept(whole, site, shape, rate) for site in range(16)])
    np.testing.assert_array_equal(masks[3][:, 2:], kept(whole[:, 2:], 3, (T, 2, 16), rate))
    assert len({masks[site][:, sample].tobytes() for site in range(16) for sample in range(4)}) == 64
    other = draw_keys(jax.random.key(6), jnp.arange(4))
    assert not np.array_equal(masks[0], kept(other, 0, shape, rate))


@pytest.mark.optimized
def test_dropout_masks_look_like_coins():
    """Their rate, by site, frame, sample and filter; neighbours in all directions are independent."""
    samples, shape, n_sites = 64, (T, 64, 32), 8
    keys_2xB = draw_keys(jax.random.key(1), jnp.arange(samples))
    dropped = ~np.array([kept(keys_2xB, site, shape, 0.25) for site in range(n_sites)])
    for axis in range(4):
        others = tuple(i for i in range(4) if i != axis)
        n = dropped.size // dropped.shape[axis]
        deviations = (dropped.mean(others) - 0.25) / np.sqrt(0.25 * 0.75 / n)
        assert np.abs(deviations).max() < 4.5
        pairs = np.moveaxis(dropped, axis, 0)
        covariance = (pairs[1:] & pairs[:-1]).mean() - 0.25**2
        assert abs(covariance) < 4.5 * 0.25 * 0.75 / np.sqrt(pairs[1:].size)
    assert not kept(keys_2xB, 0, shape, 0.9).mean() > 0.11


@pytest.mark.optimized
def test_dropout_drops_its_rate_and_keeps_the_expectation():
    samples = 2000
    x = np.random.default_rng(0).normal(size=(T, 1, 8)).astype(np.float32).repeat(samples, 1)
    scale, offset = np.random.default_rng(1).normal(size=(2, 8)).astype(np.float32)

    @jax.jit
    def outputs(x):
        keys_2xB = draw_keys(jax.random.key(2), jnp.arange(samples))
        return [norm_relu_dropout(x, scale, offset, keys, 0, 0.25) for keys in (None, keys_2xB)]

    whole, dropped = map(np.asarray, outputs(x))
    live, stayed = whole > 1e-3, dropped != 0
    np.testing.assert_allclose((~stayed)[live].mean(), 0.25, atol=0.01)
    np.testing.assert_allclose(dropped[live & stayed], whole[live & stayed] / 0.75, rtol=1e-5)
    np.testing.assert_allclose(dropped[live].mean(), whole[live].mean(), rtol=0.02)
