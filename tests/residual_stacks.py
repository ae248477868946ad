"""Residual stacks by XLA's layers and by a kernel, with the same parameters, inputs and gradients."""

import jax
import jax.numpy as jnp
import numpy as np

from wt_jax import config
from wt_jax.models.layers import tap_shifts
from wt_jax.models.stack_kernels import layer_weights
from wt_jax.models.tcn import ResidualBlock


def blocks_of(dtype="float32", **options):
    options = config.Model(**{"filters": 16, "compute_dtype": dtype, **options})
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


def by_kernel(residual_stack, interpret=True):
    def run(blocks, params, x_TxBxD, keys_2xB):
        options = blocks[0].options
        shifts = tuple(tap_shifts(options.kernel_size, block.dilation, options.causal) for block in blocks)
        return residual_stack(x_TxBxD, layer_weights(params), keys_2xB, shifts, options.dropout, interpret)

    return run


def differentiate(stack, blocks, params, x_TxBxD, dout_TxBxD, keys_2xB):
    """The outputs and all gradients."""

    def run(params, x_TxBxD, dout_TxBxD):
        out_TxBxD, backward = jax.vjp(lambda *args: stack(blocks, *args, keys_2xB), params, x_TxBxD)
        return out_TxBxD, *backward(dout_TxBxD)

    return jax.jit(run)(params, x_TxBxD, dout_TxBxD)


def assert_as_near(ours, theirs, tolerance=1e-5):
    """Every array to this share of its largest value."""
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max()),
        ours,
        theirs,
    )


def errors_in_bfloat16(stacks, frames, windows, keys_2xB, **options):
    """For each stack, of its outputs and gradients: the errors beside what they are of."""
    whole, half = (blocks_of(dtype, **options) for dtype in ("float32", "bfloat16"))
    params, *rows = draw(whole, frames, windows)
    exact = differentiate(by_xla, whole, params, *rows, keys_2xB)
    rows = [jnp.asarray(array, jnp.bfloat16) for array in rows]
    for stack in stacks:
        found = differentiate(stack, half, params, *rows, keys_2xB)
        yield [
            float(jnp.linalg.norm((a - b).ravel()) / jnp.linalg.norm(b.ravel()))
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True)
        ]
