import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runs import PLAINLY

from wt_jax.config import Config, flatten, unflatten
from wt_jax.models.layers import kept
from wt_jax.models.tcn import ResidualBlock, draw_keys, init_params, make_model

B, T, J = 3, 30, 25


def variant(tiny, **changes):
    return unflatten({**flatten(tiny), **{f"model.{key}": value for key, value in changes.items()}})


def random_params(options):
    """Parameters with no zero and no one among them, so that a bias or a scale left out shows."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: init_params(options))
    return jax.tree.map(lambda p: rng.normal(0.1, p.shape[0] ** -0.5, p.shape).astype(np.float32), shapes)


@pytest.fixture(scope="session")
def params(tiny_config):
    return random_params(tiny_config)


@pytest.fixture(scope="session")
def windows():
    """Angles, and masks: all frames real, holes at both ends and inside, half of it."""
    angles = np.random.default_rng(1).random((B, T, J), np.float32)
    mask = np.ones((B, T), bool)
    mask[1, [0, 1, 11, 29]] = False
    mask[2, 15:] = False
    return angles, mask


@functools.cache
def compiled(options):
    return jax.jit(make_model(options).apply)


def apply(options, params, angles, mask, keys=None):
    return compiled(options)({"params": params}, angles, mask, keys)


def test_default_model_has_the_published_number_of_parameters():
    leaves = jax.tree.leaves(jax.eval_shape(lambda: init_params(Config())))
    assert sum(leaf.size for leaf in leaves) == 916_102


def plain_model(model, params, angles_BxTxJ, mask_BxT, keys_2xB=None):
    """The model as its description reads: batch first, Flax's convolution, one head after the other.

    The reference that the model's own layers and their backward passes are held against.
    """

    def dense(x, p):
        return jnp.einsum("...i,io->...o", x, p["kernel"]) + p["bias"].reshape((1,) * (x.ndim - 1) + (-1,))

    def norm(x, p):
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * p["scale"][None, None] + p["bias"][None, None]

    def head(x, p):
        for i in range(len(model.dense_units)):
            x = jnp.maximum(dense(x, p[f"dense_{i}"]), 0)
        return dense(x, p["logits"])

    x = dense(angles_BxTxJ, params["projection"]) * mask_BxT[..., None]
    for i in range(model.blocks):
        y, block = x, params[f"block_{i}"]
        for j in range(2):
            convolution = nn.Conv(
                model.filters,
                (model.kernel_size,),
                kernel_dilation=model.dilations[i % len(model.dilations)],
                padding="CAUSAL" if model.causal else "SAME",
            )
            y = convolution.apply({"params": block[f"conv_{j}"]}, y)
            y = jnp.maximum(norm(y, block[f"norm_{j}"]), 0)
            if keys_2xB is not None:
                mask_TxBxD = kept(keys_2xB, 2 * i + j, y.transpose(1, 0, 2).shape, model.dropout)
                y = jnp.where(mask_TxBxD.transpose(1, 0, 2), y / (1 - model.dropout), 0)
        x = x + y
    attention, mixed = dict(params["attention"]), 0
    attention["key"] = {**attention["key"], "bias": attention["key_bias"]}
    for h in range(model.heads):
        q, k, v = (
            dense(x, {name: value[..., h, :] for name, value in attention[role].items()})
            for role in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(model.filters // model.heads)
        seen = jnp.broadcast_to(mask_BxT[:, None], scores.shape)
        if model.causal:
            seen = seen & (np.arange(T)[None, :, None] >= np.arange(T)[None, None])
        exp = jnp.exp(scores) * seen
        mixed += (exp / jnp.maximum(exp.sum(-1, keepdims=True), 1e-30)) @ v @ attention["out"]["kernel"][h]
    x = norm(x + mixed + attention["out"]["bias"][None, None], params["norm"])
    mean = (x * mask_BxT[..., None]).sum(1) / mask_BxT.sum(1, keepdims=True)
    return head(mean, params["classification"]), head(x, params["segmentation"])[..., 0]


@pytest.mark.optimized
@pytest.mark.parametrize(
    "changes",
    [{}, {"causal": True}, {"blocks": 3, "dilations": (1, 40), "kernel_size": 5, "heads": 4}],
    ids=["centred", "causal", "five_taps"],
)
def test_model_equals_a_plain_one(tiny_config, params, windows, changes):
    options = variant(tiny_config, **changes)
    if "blocks" in changes:
        params = random_params(options)
    angles, mask = windows
    logits_BxC, logits_BxT = apply(options, params, angles, mask)
    plain = jax.jit(functools.partial(plain_model, options.model), compiler_options=PLAINLY)
    expected_BxC, expected_BxT = plain(params, angles, mask)
    assert logits_BxC.shape == (B, 5) and logits_BxT.shape == (B, T)
    np.testing.assert_allclose(logits_BxC, expected_BxC, rtol=1e-5, atol=1e-5)
    # A causal frame before the first real one attends to nothing: its logit means nothing.
    counted = mask & (np.cumsum(mask, 1) > 0)
    np.testing.assert_allclose(
        np.asarray(logits_BxT)[counted], np.asarray(expected_BxT)[counted], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("causal", "dropout"), [pytest.param(False, 0.25, marks=pytest.mark.optimized), (True, 0.0)]
)
def test_gradients_equal_those_of_a_plain_model(tiny_config, windows, causal, dropout):
    """With taps that are narrow, wide and dead; masked windows."""
    options = variant(tiny_config, blocks=3, dilations=(1, 16, 32), causal=causal, dropout=dropout)
    params = random_params(options)
    angles, mask = windows
    keys_2xB = draw_keys(jax.random.key(3), jnp.arange(B)) if dropout else None
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(B, 5)), rng.normal(size=(B, T)) * mask * (np.cumsum(mask, 1) > 0)

    def weighted(model, params, angles):
        logits = model(params, angles)
        return sum((a * w).sum() for a, w in zip(logits, weights, strict=True)) / B

    def ours(params, angles):
        return make_model(options).apply({"params": params}, angles, mask, keys_2xB)

    def plain(params, angles):
        return plain_model(options.model, params, angles, mask, keys_2xB)

    both = [
        jax.jit(jax.value_and_grad(functools.partial(weighted, f), (0, 1)), compiler_options=compiled)
        for f, compiled in ((ours, None), (plain, PLAINLY))
    ]
    (value, grads), (expected, expected_grads) = (f(params, angles) for f in both)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    del expected_grads[0]["attention"]["key_bias"], grads[0]["attention"]["key_bias"]  # 0, and its rounding
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(1, np.abs(b).max())),
        grads,
        expected_grads,
    )


@pytest.mark.parametrize("causal", [False, True])
def test_masked_frames_are_never_read(tiny_config, params, windows, causal):
    options, (angles, mask) = variant(tiny_config, causal=causal), windows
    changed = np.where(mask[..., None], angles, np.float32(1e6))
    changed[1, 11] = np.nan
    before, after = (apply(options, params, a, mask) for a in (angles, changed))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(np.asarray(before[1])[mask], np.asarray(after[1])[mask])
    assert np.isfinite(after[1]).all()
    assert not np.array_equal(after[0], apply(options, params, changed * 0, mask)[0])


def test_only_a_centred_model_sees_later_frames(tiny_config, params, windows):
    angles = windows[0]
    changed = angles.copy()
    changed[:, 17:] += 0.3
    mask = np.ones((B, T), bool)
    for causal in (True, False):
        options = variant(tiny_config, causal=causal)
        before, after = (np.asarray(apply(options, params, a, mask)[1]) for a in (angles, changed))
        assert np.array_equal(before[:, :17], after[:, :17]) == causal
        assert (before[:, 17:] != after[:, 17:]).all()


def test_a_causal_block_reaches_only_later_frames(tiny_config, params):
    """Attention hides how far the convolutions reach: a block of dilation 2 alone."""
    for causal, reach in ((True, (17, 17 + 2 * 4)), (False, (17 - 2 * 2, 17 + 2 * 2))):
        block = ResidualBlock(variant(tiny_config, causal=causal, dilations=(1, 2)).model, 1)
        run = jax.jit(lambda x, block=block: block.apply({"params": params["block_1"]}, x, None))
        x = np.random.default_rng(0).normal(size=(T, 1, 8)).astype(np.float32)
        bumped = x.copy()
        bumped[17] += 1
        changed = np.flatnonzero((run(x) != run(bumped)).any((1, 2)))
        assert (changed[0], changed[-1]) == reach


def test_model_is_deterministic_without_keys_and_reads_them_where_given(tiny_config, params, windows):
    without, again = (apply(tiny_config, params, *windows)[0] for _ in range(2))
    np.testing.assert_array_equal(again, without)
    keys = [draw_keys(jax.random.key(seed), jnp.arange(B)) for seed in (0, 1)]
    first, second = (apply(tiny_config, params, *windows, drawn)[0] for drawn in keys)
    assert not np.array_equal(first, without) and not np.array_equal(first, second)
    no_dropout = variant(tiny_config, dropout=0.0)
    np.testing.assert_allclose(apply(no_dropout, params, *windows, keys[0])[0], without, rtol=1e-6)


def test_bfloat16_is_near_float32(tiny_config, params, windows):
    options = variant(tiny_config, compute_dtype="bfloat16")
    shapes = jax.eval_shape(lambda: init_params(options))
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}
    for low, full in zip(apply(options, params, *windows), apply(tiny_config, params, *windows), strict=True):
        assert low.dtype == full.dtype == jnp.float32
        error = np.abs(low - full).max()
        assert 0 < error < 0.05 * max(1, np.abs(full).max())


def test_windows_without_a_real_frame_give_finite_logits_and_gradients(tiny_config, params, windows):
    mask = windows[1].copy()
    mask[0] = False
    model = make_model(variant(tiny_config, blocks=1))

    def total(params):
        return sum(logits.sum() for logits in model.apply({"params": params}, windows[0], mask))

    value, grads = jax.jit(jax.value_and_grad(total))(params)
    assert np.isfinite(value)
    assert not np.any(grads["attention"]["key_bias"])  # exactly 0: rounding would be walked on by AdamW
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
