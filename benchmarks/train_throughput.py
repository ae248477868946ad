"""Windows a second that training does: wt_jax beside Keras 3 on JAX and PyTorch, in alternating runs.

    python benchmarks/train_throughput.py --batch_sizes 32 --dtypes float32 --rounds 5

Every contender of a batch size and dtype has a process of its own (worker.py); one at a time trains for
`--seconds`, all in turn, `--rounds` times. A cell is the median over rounds (least to most); a ratio is the
median over rounds of ours / theirs in the same round, so that a machine that slows down cancels out. A run
beside which other processes used the CPU is repeated, for `--wait_s` in all; what remains disturbed is said.
"""

import argparse
import dataclasses
import datetime
import importlib.metadata
import importlib.util
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path

from worker import Entry, Worker, WorkerFailed

_MODULES = {"keras": "keras", "keras-fit": "keras", "torch": "torch", "torch-compile": "torch"}
_TITLES = {
    "ours": "wt_jax",
    "keras": "Keras-JAX",
    "keras-fit": "Keras-JAX fit",
    "torch": "PyTorch",
    "torch-compile": "PyTorch compiled",
}
_WARM_UP_S = 1.0


def alternate(
    entries: list[Entry], rounds: int, seconds: float, wait_s: float
) -> tuple[dict[Entry, list[float]], list[str]]:
    """Windows/s of each entry in each round, and remarks on what failed (it is left out) or was disturbed."""
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
    return rates, remarks


def first_steps(entries: list[Entry]) -> list[str]:
    """Markdown rows: seconds from the start of a fresh process to the end of its first dispatch."""
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


def table_row(entry: Entry, rates: dict[Entry, list[float]], rivals: list[str]) -> str:
    """One markdown row: ours at `entry`, each rival at the same batch, dtype and K, and the ratios."""
    ours = rates.get(entry, [])
    cells, ratios = [_cell(ours)], []
    for name in rivals:
        theirs = rates.get(_rival(entry, name), [])
        cells.append(_cell(theirs))
        both = [a / b for a, b in zip(ours, theirs, strict=False)]
        ratios.append(f"{statistics.median(both):.2f}" if both else "-")
    first = [str(entry.batch_size), entry.dtype, str(entry.steps_per_dispatch)]
    return f"| {' | '.join([*first, *cells, *ratios])} |"


def _cell(rates: list[float]) -> str:
    return f"{statistics.median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})" if rates else "-"


def _rival(ours: Entry, name: str) -> Entry:
    steps = 1 if _MODULES[name] == "torch" else ours.steps_per_dispatch
    return dataclasses.replace(ours, name=name, steps_per_dispatch=steps)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return f"{cpu}, {os.cpu_count()} cores, load at start {load}, {platform.system()} {platform.machine()}"


def versions() -> str:
    found = [f"python {platform.python_version()}"]
    for package in ("jax", "jaxlib", "flax", "keras", "torch"):
        if importlib.util.find_spec(package):
            found.append(f"{package} {importlib.metadata.version(package)}")
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[32, 256, 1024])
    parser.add_argument(
        "--dtypes", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"]
    )
    parser.add_argument("--steps_per_dispatch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one contender in one round")
    parser.add_argument(
        "--wait_s", type=float, default=60.0, help="of a batch and dtype, for other work to end"
    )
    parser.add_argument("--rivals", nargs="+", choices=[*_MODULES, "none"], default=["keras", "torch"])
    arguments = parser.parse_args()
    print(f"machine: {machine()}\nversions: {versions()}\ndate: {datetime.datetime.now():%Y-%m-%d %H:%M}")
    print(f"command: python {shlex.join(sys.argv)}")
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
    print("\nTime to the first step, process start included\n")
    print("\n".join(first_steps(firsts)), flush=True)

    heads = ["batch", "dtype", "steps a dispatch", "wt_jax", *(_TITLES[name] for name in rivals)]
    heads += [f"wt_jax / {_TITLES[name]}" for name in rivals]
    print(
        f"\nWindows a second, median (least to most), {arguments.rounds} rounds of {arguments.seconds:g} s\n"
    )
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    remarks: list[str] = []
    for group in dict.fromkeys((entry.batch_size, entry.dtype) for entry in ours):
        mine = [entry for entry in ours if (entry.batch_size, entry.dtype) == group]
        entries = dict.fromkeys([*mine, *(_rival(entry, name) for entry in mine for name in rivals)])
        rates, more = alternate(list(entries), arguments.rounds, arguments.seconds, arguments.wait_s)
        remarks += more
        for entry in mine:
            print(table_row(entry, rates, rivals), flush=True)
    print("\n".join(["", *remarks]))


if __name__ == "__main__":
    main()
