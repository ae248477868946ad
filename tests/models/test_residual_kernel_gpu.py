"""The residual stack as Triton kernels, in Pallas's interpreter, beside the layers that XLA compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from wt_jax import config
from wt_jax.models import tcn
from wt_jax.models.layers import tap_shifts
from wt_jax.models.residual_kernel_gpu import residual_stack
from wt_jax.models.tcn import ResidualBlock, draw_keys


def blocks_of(dtype="float32", **options):
    options = config.Model(filters=16, compute_dtype=dtype, **options)
    return [ResidualBlock(options, i) for i in range(options.blocks)]


def draw(blocks, frames, windows, seed=0):
    """Random parameters, inputs and gradients of the outputs."""
    filters, rng = blocks[0].options.filters, np.random.default_rng(seed)
    x_TxBxD, dout_TxBxD = rng.normal(size=(2, frames, windows, filters)).astype(np.float32)
    params = jax.eval_shape(lambda: [b.init(jax.random.key(0), x_TxBxD, None)["params"] for b in blocks])
    spread = {"kernel": 0.15, "scale": 0.3, "bias": 0.3}
    params = jax.tree.map_with_path(
        lambda path, p: (
            (rng.normal(size=p.shape) * spread[path[-1].key]).astype(np.float32) + (path[-1].key == "scale")
        ),
        params,
    )
    return params, x_TxBxD, dout_TxBxD


def by_xla(blocks, params, x_TxBxD, keys_2xB):
    for block, block_params in zip(blocks, params, strict=True):
        x_TxBxD = block.apply({"params": block_params}, x_TxBxD, keys_2xB)
    return x_TxBxD


def by_kernel(blocks, params, x_TxBxD, keys_2xB, interpret=True):
    options = blocks[0].options
    weights = [
        (
            *(p[f"conv_{i}"][name] for name in ("kernel", "bias")),
            *(p[f"norm_{i}"][name] for name in ("scale", "bias")),
        )
        for p in params
        for i in range(2)
    ]
    shifts = tuple(tap_shifts(options.kernel_size, block.dilation, options.causal) for block in blocks)
    return residual_stack(x_TxBxD, weights, keys_2xB, shifts, options.dropout, interpret)


def differentiate(stack, blocks, params, x_TxBxD, dout_TxBxD, keys_2xB):
    """The outputs and all gradients."""

    def run(params, x_TxBxD, dout_TxBxD):
        out_TxBxD, backward = jax.vjp(lambda *args: stack(blocks, *args, keys_2xB), params, x_TxBxD)
        return out_TxBxD, *backward(dout_TxBxD)

    return jax.jit(run)(params, x_TxBxD, dout_TxBxD)


@pytest.mark.parametrize(
    ("frames", "windows", "causal", "drop", "kernel_size", "dilations"),
    [(30, 6, False, True, 3, (1, 16)), (48, 3, True, True, 3, (40, 64)), (30, 4, True, False, 5, (2, 29))],
)
def test_equals_the_layers(frames, windows, causal, drop, kernel_size, dilations):
    """With windows that no program fills, taps that read nothing, and a part of a sum that has no rows."""
    blocks = blocks_of(blocks=2, causal=causal, kernel_size=kernel_size, dilations=dilations)
    given = draw(blocks, frames, windows)
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(windows)) if drop else None
    ours, theirs = (differentiate(stack, blocks, *given, keys_2xB) for stack in (by_kernel, by_xla))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max()), ours, theirs
    )


def test_bfloat16_is_as_near_to_float32_as_the_layers_are():
    """Errors beside what they are of: 0.3 % in the outputs, 1 to 6 % in the gradients, where a ReLU turns."""
    whole, half = (blocks_of(dtype, blocks=1, dilations=(4,)) for dtype in ("float32", "bfloat16"))
    params, *rows = draw(whole, 30, 40)
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(40))
    exact = differentiate(by_xla, whole, params, *rows, keys_2xB)
    rows = [jnp.asarray(array, jnp.bfloat16) for array in rows]

    def errors(stack):
        found = differentiate(stack, half, params, *rows, keys_2xB)
        return [
            float(jnp.linalg.norm((a - b).ravel()) / jnp.linalg.norm(b.ravel()))
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True)
        ]

    ours, theirs = errors(by_kernel), errors(by_xla)
    assert ours[0] < 0.005 and theirs[0] < 0.005  # the outputs
    assert sum(ours) < 1.5 * sum(theirs)


def test_triton_takes_the_kernels():
    """Lowered for a GPU that is not here: forward, backward and gradients are one Triton kernel each."""
    blocks = blocks_of("bfloat16", blocks=2)
    params, x_TxBxD, _ = draw(blocks, 30, 4)

    def loss(params, x_TxBxD, keys_2xB):
        return by_kernel(blocks, params, x_TxBxD.astype(jnp.bfloat16), keys_2xB, interpret=False).sum()

    device = AbstractDevice(device_kind="NVIDIA H200", num_cores=132, platform="gpu")
    with use_abstract_mesh(AbstractMesh((1,), ("data",), abstract_device=device)):
        traced = jax.jit(jax.grad(loss)).trace(params, x_TxBxD, np.zeros((2, 4), np.uint32))
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("xla.gpu.triton") == 3


@pytest.mark.parametrize(("frames", "filters"), [(129, 16), (30, 48)])
def test_says_what_it_does_not_take(frames, filters):
    with pytest.raises(
        ValueError, match=rf"window_frames.*{frames}.*model.filters.*{filters}.*model.kernel=xla"
    ):
        residual_stack(jnp.zeros((frames, 4, filters)), [], None, (), 0.0)


def test_a_model_for_a_gpu_has_its_layers_in_kernels(monkeypatch):
    """The same parameters, and the same outputs, by `model.kernel`; elsewhere the option changes nothing."""
    options = config.Config(model=config.Model(filters=16, blocks=2, dense_units=(8,), kernel="pallas"))
    options = config.check(options)
    called = []

    def interpreted(kernel):
        return lambda *args: called.append(kernel) or kernel(*args, interpret=True)

    kernels = tcn._KERNELS["gpu"]
    monkeypatch.setitem(tcn._KERNELS, "gpu", tuple(map(interpreted, kernels)))
    params = tcn.init_params(options)
    angles = jax.random.uniform(jax.random.key(1), (3, 30, 25))
    mask, keys_2xB = jnp.ones((3, 30), bool), draw_keys(jax.random.key(2), jnp.arange(3))
    outputs = [
        tcn.make_model(options, platform).apply({"params": params}, angles, mask, keys_2xB)
        for platform in ("cpu", "gpu")
    ]
    assert called == list(kernels)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *outputs)
