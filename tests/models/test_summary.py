import math

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import jaxprs_in_params

from wt_jax.config import Config, Model
from wt_jax.models import layers
from wt_jax.models.summary import receptive_field, summary, window_flops
from wt_jax.models.tcn import init_params, make_model

TINY = Model(filters=8, blocks=2, dilations=(1, 20), heads=2, dense_units=(8, 4))


def forward(options):
    """The model's forward pass on one window, and its argument shapes."""
    params = jax.eval_shape(lambda: init_params(options))
    angles = jax.ShapeDtypeStruct((1, options.data.window_frames, 25), jnp.float32)
    mask = jax.ShapeDtypeStruct(angles.shape[:2], bool)
    return lambda p, a, m: make_model(options).apply({"params": p}, a, m), (params, angles, mask)


@pytest.mark.parametrize(
    "model", [Model(), Model(filters=64, blocks=2, dilations=(1, 20), causal=True)], ids=["default", "small"]
)
def test_flops_are_near_those_that_xla_counts(model):
    options = Config(model=model)
    function, args = forward(options)
    counted = jax.jit(function).lower(*args).cost_analysis()["flops"]
    assert sum(window_flops(options).values()) == pytest.approx(counted, rel=0.1)


def matmul_flops(jaxpr):
    """Twice the multiplications of every dot_general, inner functions included."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            contracted = equation.params["dimension_numbers"][0][0]
            shape = equation.invars[0].aval.shape
            total += 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(shape[i] for i in contracted)
        total += sum(matmul_flops(inner) for inner in jaxprs_in_params(equation.params))
    return total


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_flops_are_those_of_the_matmuls(kernel_size, causal, monkeypatch):
    """Of a product for each tap; a wide one computes rows that do not count."""
    monkeypatch.setattr(layers, "_WIDE_SHARE", 2.0)
    changes = {"kernel_size": kernel_size, "causal": causal}
    options = Config(model=Model(**{**vars(TINY), **changes}))
    function, args = forward(options)
    assert sum(window_flops(options).values()) == matmul_flops(jax.make_jaxpr(function)(*args).jaxpr)


def test_flops_of_a_block_by_hand():
    """Dilation 20 in 30 frames: the outer taps read 10 frames each, the middle one 30."""
    flops = window_flops(Config(model=TINY))
    assert flops["block_1"] == 2 * 2 * (10 + 30 + 10) * 8 * 8
    assert flops["block_0"] == 2 * 2 * (29 + 30 + 29) * 8 * 8
    assert flops["projection"] == 2 * 30 * 25 * 8
    assert flops["classification"] == 2 * (8 * 8 + 8 * 4 + 4 * 5)


@pytest.mark.parametrize(
    ("changes", "frames"),
    [
        ({"blocks": 1, "dilations": (1,), "kernel_size": 1}, 1),
        ({"blocks": 1, "dilations": (1,), "kernel_size": 3}, 5),  # two convolutions of 3: 1 + 2 + 2
        ({"blocks": 2, "dilations": (1, 2), "kernel_size": 3}, 13),
        ({"blocks": 3, "dilations": (1, 2), "kernel_size": 3}, 17),  # the third block starts over
        ({"blocks": 2, "dilations": (1, 2), "kernel_size": 5}, 25),
        ({}, 1021),
    ],
)
def test_receptive_field_by_hand(changes, frames):
    assert receptive_field(Model(**changes)) == frames


def test_summary_shows_layers_parameters_and_reach():
    lines = summary(Config()).splitlines()
    assert "916,102" in next(line for line in lines if line.startswith("all"))
    blocks = [line for line in lines if line.startswith("block_")]
    # A block: 2 x (3 x 128 x 128 + 128 weights and biases, 2 x 128 scales and shifts).
    assert len(blocks) == 8 and all("99,072" in line and "(30, 128)" in line for line in blocks)
    assert "dilation 128" in blocks[7]
    assert lines[-1].startswith("centred convolutions reach over 1021 frames, a window has 30")
    changed = summary(Config(model=Model(**{**vars(TINY), "causal": True, "compute_dtype": "bfloat16"})))
    assert "causal convolutions" in changed and "bfloat16" in changed and "(5)" in changed
