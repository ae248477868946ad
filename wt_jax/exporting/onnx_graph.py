"""A function of JAX -> a graph of ONNX, one axis of which stays free: the batch.

JAX is asked what it would compute (its jaxpr), equation by equation; each becomes an operator, or a few, of
`onnx_operators`. What depends on no input is computed here and becomes a constant. Where platforms differ
(`lax.platform_dependent`), it is as on any that is not named.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from jax.extend import core
from onnx import helper

from wt_jax.exporting.onnx_operators import FUSED, OPERATORS
from wt_jax.exporting.onnx_writer import GraphWriter, Tensor, Value

_OPSET, _IR_VERSION = 17, 8  # the first with LayerNormalization: the older, the more runtimes know it
_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "custom_vjp_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}


def to_onnx(
    function: Callable, inputs: Mapping[str, jax.ShapeDtypeStruct], outputs: Sequence[str]
) -> onnx.ModelProto:
    """The graph of a function of arrays, with names for its inputs and its outputs.

    A size that is a symbol (`jax.export.symbolic_shape`) stays free. Raises ValueError for what there is no
    operator for.
    """
    closed = jax.make_jaxpr(function)(*inputs.values())
    writer = GraphWriter()
    tensors = [Tensor(name, array.shape) for name, array in inputs.items()]
    for name, result in zip(outputs, _run(writer, closed.jaxpr, closed.consts, tensors), strict=True):
        writer.add("Identity", [result], result.shape, output=name)
    graph = helper.make_graph(
        writer.nodes,
        "wt_jax",
        [_declared(name, of) for name, of in inputs.items()],
        [_declared(name, of) for name, of in zip(outputs, closed.out_avals, strict=True)],
        writer.constants,
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="wt_jax")
    onnx.checker.check_model(model, full_check=True)
    return model


def _declared(name: str, aval: Any) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(aval.dtype))
    return helper.make_tensor_value_info(
        name, kind, [s if isinstance(s, int) else str(s) for s in aval.shape]
    )


def _run(writer: GraphWriter, jaxpr: Any, consts: Sequence[Any], args: Sequence[Value]) -> list[Value]:
    """The values of a jaxpr's outputs, of those of its inputs."""
    known = [*map(np.asarray, consts), *args]
    values: dict[Any, Value] = dict(zip([*jaxpr.constvars, *jaxpr.invars], known, strict=True))

    def read(variables: Sequence[Any]) -> list[Value]:
        return [_literal(one) if isinstance(one, core.Literal) else values[one] for one in variables]

    for equation in jaxpr.eqns:
        outputs = _equation(writer, equation, read(equation.invars))
        values.update(zip(equation.outvars, outputs, strict=True))
    return read(jaxpr.outvars)


def _literal(one: Any) -> np.ndarray:
    return np.asarray(one.val, one.aval.dtype)


def _equation(writer: GraphWriter, equation: Any, inputs: list[Value]) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":
        return [np.asarray(len(params["platforms"]) - 1, np.int32)]  # the last is that of all others
    if name == "cond" and isinstance(inputs[0], np.ndarray):
        branch = params["branches"][int(inputs[0])]
        return _run(writer, branch.jaxpr, branch.consts, inputs[1:])
    if name in _CALLS:
        inner = params[_CALLS[name]]
        fused = FUSED.get(inner.jaxpr.debug_info.func_name)
        if fused:
            return [fused(writer, equation.outvars[0].aval.shape, *inputs)]
        return _run(writer, inner.jaxpr, inner.consts, inputs)
    shapes = [variable.aval.shape for variable in equation.invars]
    is_known = all(isinstance(x, np.ndarray) and x.shape == of for x, of in zip(inputs, shapes, strict=True))
    if is_known and all(isinstance(size, int) for size in equation.outvars[0].aval.shape):
        found = equation.primitive.bind(*inputs, **params)
        return list(map(np.asarray, found if equation.primitive.multiple_results else [found]))
    if name not in OPERATORS:
        raise ValueError(
            f"--format onnx: the model has a {name}, for which there is no operator yet: "
            "wt_jax/exporting/onnx_operators.py"
        )
    found = OPERATORS[name](writer, equation, inputs)
    return found if equation.primitive.multiple_results else [found]
