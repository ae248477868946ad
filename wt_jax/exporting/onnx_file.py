"""ONNX: the graph in operators that many runtimes know, in browsers and on phones as well."""

import warnings
from pathlib import Path
from typing import Any

from wt_jax.exporting.answering_graph import answering_graph, graph_inputs
from wt_jax.exporting.one_platform import on_platform
from wt_jax.inference.exported import MASK, POINTS, PROBABILITIES, STARTS
from wt_jax.inference.restored_model import RestoredModel

_OPSET = 21
_WEIGHTS = 64  # smaller constants stay as they are


def write(trained: RestoredModel, weights: str, path: Path) -> None:
    """Writes the graph, its batch free. Raises ValueError where the packages for it are missing."""
    try:
        import jax2onnx
        import onnx
    except ImportError as error:
        raise ValueError(f"--format onnx: needs {error.name}: pip install 'wt_jax[onnx]'") from None
    graph = on_platform(answering_graph(trained), "default")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = jax2onnx.to_onnx(
            graph,
            list(graph_inputs(trained, "batch").values()),
            model_name="wt_jax",
            opset=_OPSET,
            input_names=[POINTS, MASK],
            output_names=[PROBABILITIES, STARTS],
        )
    if weights == "float16":
        halve(model)
    onnx.save(model, path)
    if weights == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8)


def halve(model: Any) -> None:
    """Keeps weights as float16, of which the runtime makes float32 once, as it opens the file."""
    import onnx

    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and onnx.numpy_helper.to_array(tensor).size >= _WEIGHTS:
            name = tensor.name
            values = onnx.numpy_helper.to_array(tensor).astype("float16")
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_float16"))
            cast = onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
            graph.node.insert(0, cast)
