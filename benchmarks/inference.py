"""What serving costs: windows a second, here, in PyTorch and in ONNX Runtime, and ms a minute of video.

    python benchmarks/inference.py --rounds 5

The model is experiments/main.py's, with random weights, without dropout, on random windows; each contender's
outputs are in memory of the host when its time ends. All in one process, one after the other, in turn. A cell
is the median over rounds (least to most), a ratio the median over rounds of ours / theirs in the same round.
A minute of video is its timeline, 591 windows cut, run and merged: ours alone; the others only run them.
"""

import argparse
import importlib.util
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import heading, positive
from rivals import ANGLES, FRAMES, torch_model

_MODULES = {"PyTorch": "torch", "PyTorch compiled": "torch", "ONNX Runtime": "onnxruntime"}
_MINUTE_FRAMES = 1800
Run = Callable[[np.ndarray], object]


def ours() -> tuple[Run, Callable[[int], float]]:
    """Windows (B, T, J) -> outputs, and seconds of a timeline of so many minutes."""
    import jax

    from wt_jax import config
    from wt_jax.inference import sliding_window
    from wt_jax.models.tcn import init_params

    options = config.check(config.Config())
    params = init_params(options)
    infer = sliding_window.make_infer(options, (1, 64, 512))
    timelines = sliding_window.make_timelines(options)

    def run(angles_BxTxJ: np.ndarray) -> object:
        mask_BxT = np.ones(angles_BxTxJ.shape[:2], bool)
        return jax.device_get(infer(params, {"mask_BxT": mask_BxT, "angles_BxTxJ": angles_BxTxJ}))

    def minutes(n: int) -> float:
        angles = np.random.default_rng(0).random((n * _MINUTE_FRAMES, ANGLES), np.float32)
        pose = sliding_window.Frames(angles, None, np.ones(len(angles), bool))
        started_s = time.perf_counter()
        timelines(params, [pose])
        return time.perf_counter() - started_s

    return run, minutes


def torch_eager() -> Run:
    import torch

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    model = torch_model().eval().to(kind)
    return _torch_run(model, kind)


def torch_compiled() -> Run:
    import torch

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return _torch_run(torch.compile(torch_model().eval().to(kind), dynamic=False), kind)


def _torch_run(model: Callable, kind: str) -> Run:
    import torch

    def run(angles_BxTxJ: np.ndarray) -> object:
        with torch.inference_mode():
            exercise, starts = model(torch.as_tensor(angles_BxTxJ).to(kind))
            return torch.softmax(exercise, -1).cpu().numpy(), torch.sigmoid(starts).cpu().numpy()

    return run


def onnx() -> Run:
    import onnxruntime
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        logging.disable(logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                torch_model().eval(), (torch.zeros(2, FRAMES, ANGLES),), str(path), dynamo=True,
                input_names=["angles"], dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False,
            )  # fmt: skip
        session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    return lambda angles_BxTxJ: session.run(None, {"angles": angles_BxTxJ})


def windows_per_second(run: Run, angles_BxTxJ: np.ndarray, seconds: float) -> float:
    started_s, n = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - started_s) < seconds or n == 0:
        run(angles_BxTxJ)
        n += len(angles_BxTxJ)
    return n / passed_s


def _cell(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 64, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=positive, default=2.0, help="of one contender in one round")
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10])
    parser.add_argument(
        "--rivals", nargs="+", choices=[*_MODULES, "none"], default=["PyTorch", "ONNX Runtime"]
    )
    arguments = parser.parse_args()
    print(f"{heading()}\n")
    makers = {"PyTorch": torch_eager, "PyTorch compiled": torch_compiled, "ONNX Runtime": onnx}
    own, minutes = ours()
    runs: dict[str, Run] = {"wt_jax": own}
    for name in arguments.rivals:
        if name != "none" and importlib.util.find_spec(_MODULES[name]):
            try:
                runs[name] = makers[name]()
                runs[name](np.zeros((2, FRAMES, ANGLES), np.float32))
            except Exception as error:  # a compiler that is not there, an export that fails
                print(f"{name}: left out: {str(error).splitlines()[0][:200]}")
                runs.pop(name, None)
        elif name != "none":
            print(f"{name}: not installed: pip install -e .[bench]")
    heads = ["batch", *runs, *(f"wt_jax / {name}" for name in runs if name != "wt_jax")]
    print(f"\nWindows a second\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for batch_size in arguments.batch_sizes:
        angles = np.random.default_rng(0).random((batch_size, FRAMES, ANGLES), np.float32)
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for run in runs.values():
            run(angles)  # compiles
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                rates[name].append(windows_per_second(run, angles, arguments.seconds))
        ratios = [
            f"{statistics.median(a / b for a, b in zip(rates['wt_jax'], rates[name], strict=True)):.2f}"
            for name in runs
            if name != "wt_jax"
        ]
        print(f"| {batch_size} | {' | '.join([*map(_cell, rates.values()), *ratios])} |", flush=True)
    print("\n| minutes of video | ms a minute, wt_jax |\n|---|---|")
    minutes(1)  # compiles
    for n in arguments.minutes:
        print(f"| {n} | {_cell([1000 * minutes(n) / n for _ in range(arguments.rounds)])} |", flush=True)


if __name__ == "__main__":
    main()
