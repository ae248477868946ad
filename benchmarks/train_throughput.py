"""Windows a second that training does: wt_jax beside Keras 3 and PyTorch, in alternating runs.

    python benchmarks/train_throughput.py --batch_sizes 32 --dtypes float32 --rounds 5

Every contender of a batch size and dtype has a process of its own (worker.py); one at a time trains for
`--seconds`, all in turn, `--rounds` times. A rate is the median over rounds (least to most); a ratio is the
median over rounds of ours / theirs in the same round, so that a machine that slows down cancels out. So is
the share of the peak: the operations of the matmuls that a step needs (summary.window_flops, times 3), beside
products of two square matrices in the same round. Memory is the most held so far: the process's, on a GPU
the GPU's. A run beside which other processes used the CPU is repeated, for `--wait_s` in all; what remains
disturbed is said.
"""

import argparse
import importlib.metadata
import importlib.util
import statistics
import tempfile
import time

from machine import heading, positive
from worker import Entry, Worker, WorkerFailed

from wt_jax.config import Config
from wt_jax.models.summary import window_flops

_MODULES = {
    "keras": "keras",
    "keras-fit": "keras",
    "keras-tf": "tensorflow",
    "torch": "torch",
    "torch-compile": "torch",
}
_TITLES = {
    "ours": "wt_jax",
    "keras": "Keras-JAX, own loop",
    "keras-fit": "Keras-JAX fit",
    "keras-tf": "Keras-TF fit",
    "torch": "PyTorch",
    "torch-compile": "PyTorch compiled",
}
_WARM_UP_S = 1.0


def alternate(
    entries: list[Entry], rounds: int, seconds: float, wait_s: float
) -> tuple[dict[Entry, list[float]], dict[Entry, float], list[str]]:
    """Windows/s of each entry in each round, its peak memory in MB, and remarks.

    What failed is left out, and remarked on; so is what was disturbed.
    """
    workers: dict[Entry, Worker] = {}
    rates: dict[Entry, list[float]] = {}
    remarks: list[str] = []
    for entry in entries:
        try:
            workers[entry] = Worker(entry)
            workers[entry].windows_per_second(_WARM_UP_S)
            rates[entry] = []
        except WorkerFailed as failure:
            remarks.append(str(failure))
    deadline = time.monotonic() + wait_s
    for _ in range(rounds):
        for entry in list(rates):
            try:
                rates[entry].append(workers[entry].windows_per_second(seconds, deadline))
            except WorkerFailed as failure:
                del rates[entry]
                remarks.append(str(failure))
    for entry, worker in workers.items():
        worker.close()
        if worker.disturbed:
            share = f"{worker.disturbed} of {rounds} rounds"
            remarks.append(f"{entry}: {share} beside other work on up to {worker.others:.1f} cores")
    return rates, {entry: workers[entry].peak_mb for entry in rates}, remarks


def first_steps(entries: list[Entry]) -> list[str]:
    """Markdown rows of seconds from a process' start to the end of its first dispatch."""
    rows = ["| contender | device | cold | compilation cached |", "|---|---|---|---|"]
    for entry in entries:
        with tempfile.TemporaryDirectory() as cache:
            try:
                times = []
                for _ in range(1 if _MODULES.get(entry.name) == "torch" else 2):
                    worker = Worker(entry, cache)
                    times.append(f"{worker.first_step_s:.1f} s")
                    worker.close()
                rows.append(f"| {entry} | {worker.device} | {' | '.join([*times, '-'][:2])} |")
            except WorkerFailed as failure:
                rows.append(f"| {entry} | - | {failure} | - |")
    return rows


def table_row(
    entry: Entry, ours: Entry, peak: Entry, rates: dict[Entry, list[float]], peak_mb: dict[Entry, float]
) -> str:
    """One markdown row: a contender at a batch, dtype and K, how much faster ours is, share of the peak."""
    rate, n_flops = rates.get(entry, []), 3 * sum(window_flops(Config()).values())
    ratio = [a / b for a, b in zip(rates.get(ours, []), rate, strict=False)]
    share = [a * n_flops / (b * 1e9) for a, b in zip(rate, rates.get(peak, []), strict=False)]
    cells = [
        str(entry.batch_size),
        entry.dtype,
        _TITLES[entry.name],
        str(entry.steps_per_dispatch),
        f"{statistics.median(rate):.0f} ({min(rate):.0f} to {max(rate):.0f})" if rate else "-",
        f"{statistics.median(ratio):.2f}" if ratio else "-",
        f"{statistics.median(share):.0%}" if share else "-",
        f"{peak_mb[entry]:,.0f} MB" if entry in peak_mb else "-",
    ]
    return f"| {' | '.join(cells)} |"


def _rival(ours: Entry, name: str) -> Entry:
    steps = 1 if _MODULES[name] == "torch" else ours.steps_per_dispatch
    return ours._replace(name=name, steps_per_dispatch=steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[32, 256, 1024])
    parser.add_argument(
        "--dtypes", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"]
    )
    parser.add_argument("--steps_per_dispatch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=positive, default=3.0, help="of one contender in one round")
    parser.add_argument(
        "--wait_s", type=float, default=60.0, help="of a batch and dtype, for other work to end"
    )
    parser.add_argument("--start_up", action="store_true", help="also the time to the first step")
    parser.add_argument("--rivals", nargs="+", choices=[*_MODULES, "none"], default=["keras", "torch"])
    arguments = parser.parse_args()
    print(heading())
    wanted = [name for name in arguments.rivals if name != "none"]
    rivals = [name for name in wanted if importlib.util.find_spec(_MODULES[name])]
    for name in wanted:
        if name not in rivals:
            print(f"{_TITLES[name]}: not installed: pip install -e .[bench]")

    ours = [
        Entry("ours", batch_size, dtype, steps)
        for batch_size in arguments.batch_sizes
        for dtype in arguments.dtypes
        for steps in arguments.steps_per_dispatch
    ]
    firsts = [*ours[: len(arguments.steps_per_dispatch)], *(_rival(ours[0], name) for name in rivals)]
    if arguments.start_up:
        print("\nTime to the first step, process start included\n")
        print("\n".join(first_steps(firsts)), flush=True)

    heads = ["batch", "dtype", "", "steps a dispatch", "windows/s", "wt_jax / it", "of the peak", "memory"]
    print(f"\nMedian (least to most) of {arguments.rounds} rounds of {arguments.seconds:g} s\n")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    remarks: list[str] = []
    for batch_size, dtype in dict.fromkeys((entry.batch_size, entry.dtype) for entry in ours):
        mine = [entry for entry in ours if (entry.batch_size, entry.dtype) == (batch_size, dtype)]
        peak = Entry("matmul", 0, dtype, 1)
        entries = dict.fromkeys([peak, *mine, *(_rival(entry, name) for entry in mine for name in rivals)])
        rates, peak_mb, more = alternate(list(entries), arguments.rounds, arguments.seconds, arguments.wait_s)
        remarks += more
        for entry in mine:
            for row in (entry, *(_rival(entry, name) for name in rivals)):
                print(table_row(row, entry, peak, rates, peak_mb), flush=True)
        if flops := rates.get(peak):
            remarks.append(
                f"peak beside batch {batch_size} {dtype}: {statistics.median(flops):,.0f} GFLOP/s "
                f"({min(flops):,.0f} to {max(flops):,.0f})"
            )
    print("\n".join(["", *remarks]))


if __name__ == "__main__":
    main()
