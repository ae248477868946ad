"""The formats there are: what each is called, which weights it can have, who writes it and who runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wt_jax.exporting import onnx_file, stablehlo_file, tflite_file
from wt_jax.inference.exported import Run, run_onnx
from wt_jax.inference.restored_model import RestoredModel


class Format(NamedTuple):
    """`write(trained, weights, path)` writes the file, of which `run(path)` makes a function.

    Both raise ValueError where a package for it is missing.
    """

    file_name: str
    weights: tuple[str, ...]
    write: Callable[[RestoredModel, str, Path], None]
    run: Callable[[Path], Run]
    runtime: str  # the package that runs it
    batch: int | None = None  # windows at once; None: any number


FORMATS = {
    "stablehlo": Format(
        "model.stablehlo", ("float32", "float16"), stablehlo_file.write, stablehlo_file.run, "jax"
    ),
    "onnx": Format("model.onnx", ("float32", "float16", "int8"), onnx_file.write, run_onnx, "onnxruntime"),
    "tflite": Format(
        "model.tflite", ("float32", "float16", "int8"), tflite_file.write, tflite_file.run, "ai-edge-litert",
        tflite_file.BATCH,
    ),
}  # fmt: skip
FORMATS["web"] = FORMATS["onnx"]  # and a page around it (`web.write_page`)
