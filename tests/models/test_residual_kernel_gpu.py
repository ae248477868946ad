"""The residual stack as Triton kernels, in Pallas's interpreter, beside the layers that XLA compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh
from residual_stacks import (
    assert_as_near,
    blocks_of,
    by_kernel,
    by_xla,
    differentiate,
    draw,
    errors_in_bfloat16,
)

from wt_jax import config
from wt_jax.models.residual_kernel_gpu import refusal, residual_stack
from wt_jax.models.tcn import draw_keys

by_triton = by_kernel(residual_stack)


@pytest.mark.parametrize(
    ("frames", "windows", "causal", "drop", "kernel_size", "dilations"),
    [(30, 6, False, True, 3, (1, 16)), (48, 3, True, True, 3, (40, 64)), (30, 4, True, False, 5, (2, 29))],
)
def test_equals_the_layers(frames, windows, causal, drop, kernel_size, dilations):
    """With windows that no program fills, taps that read nothing, and a part of a sum that has no rows."""
    blocks = blocks_of(blocks=2, causal=causal, kernel_size=kernel_size, dilations=dilations)
    given = draw(blocks, frames, windows)
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(windows)) if drop else None
    ours, theirs = (differentiate(stack, blocks, *given, keys_2xB) for stack in (by_triton, by_xla))
    assert_as_near(ours, theirs)


def test_bfloat16_is_as_near_to_float32_as_the_layers_are():
    """Errors beside what they are of: 0.3 % in the outputs, 1 to 6 % in the gradients, where a ReLU turns."""
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(40))
    ours, theirs = errors_in_bfloat16((by_triton, by_xla), 30, 40, keys_2xB, blocks=1, dilations=(4,))
    assert ours[0] < 0.005 and theirs[0] < 0.005  # the outputs
    assert sum(ours) < 1.5 * sum(theirs)


def test_triton_takes_the_kernels():
    """Lowered for a GPU that is not here: forward, backward and gradients are one Triton kernel each."""
    blocks = blocks_of("bfloat16", blocks=2)
    params, x_TxBxD, _ = draw(blocks, 30, 4)
    stack = by_kernel(residual_stack, interpret=False)

    def loss(params, x_TxBxD, keys_2xB):
        return stack(blocks, params, x_TxBxD.astype(jnp.bfloat16), keys_2xB).sum()

    device = AbstractDevice(device_kind="NVIDIA H200", num_cores=132, platform="gpu")
    with use_abstract_mesh(AbstractMesh((1,), ("data",), abstract_device=device)):
        traced = jax.jit(jax.grad(loss)).trace(params, x_TxBxD, np.zeros((2, 4), np.uint32))
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("xla.gpu.triton") == 3


def test_says_what_it_does_not_take():
    assert not refusal(config.Model(), 30)
    assert "(this is 129)" in refusal(config.Model(filters=16), 129)
    assert "(this is 48)" in refusal(config.Model(filters=48), 30)
