"""What an equation of JAX is in operators of ONNX. One more is a function with an entry in `OPERATORS`.

Each takes the writer, the equation and the values of its inputs, and returns that of its output; a list, of
a primitive that has several. A broadcast adds axes of size 1 and leaves the rest to ONNX, which stretches
them itself wherever it computes element by element; what needs them whole says `_whole`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from onnx import helper

from wt_jax.exporting.onnx_writer import GraphWriter, Value
from wt_jax.models.layers import EPSILON

# Element by element, and the same in both.
_ELEMENTWISE = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow",
    "neg": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "exp": "Exp", "log": "Log",
    "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "atan": "Atan", "tanh": "Tanh", "erf": "Erf",
    "logistic": "Sigmoid", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
    "eq": "Equal", "and": "And", "or": "Or", "not": "Not",
}  # fmt: skip
_SAME = ("stop_gradient", "copy", "copy_p", "optimization_barrier", "reduce_precision")


def _shape(equation: Any) -> tuple[Any, ...]:
    return equation.outvars[0].aval.shape


def _elementwise(operator: str, writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    return writer.add(operator, inputs, _stretched(inputs))


def _stretched(inputs: Sequence[Value]) -> tuple[Any, ...]:
    """The shape of what is computed element by element of these."""
    rank = max(len(x.shape) for x in inputs)
    padded = [(1,) * (rank - len(x.shape)) + tuple(x.shape) for x in inputs]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True))


def _whole(writer: GraphWriter, value: Value, shape: Sequence[Any]) -> Value:
    """`value` with all its axes stretched to this shape."""
    if tuple(value.shape) == tuple(shape):
        return value
    sizes = [1 if mine == size else size for mine, size in zip(value.shape, shape, strict=True)]
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError("--format onnx: something that is the same for all windows is joined to what is not")
    if isinstance(value, np.ndarray) and all(isinstance(size, int) for size in shape):
        return np.broadcast_to(value, shape)
    return writer.add("Expand", [value, np.array(sizes, np.int64)], shape)


def _inputs_whole(writer: GraphWriter, equation: Any, inputs: list[Value]) -> list[Value]:
    variables = equation.invars
    return [_whole(writer, x, v.aval.shape) for x, v in zip(inputs, variables, strict=True)]


def _reshaped(writer: GraphWriter, value: Value, shape: Sequence[Any]) -> Value:
    if tuple(value.shape) == tuple(shape):
        return value
    free = [i for i, size in enumerate(shape) if not isinstance(size, int)]
    assert len(free) <= 1, "a reshape that divides the batch between two axes"
    sizes = np.array([-1 if i in free else size for i, size in enumerate(shape)], np.int64)
    if isinstance(value, np.ndarray):
        return value.reshape(sizes)
    return writer.add("Reshape", [value, sizes], shape)


def _transposed(writer: GraphWriter, value: Value, order: Sequence[int]) -> Value:
    if list(order) == sorted(order):
        return value
    if isinstance(value, np.ndarray):
        return value.transpose(order)
    return writer.add("Transpose", [value], [value.shape[i] for i in order], perm=list(order))


def _reshape(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    return _reshaped(writer, _whole(writer, inputs[0], equation.invars[0].aval.shape), _shape(equation))


def _broadcast(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    """Axes of size 1 where there are none yet."""
    sizes = [1] * len(_shape(equation))
    for axis, size in zip(equation.params["broadcast_dimensions"], inputs[0].shape, strict=True):
        sizes[axis] = size
    return _reshaped(writer, inputs[0], sizes)


def _transpose(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    return _transposed(writer, inputs[0], equation.params["permutation"])


def _squeeze(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    axes = equation.params["dimensions"]
    left = [size for axis, size in enumerate(inputs[0].shape) if axis not in axes]
    return writer.add("Squeeze", [inputs[0], np.array(axes, np.int64)], left)


def _select(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    which, if_false, if_true = inputs
    return writer.add("Where", [which, if_true, if_false], _stretched(inputs))


def _convert(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    dtype = np.dtype(equation.params["new_dtype"])
    if equation.invars[0].aval.dtype == dtype:
        return inputs[0]
    return writer.add("Cast", inputs, inputs[0].shape, to=helper.np_dtype_to_tensor_dtype(dtype))


def _square(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    return writer.add("Mul", [*inputs, *inputs], inputs[0].shape)


def _integer_pow(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    if (power := equation.params["y"]) == 2:
        return _square(writer, equation, inputs)
    return writer.add("Pow", [*inputs, np.array(power, np.float32)], inputs[0].shape)


def _rsqrt(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    root = writer.add("Sqrt", inputs, inputs[0].shape)
    return writer.add("Reciprocal", [root], root.shape)


def _atan2(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    """The angle of (x, y), which are not both 0: half a turn beside that of its slope where x is negative."""
    y, x = inputs
    zero, shape = np.zeros((), np.float32), _stretched(inputs)
    slope = writer.add("Atan", [writer.add("Div", [y, x], shape)], shape)
    below = writer.add("Less", [y, zero], y.shape)
    turn = writer.add("Where", [below, np.array(-np.pi, np.float32), np.array(np.pi, np.float32)], y.shape)
    turn = writer.add("Where", [writer.add("Less", [x, zero], x.shape), turn, zero], shape)
    return writer.add("Add", [slope, turn], shape)


def _reduce(operator: str, writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    (whole,), axes = _inputs_whole(writer, equation, inputs), list(equation.params["axes"])
    if operator == "ReduceSum":  # whose axes are an input, in this opset
        return writer.add(operator, [whole, np.array(axes, np.int64)], _shape(equation), keepdims=0)
    return writer.add(operator, [whole], _shape(equation), axes=axes, keepdims=0)


def _concatenate(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    parts = _inputs_whole(writer, equation, inputs)
    return writer.add("Concat", parts, _shape(equation), axis=equation.params["dimension"])


def _stack(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    axis, shape = equation.params["axis"], _shape(equation)
    sizes = [1 if i == axis else size for i, size in enumerate(shape)]
    parts = [_reshaped(writer, part, sizes) for part in _inputs_whole(writer, equation, inputs)]
    return writer.add("Concat", parts, shape, axis=axis)


def _pad(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    (whole, value), amounts = _inputs_whole(writer, equation, inputs), equation.params["padding_config"]
    assert all(low >= 0 and high >= 0 and inner == 0 for low, high, inner in amounts), amounts
    pads = np.array([[low, high] for low, high, _ in amounts], np.int64).T.ravel()
    return writer.add("Pad", [whole, pads, value], _shape(equation))


def _sliced(writer: GraphWriter, value: Value, axis: int, first: int, end: int, step: int = 1) -> Value:
    size = len(range(first, end, step))
    if size == value.shape[axis]:
        return value
    shape = [size if i == axis else old for i, old in enumerate(value.shape)]
    return writer.add("Slice", [value, *(np.array([n], np.int64) for n in (first, end, axis, step))], shape)


def _slice(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    value, params = _inputs_whole(writer, equation, inputs)[0], equation.params
    steps = params["strides"] or (1,) * len(value.shape)
    ends = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    for axis, (first, end, step) in enumerate(ends):
        if isinstance(end, int):  # the batch is never cut
            value = _sliced(writer, value, axis, first, end, step)
    return value


def _split(writer: GraphWriter, equation: Any, inputs: list[Value]) -> list[Value]:
    (value,), axis = _inputs_whole(writer, equation, inputs), equation.params["axis"]
    ends = np.cumsum(equation.params["sizes"]).tolist()
    return [_sliced(writer, value, axis, first, end) for first, end in zip([0, *ends], ends, strict=False)]


def _unstack(writer: GraphWriter, equation: Any, inputs: list[Value]) -> list[Value]:
    (value,), axis = _inputs_whole(writer, equation, inputs), equation.params["axis"]
    parts = [_sliced(writer, value, axis, i, i + 1) for i in range(value.shape[axis])]
    return [
        _reshaped(writer, one, variable.aval.shape)
        for one, variable in zip(parts, equation.outvars, strict=True)
    ]


def _gather(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    """Slices and rows at constant places: one axis of many rows at most, which stays where it was."""
    value, places = _inputs_whole(writer, equation, inputs)
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    assert isinstance(places, np.ndarray) and not numbers.operand_batching_dims, "rows at computed places"
    rows = places.reshape(-1, places.shape[-1])
    gone = []
    for axis, firsts in zip(numbers.start_index_map, rows.T, strict=True):
        if axis not in numbers.collapsed_slice_dims:
            assert (firsts == firsts[0]).all(), "slices at several places"
            value = _sliced(writer, value, axis, int(firsts[0]), int(firsts[0]) + sizes[axis])
        elif places.ndim == 1:
            value = _sliced(writer, value, axis, int(firsts[0]), int(firsts[0]) + 1)
            gone.append(axis)
        else:
            assert axis not in numbers.offset_dims and places.ndim == 2, "rows that go to another axis"
            shape = [len(firsts) if i == axis else size for i, size in enumerate(value.shape)]
            value = writer.add("Gather", [value, firsts.astype(np.int64)], shape, axis=axis)
    return _reshaped(writer, value, [s for i, s in enumerate(value.shape) if i not in gone])


def _dot_general(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    """MatMul, of what is brought into its order: axes of the batch, then those of each side, or of both."""
    contracted, batched = equation.params["dimension_numbers"]
    sides = _inputs_whole(writer, equation, inputs)
    free = [
        [axis for axis in range(len(side.shape)) if axis not in (*contract, *batch)]
        for side, contract, batch in zip(sides, contracted, batched, strict=True)
    ]
    (left, right), outer = sides, [sides[0].shape[i] for i in batched[0]]
    width = int(np.prod([left.shape[i] for i in contracted[0]]))
    rows, columns = ([side.shape[i] for i in axes] for side, axes in zip(sides, free, strict=True))
    assert not outer or len(rows) == 1, "a product of a batch with several axes of rows"
    n_columns = int(np.prod(columns))
    left = _transposed(writer, left, [*batched[0], *free[0], *contracted[0]])
    left = _reshaped(writer, left, [*outer, *rows, width])
    right = _transposed(writer, right, [*batched[1], *contracted[1], *free[1]])
    right = _reshaped(writer, right, [*outer, width, n_columns])
    product = writer.add("MatMul", [left, right], [*outer, *rows, n_columns])
    return _reshaped(writer, product, _shape(equation))


def _same(writer: GraphWriter, equation: Any, inputs: list[Value]) -> Value:
    return inputs[0]


def _norm_relu(
    writer: GraphWriter, shape: Sequence[Any], values: Value, scale: Value, offset: Value
) -> Value:
    normed = writer.add("LayerNormalization", [values, scale, offset], shape, axis=-1, epsilon=EPSILON)
    return writer.add("Relu", [normed], shape)


OPERATORS: dict[str, Callable] = {
    **{name: partial(_elementwise, operator) for name, operator in _ELEMENTWISE.items()},
    **dict.fromkeys(_SAME, _same),
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "squeeze": _squeeze,
    "select_n": _select,
    "convert_element_type": _convert,
    "square": _square,
    "integer_pow": _integer_pow,
    "rsqrt": _rsqrt,
    "atan2": _atan2,
    "reduce_sum": partial(_reduce, "ReduceSum"),
    "reduce_max": partial(_reduce, "ReduceMax"),
    "reduce_min": partial(_reduce, "ReduceMin"),
    "concatenate": _concatenate,
    "stack": _stack,
    "pad": _pad,
    "slice": _slice,
    "split": _split,
    "unstack": _unstack,
    "gather": _gather,
    "dot_general": _dot_general,
}
# Functions, by name, for which ONNX has operators of their own.
FUSED: dict[str, Callable] = {"_norm_relu_dropout": _norm_relu}
