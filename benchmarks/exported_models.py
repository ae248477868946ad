"""How fast the formats of `export` are beside JAX: ms a window of the checkpoint in the box.

    python benchmarks/exported_models.py --calls 300

Each format that can be made here, in its own runtime, and JAX with the same graph; all in one process, in
turn. A cell is the least of the calls (their median): on a machine with other work the least says more.
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from machine import heading

from wt_jax.exporting.answering_graph import answering_graph
from wt_jax.exporting.formats import FORMATS
from wt_jax.inference.exported import Run
from wt_jax.inference.restore import restore_model

_BATCHES = (1, 64)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=300, help="at batch 1; a fifth of it at 64")
    logging.basicConfig(level=logging.ERROR)  # ONNX Runtime's quantizer has much to say
    calls = parser.parse_args().calls
    trained = restore_model("pretrained", jax.local_devices()[:1])
    graph = jax.jit(answering_graph(trained))
    runs: dict[str, Run] = {"JAX": lambda *asked: jax.device_get(graph(*asked))}
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in FORMATS.items():
            for weights in kind.weights:
                path = Path(folder, f"{weights}-{kind.file_name}")
                try:
                    kind.write(trained, weights, path)
                    runs[f"{name}, {weights}"] = kind.run(path)
                except ValueError as error:  # an extra that is not installed
                    print(error)
    print(heading())
    print(f"| | {' | '.join(f'batch {size}' for size in _BATCHES)} |\n|---|{'---|' * len(_BATCHES)}")
    cells: dict[str, list[str]] = {name: [] for name in runs}
    for size in _BATCHES:
        rng = np.random.default_rng(0)
        frames = trained.options.data.window_frames
        points = rng.normal(0, 200, (size, frames, 33, 3)).astype(np.float32)
        mask = np.ones((size, frames), bool)
        times_s: dict[str, list[float]] = {name: [] for name in runs}
        for i in range((calls if size == 1 else calls // 5) + 1):
            for name, run in runs.items():
                started_s = time.perf_counter()
                run(points, mask)
                if i:  # the first compiles
                    times_s[name].append(time.perf_counter() - started_s)
        for name, of in times_s.items():
            least, median = (1000 * time_s / size for time_s in (min(of), statistics.median(of)))
            cells[name].append(f"{least:.2f} ({median:.2f})")
    for name, row in cells.items():
        print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
