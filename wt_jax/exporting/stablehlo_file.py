"""StableHLO: the program that JAX compiles, for CPUs, GPUs and TPUs, in one file that JAX alone runs."""

from pathlib import Path

import jax
import numpy as np
from jax import export

from wt_jax.exporting.answering_graph import answering_graph, graph_inputs
from wt_jax.inference.exported import Run
from wt_jax.inference.restored_model import RestoredModel

_PLATFORMS = ("cpu", "cuda", "tpu")


def write(trained: RestoredModel, weights: str, path: Path) -> None:
    """Writes the graph, its batch free, for all of `_PLATFORMS`."""
    (batch,) = export.symbolic_shape("batch")
    inputs = graph_inputs(trained, batch).values()
    program = export.export(jax.jit(answering_graph(trained, weights)), platforms=_PLATFORMS)(*inputs)
    path.write_bytes(program.serialize())


def run(path: Path) -> Run:
    """The program in a file, compiled here for each number of windows that it is asked."""
    program = jax.jit(export.deserialize(bytearray(path.read_bytes())).call)

    def answers(points_BxTxLx3: np.ndarray, mask_BxT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return jax.device_get(program(np.asarray(points_BxTxLx3, np.float32), mask_BxT))

    return answers
