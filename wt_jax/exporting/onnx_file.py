"""ONNX: the graph in operators that many runtimes know, in browsers and on phones as well."""

from pathlib import Path
from typing import Any

from jax import export

from wt_jax.exporting.answering_graph import answering_graph, graph_inputs
from wt_jax.inference.exported import PROBABILITIES, STARTS
from wt_jax.inference.restored_model import RestoredModel

_LEAST = 64  # numbers of a constant that is worth keeping in a smaller type


def write(trained: RestoredModel, weights: str, path: Path) -> None:
    """Writes the graph, its batch free. Raises ValueError where a package for it is missing."""
    try:
        import onnx  # an extra

        from wt_jax.exporting.onnx_graph import to_onnx
    except ImportError as error:
        raise ValueError(f"--format onnx: needs {error.name}: pip install -e '.[onnx]'") from None
    (batch,) = export.symbolic_shape("batch")
    model = to_onnx(answering_graph(trained), graph_inputs(trained, batch), (PROBABILITIES, STARTS))
    if weights == "float16":
        _halve(model)
    onnx.save(model, path)
    if weights == "int8":
        _quantize(path)


def _halve(model: Any) -> None:
    """Keeps constants as float16; a runtime makes them float32 once, as it opens the file."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= _LEAST:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}_float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantize(path: Path) -> None:
    """Weights of products as whole numbers; what they are multiplied with is made so as the graph is run."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8)
