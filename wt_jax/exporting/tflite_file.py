"""TFLite: one window at a time, for LiteRT on phones; made of StableHLO by LiteRT's own converter."""

import io
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from wt_jax.exporting.answering_graph import answering_graph, graph_inputs
from wt_jax.inference.exported import MASK, POINTS, PROBABILITIES, STARTS, Run
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime.native_output import quiet


def _recipe(algorithm: str, bits: int, kind: str, granularity: str, computed: str) -> dict[str, Any]:
    weights = {"num_bits": bits, "symmetric": True, "granularity": granularity, "dtype": kind}
    how = {
        "weight_tensor_config": weights,
        "compute_precision": computed,
        "explicit_dequantize": computed == "FLOAT",
        "skip_checks": False,
        "min_weight_elements": 0,
    }
    return {"regex": ".*", "operation": "*", "algorithm_key": algorithm, "op_config": how}


BATCH = 1  # the converter takes no free one
_PLATFORM = "cuda"  # whose program has products alone: of a CPU's the converter leaves a loop
_SIGNATURE = "serving_default"
# Of ai_edge_quantizer. int8: weights channel by channel; what they are multiplied with, as the graph is run.
_RECIPES = {
    "float16": _recipe("float_casting", 16, "FLOAT", "TENSORWISE", "FLOAT"),
    "int8": _recipe("min_max_uniform_quantize", 8, "INT", "CHANNELWISE", "INTEGER"),
}


def write(trained: RestoredModel, weights: str, path: Path) -> None:
    """Writes the graph, for one window. Raises ValueError where a package for it is missing."""
    with quiet():
        api, ir, passmanager, quantizer = _converter()
    graph = export.export(jax.jit(answering_graph(trained)), platforms=[_PLATFORM])
    text = graph(*graph_inputs(trained, BATCH).values()).mlir_module()
    context = ir.Context()
    api.prepare_mlir_context(context)
    with context, quiet():
        module, passes = ir.Module.parse(text), passmanager.PassManager()
        api.set_signature(module.operation, _SIGNATURE, [POINTS, MASK], [PROBABILITIES, STARTS])
        api.run_convert_to_tfl_passes(module, passes, api.ConvertToTFLConfig())
        passes.run(module.operation)
        content = api.export_flatbuffer_to_bytes(module.operation)
    if weights != "float32":
        with quiet(), redirect_stdout(io.StringIO()):  # it tells how far it is, and sizes
            smaller = quantizer.Quantizer(content)
            smaller.load_quantization_recipe([_RECIPES[weights]])
            content = smaller.quantize().quantized_model
    path.write_bytes(content)


def _converter() -> tuple[Any, Any, Any, Any]:
    try:
        from ai_edge_quantizer import quantizer
        from litert_converter.mlir import ir, passmanager  # an extra
        from litert_converter.mlir._mlir_libs import converter_api_ext
    except ImportError as error:
        raise _missing(error) from None
    return converter_api_ext, ir, passmanager, quantizer


def _missing(error: ImportError) -> ValueError:
    package = (error.name or "").partition(".")[0]
    return ValueError(f"--format tflite: needs {package}: pip install -e '.[tflite]'")


def run(path: Path) -> Run:
    """The graph of a file, run by LiteRT. Raises ValueError where that is missing."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # an extra
    except ImportError as error:
        raise _missing(error) from None
    with quiet():
        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        interpreter.allocate_tensors()
        answer = interpreter.get_signature_runner(_SIGNATURE)

    def answers(points_BxTxLx3: np.ndarray, mask_BxT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points_BxTxLx3 = np.asarray(points_BxTxLx3, np.float32)
        windows = zip(points_BxTxLx3[:, None], mask_BxT[:, None], strict=True)
        each = [answer(**{POINTS: points, MASK: mask}) for points, mask in windows]
        probabilities, starts = ([one[name] for one in each] for name in (PROBABILITIES, STARTS))
        return np.concatenate(probabilities), np.concatenate(starts)

    return answers
