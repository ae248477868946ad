"""The operators of ONNX, one by one, beside JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install -e '.[onnx]'")

from wt_jax.exporting.onnx_graph import to_onnx  # noqa: E402

rng = np.random.default_rng(0)
A_BxTxD = rng.normal(size=(3, 4, 6)).astype(np.float32)
ROWS = np.array([4, 0, 0, 2])


def on_platforms(x):
    return lax.platform_dependent(x, cpu=lambda x: x * 0 - 1, default=lambda x: 2 * x)


CASES = {
    "sums and products": lambda x: (x + 1) * x - x / (2 + x**2),
    "powers": lambda x: jnp.abs(x) ** 3 + jnp.sqrt(x**2) + lax.rsqrt(x * x + 1) + (x**2) ** 1.5,
    "a quarter turn and more": lambda x: jnp.arctan2(x[:, :, :3], x[:, :, 3:]),
    "of fewer axes": lambda x: x + jnp.arange(6.0)[None, None] - x.mean(-1, keepdims=True),
    "what is largest": lambda x: jnp.maximum(x.max(1), x.min(1) + 0.5),
    "softmax": lambda x: jax.nn.softmax(x, -1),
    "sigmoid and relu": lambda x: jax.nn.sigmoid(x) + jax.nn.relu(x),
    "parts": lambda x: x[:, 1:3, ::2],
    "one of an axis": lambda x: x[:, -1] * 2,
    "parts of an axis": lambda x: sum(jnp.split(x, 3, -1)) * jnp.split(x, (2,), -1)[0],
    "an axis taken apart": lambda x: x.transpose(1, 0, 2)[0] + sum([*x.transpose(1, 0, 2)]),
    "on one another": lambda x: jnp.stack([x, -x], 2),
    "rows": lambda x: x[:, :, ROWS],
    "rows of the first two": lambda x: x.transpose(2, 1, 0)[:2, np.array([3, 1, 1])],
    "padding": lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=7),
    "side by side": lambda x: jnp.concatenate([x, 2 * x, jnp.broadcast_to(x[:, :1], x.shape)], 1),
    "reshaped": lambda x: x.transpose(1, 0, 2).reshape(-1, 6).reshape(4, -1, 2, 3),
    "a matrix": lambda x: x @ jnp.ones((6, 2)) + x.reshape(-1, 6).sum(),
    "a matrix of two axes": lambda x: jnp.einsum("btd,dhe->bthe", x, jnp.arange(24.0).reshape(6, 2, 2)),
    "two axes of both": lambda x: jnp.einsum("btd,tde->be", x, jnp.ones((4, 6, 5))),
    "attention": lambda x: jnp.einsum("btd,bsd->bts", x, jnp.tanh(x)),
    "turned attention": lambda x: jnp.einsum("bts,sbd->tbd", x @ x.transpose(0, 2, 1), x.transpose(1, 0, 2)),
    "where": lambda x: jnp.where(x > 0.3, x, -1) + jnp.where((x[:, :, :1] < 0) & (x[:, :1] >= -1), 1.0, x),
    "whole numbers": lambda x: (x > 0).astype(jnp.int32).sum(1).astype(jnp.float32),
    "as everywhere else": on_platforms,
    "calls": lambda x: jax.jit(jnp.tanh)(jax.nn.relu(x)),
}  # fmt: skip


def graph_of(function):
    (batch,) = export.symbolic_shape("batch")
    inputs = {"x": jax.ShapeDtypeStruct((batch, *A_BxTxD.shape[1:]), jnp.float32)}
    return to_onnx(function, inputs, ["y"])


@pytest.mark.parametrize("case", CASES)
def test_a_graph_computes_what_jax_computes(case):
    """With as many windows as it is asked of."""
    session = onnxruntime.InferenceSession(graph_of(CASES[case]).SerializeToString())
    for n in (1, 3):
        (found,) = session.run(None, {"x": A_BxTxD[:n]})
        right = 2 * A_BxTxD[:n] if case == "as everywhere else" else CASES[case](A_BxTxD[:n])
        assert found.shape == right.shape
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)


def test_what_no_operator_is_for_is_said():
    with pytest.raises(
        ValueError, match=r"has a sort, for which there is no operator yet: .*onnx_operators\.py"
    ):
        graph_of(lambda x: jnp.sort(x, 1))


def test_what_no_input_changes_is_computed_once():
    graph = graph_of(lambda x: x + jnp.sin(jnp.arange(6.0))[None, None].cumsum(2)).graph
    assert [node.op_type for node in graph.node] == ["Add", "Identity"]
