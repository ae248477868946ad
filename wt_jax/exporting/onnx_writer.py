"""A graph of ONNX as it is written: its nodes and constants, and the values between them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Tensor(NamedTuple):
    """A value known when the graph is run. Axes that a broadcast made may have a size of 1 still."""

    name: str
    shape: tuple[Any, ...]  # of whole numbers, and of symbols of the batch


Value = Tensor | np.ndarray


class GraphWriter:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._names: dict[Any, str] = {}

    def add(
        self,
        operator: str,
        inputs: Sequence[Value],
        shape: Sequence[Any],
        output: str = "",
        **attributes: Any,
    ) -> Tensor:
        """The output, of this shape and name, of one operator more."""
        output = output or f"{operator}_{len(self.nodes)}"
        names = [self._name(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [output], name=output, **attributes))
        return Tensor(output, tuple(shape))

    def _name(self, value: Value) -> str:
        if isinstance(value, Tensor):
            return value.name
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._names:
            self._names[key] = f"constant_{len(self._names)}"
            self.constants.append(numpy_helper.from_array(value, self._names[key]))
        return self._names[key]
