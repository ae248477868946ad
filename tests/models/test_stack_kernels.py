"""`model.kernel=pallas`, with TPU kernels in Pallas's interpreter as if the CPU had them, and without."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wt_jax.config import flatten, unflatten
from wt_jax.models import residual_kernel_tpu, stack_kernels
from wt_jax.models.stack_kernels import check_kernel
from wt_jax.models.tcn import draw_keys, init_params, make_model


def with_kernel(options, **changes):
    return unflatten({**flatten(options), "model.kernel": "pallas", **changes})


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return (
        rng.random((5, 30, 25), np.float32),
        rng.random((5, 30)) < 0.9,
        draw_keys(jax.random.key(0), jnp.arange(5)),
    )


@pytest.fixture(scope="module")
def params(tiny_config):
    return init_params(tiny_config)


def test_a_target_with_a_kernel_computes_by_it(tiny_config, params, batch, monkeypatch):
    """From the same parameters to the same logits and gradients."""
    calls = []

    def residual_stack(*args):
        calls.append(args)
        return residual_kernel_tpu.residual_stack(*args, interpret=True)

    kernel = types.SimpleNamespace(refusal=residual_kernel_tpu.refusal, residual_stack=residual_stack)
    monkeypatch.setattr(stack_kernels, "_kernel", lambda platform: kernel if platform == "tpu" else None)

    def logits_and_gradients(platform):
        model = make_model(with_kernel(tiny_config), platform)

        def loss(params):
            logits = model.apply({"params": params}, *batch)
            return sum((x * x).sum() for x in logits), logits

        return jax.jit(jax.grad(loss, has_aux=True))(params)

    theirs = logits_and_gradients("cpu")
    assert not calls
    ours = logits_and_gradients("tpu")
    assert calls
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max()), ours, theirs
    )


def test_what_a_kernel_does_not_take_is_served_by_the_layers(tiny_config):
    assert stack_kernels.stack_kernel(with_kernel(tiny_config).model, 30, "tpu")
    assert stack_kernels.stack_kernel(with_kernel(tiny_config).model, 3000, "gpu") is None
    assert stack_kernels.stack_kernel(tiny_config.model, 30, "tpu") is None


def test_says_where_there_is_no_kernel(tiny_config):
    assert check_kernel(tiny_config, "cpu") == check_kernel(with_kernel(tiny_config), "tpu") == ""
    assert check_kernel(with_kernel(tiny_config), "cpu") == (
        "model.kernel=pallas: there is no kernel for cpu; computed by XLA's layers, as xla is"
    )


@pytest.mark.parametrize(
    ("platform", "filters", "words"),
    [
        ("gpu", 8, r"a GPU's takes .* \(this is 8\)"),
        ("tpu", 2048, "do not fit 48 MiB of a TPU's vector memory"),
    ],
)
def test_refuses_to_train_what_the_kernel_does_not_take(tiny_config, platform, filters, words):
    options = with_kernel(tiny_config, **{"model.filters": filters})
    with pytest.raises(ValueError, match=rf"^model.kernel=pallas: .*{words}.*; or set model.kernel=xla$"):
        check_kernel(options, platform)
    assert check_kernel(with_kernel(options, **{"model.kernel": "xla"}), platform) == ""
