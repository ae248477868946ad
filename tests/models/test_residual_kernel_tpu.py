"""The residual stack as TPU kernels, in Pallas's interpreter, beside the layers that XLA compiles."""

import importlib.util
import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
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
from wt_jax.models import residual_kernel_tpu
from wt_jax.models.residual_kernel_tpu import refusal, residual_stack
from wt_jax.models.tcn import draw_keys

by_mosaic = by_kernel(residual_stack)


@pytest.mark.parametrize(
    ("frames", "windows", "causal", "drop", "kernel_size", "dilations"),
    [
        (30, 40, False, True, 3, (1, 16)),  # three programs, the last of them half empty
        (48, 3, True, True, 3, (40, 64)),  # a block of centre taps alone
        (30, 16, True, False, 5, (2, 29)),
    ],
)
def test_equals_the_layers(frames, windows, causal, drop, kernel_size, dilations):
    blocks = blocks_of(blocks=2, causal=causal, kernel_size=kernel_size, dilations=dilations)
    given = draw(blocks, frames, windows)
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(windows)) if drop else None
    ours, theirs = (differentiate(stack, blocks, *given, keys_2xB) for stack in (by_mosaic, by_xla))
    assert_as_near(ours, theirs)
    assert np.array_equal(ours[0] == given[1], theirs[0] == given[1])  # what ReLU or dropout made 0


def test_bfloat16_is_as_near_to_float32_as_the_layers_are():
    """Errors beside what they are of: 0.3 % in the outputs, 2 to 5 % in the gradients, where a ReLU turns."""
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(40))
    ours, theirs = errors_in_bfloat16((by_mosaic, by_xla), 30, 40, keys_2xB, blocks=1, dilations=(4,))
    assert ours[0] < 0.005 and theirs[0] < 0.005  # the outputs
    assert sum(ours) < 1.5 * sum(theirs)


def test_mosaic_takes_the_kernels():
    """Lowered for a TPU that is not here: forward and backward are one kernel each."""
    blocks = blocks_of("bfloat16", blocks=2)
    params, x_TxBxD, _ = draw(blocks, 30, 16)
    stack = by_kernel(residual_stack, interpret=False)

    def loss(params, x_TxBxD, keys_2xB):
        return stack(blocks, params, x_TxBxD.astype(jnp.bfloat16), keys_2xB).sum()

    traced = jax.jit(jax.value_and_grad(loss)).trace(params, x_TxBxD, np.zeros((2, 16), np.uint32))
    assert traced.lower(lowering_platforms=("tpu",)).as_text().count("@tpu_custom_call") == 2


COMPILE = """
import jax, json, numpy as np
from wt_jax.compilation.program_cost import program_cost
from wt_jax.compilation.targets import target_devices
from wt_jax.models.layers import tap_shifts
from wt_jax.models.residual_kernel_tpu import residual_stack

where = jax.sharding.SingleDeviceSharding(target_devices("v5e")[0])
shape = lambda *dims, dtype=np.float32: jax.ShapeDtypeStruct(dims, dtype, sharding=where)
weights = [(shape(3, 128, 128), *[shape(128)] * 3) for _ in range(4)]
shifts = tuple(tap_shifts(3, dilation, False) for dilation in (1, 16))
def run(weights, x, keys, dout):
    out, backward = jax.vjp(lambda *args: residual_stack(args[1], args[0], keys, shifts, 0.25), weights, x)
    return out, *backward(dout)
x = shape(30, 1024, 128, dtype="bfloat16")
program = jax.jit(run).lower(weights, x, shape(2, 1024, dtype=np.uint32), x).compile()
bytes_moved = program_cost(program.as_text()).main_memory_bytes
print(json.dumps([bytes_moved, program.memory_analysis().temp_size_in_bytes]))
"""


@pytest.mark.skipif(
    not importlib.util.find_spec("libtpu"), reason="no compiler for TPUs: it is in .[tpu-compile]"
)
def test_compiled_for_a_tpu_the_activations_stay_on_the_chip():
    """A window is moved five times: as input, read again for the gradients, as output, and as theirs."""
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    bytes_moved, temporary = json.loads(done.stdout.splitlines()[-1])
    windows, weights = 5 * 1024 * 30 * 128 * 2, 4 * 3 * 128 * 128 * 4
    assert windows < bytes_moved < 1.02 * windows + 8 * weights
    assert temporary < 2 * weights


def test_says_what_it_does_not_take():
    assert not refusal(config.Model(), 30)
    assert not refusal(config.Model(filters=256, compute_dtype="bfloat16"), 30)
    said = refusal(config.Model(filters=512), 30)
    assert "16 windows of data.window_frames=30" in said and "vector memory" in said


def test_a_program_takes_what_leaves_least_over(monkeypatch):
    def run(stack, x_TxBxD, *_):
        taken.append((stack.windows, x_TxBxD.shape[1]))
        return x_TxBxD

    taken, weights = [], [(jnp.zeros((3, 8, 8)), *[jnp.zeros(8)] * 3)] * 2
    monkeypatch.setattr(residual_kernel_tpu, "_run", run)
    for windows in (1, 32, 33, 48, 4096):
        out = residual_stack(jnp.zeros((30, windows, 8)), weights, None, ((1, 0, -1),), 0.0)
        assert out.shape == (30, windows, 8)
    assert taken == [(16, 16), (32, 32), (16, 48), (16, 48), (32, 4096)]
