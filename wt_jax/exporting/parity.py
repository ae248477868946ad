"""An exported file in its own runtime beside JAX: what differs, what is counted, how fast and how large.

Letters: B windows, T frames of a window, C classes.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from wt_jax.counting.prediction import read_timeline
from wt_jax.data.recordings import Recording
from wt_jax.exporting.answering_graph import answering_graph
from wt_jax.inference.exported import PROBABILITIES, STARTS, Run
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.inference.sliding_window import make_timelines

# Largest difference of a probability. Rounding of float32 in another order is 1e-6, seen; float16 rounds a
# weight by up to 1 in 2,048; whole numbers of 8 bits by 1 in 254 of the largest, in every layer.
TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "int8": 0.25}
BATCHES = (1, 64)
_ROUNDS = 30


class Windows(NamedTuple):
    """Landmarks in pixels, float32 (B, T, 33, 3), and where somebody is seen, bool (B, T)."""

    points_BxTxLx3: np.ndarray
    mask_BxT: np.ndarray


@dataclasses.dataclass(frozen=True)
class Parity:
    """What was seen. `differences` are the largest of each output, `means` their means."""

    windows: int
    differences: dict[str, float]
    means: dict[str, float]
    counts: list[dict[str, Any]]  # of each recording its name, the counts by JAX and those by the file
    ms_a_window: dict[str, dict[str, float]]

    @property
    def largest(self) -> float:
        """Of all differences; NaN where there is one."""
        return float(np.max(list(self.differences.values())))

    @property
    def n_equal(self) -> int:
        """Recordings whose counts are equal, every exercise of them."""
        return sum(of["jax"] == of["exported"] for of in self.counts)


class _Both:
    """Asks JAX and the file of the same windows; answers as the file does."""

    def __init__(self, trained: RestoredModel, run: Run):
        self.by_jax = jax.jit(answering_graph(trained))
        self.run = run
        self.windows: list[Windows] = []
        self.differences: list[list[np.ndarray]] = []

    def __call__(self, _: Any, windows: dict[str, np.ndarray]) -> Any:
        asked = Windows(windows["points_BxTxLx3"].astype(np.float32), windows["mask_BxT"])
        answers = self.run(*asked)
        if not all(np.isfinite(answer).all() for answer in answers):
            raise ValueError("the exported file answers with NaN or infinity: nothing is written")
        expected = jax.device_get(self.by_jax(*asked))
        seen_B = asked.mask_BxT.any(1)  # a window without anybody means nothing
        self.differences.append([np.abs(a - b)[seen_B] for a, b in zip(answers, expected, strict=True)])
        self.windows.append(asked)
        return answers


def compare(trained: RestoredModel, run: Run, recordings: Sequence[Recording]) -> Parity:
    """The windows and counts of recordings, which hold landmarks, by a file that is `run` and by JAX."""
    both = _Both(trained, run)
    by_file = make_timelines(trained.options, both)(None, recordings)
    by_jax = make_timelines(trained.options)(trained.params, recordings)
    counts = [
        {
            "recording": recording.name,
            "jax": read_timeline(expected, trained.counting, 0.0).counts,
            "exported": read_timeline(found, trained.counting, 0.0).counts,
        }
        for recording, expected, found in zip(recordings, by_jax, by_file, strict=True)
    ]
    all_windows = Windows(*(np.concatenate(parts) for parts in zip(*both.windows, strict=True)))
    apart = dict(
        zip((PROBABILITIES, STARTS), map(np.concatenate, zip(*both.differences, strict=True)), strict=True)
    )
    return Parity(
        windows=len(all_windows.mask_BxT),
        differences={name: float(of.max()) for name, of in apart.items()},
        means={name: float(of.mean()) for name, of in apart.items()},
        counts=counts,
        ms_a_window={
            f"batch {size}": _speeds(both, Windows(*(part[:size] for part in all_windows)))
            for size in BATCHES
            if size <= len(all_windows.mask_BxT)
        },
    )


def _speeds(both: _Both, windows: Windows) -> dict[str, float]:
    """Milliseconds a window of both, the least of calls in turn: other work on the machine counts little."""
    calls: dict[str, Callable[[], Any]] = {
        "jax": lambda: jax.block_until_ready(both.by_jax(*windows)),
        "exported": lambda: both.run(*windows),
    }
    times_s: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(_ROUNDS + 1):
        for name, call in calls.items():
            started_s = time.perf_counter()
            call()
            if i:  # the first compiles
                times_s[name].append(time.perf_counter() - started_s)
    n = len(windows.mask_BxT)
    return {name: round(1000 * min(of) / n, 4) for name, of in times_s.items()}


def parity_document(parity: Parity, n_bytes: int, about: dict[str, Any]) -> dict[str, Any]:
    """What parity.json holds; `about` says of what, and where."""
    return {
        **about,
        "megabytes": round(n_bytes / 1e6, 2),
        "windows": parity.windows,
        "largest_difference": parity.differences,
        "mean_difference": parity.means,
        "tolerance": TOLERANCES[about["dtype"]],
        "recordings": len(parity.counts),
        "counts_equal": parity.n_equal,
        "counts_differ": [of for of in parity.counts if of["jax"] != of["exported"]],
        "ms_a_window": parity.ms_a_window,
    }


def parity_lines(parity: Parity, n_bytes: int) -> list[str]:
    """The same for the console."""
    apart = ", ".join(f"{name} {value:.1e}" for name, value in parity.differences.items())
    speeds = "; ".join(
        f"{of['exported']:.2f} ms a window at {batch}, JAX {of['jax']:.2f}"
        for batch, of in parity.ms_a_window.items()
    )
    return [
        f"largest difference from JAX in {parity.windows:,} windows: {apart}",
        f"counts of {parity.n_equal} of {len(parity.counts)} recordings equal",
        f"{speeds}; {n_bytes / 1e6:.2f} MB",
    ]
