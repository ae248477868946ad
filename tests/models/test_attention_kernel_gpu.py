"""Attention as Triton kernels, in Pallas's interpreter, beside the layers that XLA compiles."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from wt_jax import config
from wt_jax.models.attention_kernel_gpu import attend_and_normalise
from wt_jax.models.layers import EPSILON
from wt_jax.models.tcn import SelfAttention


def by_xla(options, params, x_TxBxD, mask_BxT):
    attention, norm = params
    x_TxBxD += SelfAttention(options).apply({"params": attention}, x_TxBxD, mask_BxT)
    layer = nn.LayerNorm(epsilon=EPSILON, dtype=jnp.dtype(options.compute_dtype))
    return layer.apply({"params": norm}, x_TxBxD)


def by_kernel(options, params, x_TxBxD, mask_BxT, interpret=True):
    return attend_and_normalise(x_TxBxD, mask_BxT, *params, options.causal, interpret)


def draw(options, frames, windows, seed=0):
    """Random parameters, inputs, masks with holes, and gradients of the outputs."""
    filters, rng = options.filters, np.random.default_rng(seed)
    x_TxBxD, dout_TxBxD = rng.normal(size=(2, frames, windows, filters)).astype(np.float32)
    mask_BxT = rng.random((windows, frames)) < 0.8
    mask_BxT[0] = False
    params = (
        jax.eval_shape(lambda: SelfAttention(options).init(jax.random.key(0), x_TxBxD, mask_BxT)["params"]),
        {"scale": jnp.zeros(filters), "bias": jnp.zeros(filters)},
    )
    params = jax.tree.map(lambda p: (rng.normal(size=p.shape) * 0.5).astype(np.float32), params)
    return params, x_TxBxD, mask_BxT, dout_TxBxD


def differentiate(layer, options, params, x_TxBxD, mask_BxT, dout_TxBxD):
    """The outputs and all gradients."""

    def run(params, x_TxBxD, dout_TxBxD):
        out_TxBxD, backward = jax.vjp(lambda *args: layer(options, *args, mask_BxT), params, x_TxBxD)
        return out_TxBxD, *backward(dout_TxBxD)

    return jax.jit(run)(params, x_TxBxD, dout_TxBxD)


@pytest.mark.parametrize(
    ("frames", "windows", "causal", "filters", "heads"),
    [(30, 5, False, 32, 2), (48, 2, True, 16, 1), (30, 3, True, 16, 4), (70, 2, False, 16, 1)],
)
def test_equals_the_layers(frames, windows, causal, filters, heads):
    """With windows that no program fills, one of them without a real frame, and heads under 16 filters."""
    options = config.Model(filters=filters, heads=heads, causal=causal)
    given = draw(options, frames, windows)
    ours, theirs = (differentiate(layer, options, *given) for layer in (by_kernel, by_xla))
    assert np.abs(theirs[1][0]["query"]["kernel"]).max() > 1
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max()), ours, theirs
    )


def test_what_a_mask_leaves_out_is_not_read():
    """Not by another frame, and no window reads another: the program's tile holds both."""
    options = config.Model(filters=16, heads=1)
    params, x_TxBxD, mask_BxT, _ = draw(options, 30, 2)
    other_TxBxD = np.where(mask_BxT.T[..., None], x_TxBxD, 9).astype(np.float32)
    other_TxBxD[:, 0] = 7
    outs = [by_kernel(options, params, x, mask_BxT) for x in (x_TxBxD, other_TxBxD)]
    seen = mask_BxT[1]
    np.testing.assert_array_equal(*(out[seen, 1] for out in outs))
    assert all(np.isfinite(out).all() for out in outs)


def test_bfloat16_is_as_near_to_float32_as_the_layers_are():
    """Errors beside what they are of: 0.8 % in the outputs, 0.2 to 4 % in the gradients."""
    whole, half = (config.Model(filters=32, heads=2, compute_dtype=t) for t in ("float32", "bfloat16"))
    params, x_TxBxD, mask_BxT, dout_TxBxD = draw(whole, 30, 20)
    exact = differentiate(by_xla, whole, params, x_TxBxD, mask_BxT, dout_TxBxD)
    x_TxBxD, dout_TxBxD = (jnp.asarray(array, jnp.bfloat16) for array in (x_TxBxD, dout_TxBxD))

    def errors(layer):
        found = differentiate(layer, half, params, x_TxBxD, mask_BxT, dout_TxBxD)
        return [
            float(jnp.linalg.norm((a - b).ravel()) / jnp.linalg.norm(b.ravel()))
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True)
            if np.any(b)  # the key's bias has no gradient
        ]

    ours, theirs = errors(by_kernel), errors(by_xla)
    assert ours[0] < 0.01
    assert all(our < 1.2 * their for our, their in zip(ours, theirs, strict=True))


def test_triton_takes_the_kernels():
    """Lowered for a GPU that is not here: forward, backward and gradients are one Triton kernel each."""
    options = config.Model(filters=64, heads=4, compute_dtype="bfloat16")
    params, x_TxBxD, mask_BxT, _ = draw(options, 30, 4)

    def loss(params, x_TxBxD):
        return by_kernel(options, params, x_TxBxD.astype(jnp.bfloat16), mask_BxT, interpret=False).sum()

    device = AbstractDevice(device_kind="NVIDIA H200", num_cores=132, platform="gpu")
    with use_abstract_mesh(AbstractMesh((1,), ("data",), abstract_device=device)):
        traced = jax.jit(jax.grad(loss)).trace(params, x_TxBxD)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("xla.gpu.triton") == 3
