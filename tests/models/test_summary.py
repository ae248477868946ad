import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from wt_jax.config import Config, Model
from wt_jax.models import layers
from wt_jax.models.layers import tap_shifts
from wt_jax.models.summary import Layer, summarise, summary, window_flops
from wt_jax.models.tcn import DilatedConv, init_params, make_model

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


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_flops_by_the_formulas_of_the_layers(kernel_size, causal):
    """Of what counts: a wide product computes rows that only meet padding, too."""
    options = Config(model=Model(**{**vars(TINY), "kernel_size": kernel_size, "causal": causal}))
    frames, width, (unit, last) = 30, 8, TINY.dense_units
    flops = window_flops(options)
    for i, dilation in enumerate(TINY.dilations):
        shifts = tap_shifts(kernel_size, dilation, causal)
        positions = sum(max(frames - abs(shift), 0) for shift in shifts)
        assert flops[f"block_{i}"] == 2 * 2 * positions * width * width
    assert flops["attention"] == 4 * 2 * frames * width * width + 2 * 2 * frames * frames * width
    assert flops["segmentation"] == 2 * frames * (width * unit + unit * last + last * 1)
    assert flops["norm"] == 0


@pytest.mark.parametrize("wide_share", [0.0, 2.0])
def test_how_a_convolution_is_computed_changes_no_count(wide_share, monkeypatch):
    expected = window_flops(Config(model=TINY))
    monkeypatch.setattr(layers, "_WIDE_SHARE", wide_share)
    assert window_flops(Config(model=TINY)) == expected


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
    assert summarise(Config(model=Model(**changes)))[1] == frames


class Other(nn.Module):
    """Another architecture: two layers that the summary was never told of."""

    @nn.compact
    def __call__(self, inputs_BxTxI, mask_BxT):
        offset_1x1xD = self.param("offset", nn.initializers.zeros, (1, 1, 6))
        x_BxTxD = nn.Dense(6, name="embedding")(inputs_BxTxI) + offset_1x1xD
        return DilatedConv(4, (4, 1, -2), jnp.float32, name="mixer")(x_BxTxD.transpose(1, 0, 2))


def test_another_model_needs_no_change_of_the_summary(monkeypatch):
    monkeypatch.setattr("wt_jax.models.summary.make_model", lambda options: Other())
    (embedding, mixer, offset), receptive_field = summarise(Config())
    assert embedding == Layer("embedding", "", (30, 6), 25 * 6 + 6, 2 * 30 * 25 * 6)
    assert mixer == Layer("mixer", "", (30, 4), 3 * 6 * 4 + 4, 2 * (26 + 29 + 28) * 6 * 4)
    assert offset.name == "offset" and offset.n_params == 6
    assert receptive_field == 1 + 4 + 2


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
