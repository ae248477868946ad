"""`model.kernel=pallas`, with TPU kernels in Pallas's interpreter as if the CPU had them, and without."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wt_jax.config import flatten, unflatten
from wt_jax.models import residual_kernel, stack_kernels
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


def logits_and_gradients(options, params, batch):
    def loss(params):
        logits = make_model(options).apply({"params": params}, *batch)
        return sum((x * x).sum() for x in logits), logits

    return jax.jit(jax.grad(loss, has_aux=True))(params)


def test_the_parameters_are_the_same(tiny_config, params):
    jax.tree.map(np.testing.assert_array_equal, init_params(with_kernel(tiny_config)), params)


def test_a_target_without_a_kernel_computes_by_xla(tiny_config, params, batch):
    """The layers, bit for bit."""
    ours, theirs = (logits_and_gradients(o, params, batch) for o in (with_kernel(tiny_config), tiny_config))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_a_target_with_a_kernel_computes_by_it(tiny_config, params, batch, monkeypatch):
    calls = []

    def residual_stack(*args):
        calls.append(args)
        return residual_kernel.residual_stack(*args, interpret=True)

    kernel = types.SimpleNamespace(refusal=residual_kernel.refusal, residual_stack=residual_stack)
    monkeypatch.setattr(stack_kernels, "_kernels", lambda: {"cpu": kernel})
    ours, theirs = (logits_and_gradients(o, params, batch) for o in (with_kernel(tiny_config), tiny_config))
    assert calls
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max()), ours, theirs
    )


@pytest.mark.parametrize(("platform", "kernels"), [("tpu", "@tpu_custom_call"), ("cpu", None)])
def test_the_target_decides(tiny_config, params, batch, platform, kernels):
    """That which the program is lowered for; here there is a CPU alone."""
    model = make_model(with_kernel(tiny_config))
    text = (
        jax.jit(model.apply).trace({"params": params}, *batch).lower(lowering_platforms=(platform,)).as_text()
    )
    assert text.count("custom_call @") == 0 if kernels is None else text.count(kernels) == 1


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
