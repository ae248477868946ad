"""What training costs as the data grows: a step, an epoch's drawing, memory, the start.

    python benchmarks/data_size.py --sizes 1 4 16 --rounds 3

Size 1 is 40 recordings of 900 frames, of random angles. Each size of each round has a process of its own, the
sizes in turn. A cell is the median over rounds; the last row is the median of the ratios of one round.
`drawing an epoch` is all its batches without a step.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

from contender import random_recordings
from machine import heading

_RECORDINGS = 40
_DISPATCHES = 6
_COLUMNS = {
    "windows": "windows", "sequences_s": "sequences, s", "windows_s": "windows cut, s",
    "pipeline_s": "pipeline to the first batch, s", "drawing_s": "drawing an epoch, s",
    "step_ms": "step, ms", "resident_mb": "on the device, MB", "peak_mb": "peak memory, MB",
}  # fmt: skip


def measure(size: int) -> dict[str, float]:
    import jax

    from wt_jax import config
    from wt_jax.input_pipeline import balanced_sampler, window_runs, windows
    from wt_jax.training import train_step

    options, devices = config.check(config.Config()), jax.local_devices()
    recordings = random_recordings(options.data.classes, _RECORDINGS * size)
    found: dict[str, float] = {}
    at = time.perf_counter()

    def done(name: str) -> None:
        nonlocal at
        found[name], at = time.perf_counter() - at, time.perf_counter()

    sequences = windows.make_sequences(recordings, options.data.classes, options.labels)
    done("sequences_s")
    index = windows.cut_windows(recordings, sequences, options.data.window_frames, 1)
    done("windows_s")
    batches = balanced_sampler.make_train_batches(window_runs.runs_of(index), options)
    next(batches)
    done("pipeline_s")
    n_dispatches = options.train.windows_per_epoch // (
        options.train.batch_size * options.train.steps_per_dispatch
    )
    for _ in range(n_dispatches):
        next(batches)
    done("drawing_s")
    on_devices = train_step.put_sequences(sequences, devices)
    state, dispatch = (
        train_step.init_state(options, devices),
        train_step.make_train_dispatch(options, devices),
    )
    times_s = []
    for _ in range(1 + _DISPATCHES):
        started_s = time.perf_counter()
        state, losses = dispatch(state, on_devices, next(batches))
        jax.block_until_ready(losses)
        times_s.append(time.perf_counter() - started_s)
    found["step_ms"] = 1000 * statistics.median(times_s[1:]) / options.train.steps_per_dispatch
    found["windows"] = len(index.firsts_N)
    found["resident_mb"] = sum(array.nbytes for array in on_devices.values()) / 1e6
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    print(f"{heading()}\n")
    runs: dict[int, list[dict[str, float]]] = {size: [] for size in arguments.sizes}
    for _ in range(arguments.rounds):
        for size in runs:
            command = [sys.executable, __file__, "--measure", str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            runs[size].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"| size | {' | '.join(_COLUMNS.values())} |\n|{'---|' * (len(_COLUMNS) + 1)}")
    for size, of in runs.items():
        medians = {name: statistics.median(run[name] for run in of) for name in _COLUMNS}
        cells = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in medians.values()]
        print(f"| {size}x | {' | '.join(cells)} |")
    low, high = min(runs), max(runs)
    growth = {
        name: statistics.median(b[name] / a[name] for a, b in zip(runs[low], runs[high], strict=True))
        for name in _COLUMNS
    }
    print(f"| {high}x / {low}x | {' | '.join(f'{value:.2f}' for value in growth.values())} |")


if __name__ == "__main__":
    main()
