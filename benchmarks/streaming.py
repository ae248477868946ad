"""What it costs that frames are read from files in place of being whole on the device: data.resident.

    python benchmarks/streaming.py --sizes 1 10 100 --rounds 5

Size 1 is 40 recordings of 900 frames, of random angles and points, in files; all goes below `--folder`, some
3 GB at size 100, and is removed. Options are those of experiments/main.py, but for the batch, and windows
begin at each frame.
rates: a batch's steps in both ways, alternating in one process; medians (least to most) over rounds.
reading: batches alone, without a step: what a device could be fed. formats: one read of 30 or 126 frames.
memory: a process each, from the recordings' files to some steps of a small model; the most that it held.
index: of as many windows as 100 GB of frames have, and drawn from.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from contender import random_recordings
from machine import heading

_RECORDINGS, _FRAMES = 40, 900
_STEPS_A_DISPATCH = {32: 8, 256: 1}
_SMALL = {"model.filters": 8, "model.blocks": 1, "model.heads": 2, "model.dense_units": "(8,)"}


def options_of(batch_size: int, resident: str, **more: Any) -> Any:
    from wt_jax.runtime.config_flags import parse

    values = {
        "data.classes": "('push-ups', 'squats', 'no-exercise')", "data.stride_frames": 1, "data.synthetic": 0,
        "data.resident": resident, "train.batch_size": batch_size,
        "train.steps_per_dispatch": _STEPS_A_DISPATCH.get(batch_size, 1),
        **more,
    }  # fmt: skip
    return parse(["--config", "experiments/main.py", *(f"--config.{k}={v}" for k, v in values.items())])


def write_recordings(folder: Path, size: int) -> None:
    import dataclasses

    from wt_jax.data.recordings import save_recording

    rng, classes = np.random.default_rng(1), options_of(32, "auto").data.classes
    for part in range(size):
        for one in random_recordings(classes, _RECORDINGS, _FRAMES):
            points = rng.normal(0, 100, (_FRAMES, 33, 3)).astype(np.float16)
            name = f"{one.name}-{part}"
            angles = rng.random((_FRAMES, 25), np.float32)  # other ones each time
            one = dataclasses.replace(
                one, name=name, points_FxLx3=points, angles_FxJ=angles, starts=one.starts[::2]
            )
            save_recording(folder / f"{name}.npz", one)


class Training:
    """The project's own loading, layout, batches and step, put together as wt_jax.train does."""

    def __init__(self, folder: Path, batch_size: int, resident: str, **more: Any) -> None:
        import jax

        from wt_jax.data.recordings import load_recordings
        from wt_jax.input_pipeline.balanced_sampler import make_train_batches
        from wt_jax.runtime import jax_setup
        from wt_jax.training import residence, train_step

        jax_setup.keep_freed()
        options, devices, in_files = (
            options_of(batch_size, resident, **more),
            jax.local_devices(),
            resident == "false",
        )
        recordings = load_recordings(folder, options.data.classes, in_files=in_files)
        frames = folder / "frames" if in_files else None
        self.sequences, runs = residence.lay_out_where(frames, options, recordings, 1, devices)
        read = self.sequences.cut if in_files else None  # type: ignore[union-attr]
        self._batches = make_train_batches(runs, options, read=read)
        self._wait, self._waited_s = jax.block_until_ready, 0.0
        self._in_files, self._windows = in_files, batch_size * options.train.steps_per_dispatch
        self._state = train_step.init_state(options, devices)
        self._dispatch = train_step.make_train_dispatch(options, devices, in_files)

    def _draw(self) -> Any:
        started_s = time.perf_counter()
        drawn = next(self._batches)
        self._waited_s += time.perf_counter() - started_s
        return drawn if self._in_files else (self.sequences, drawn)

    def steps(self) -> None:
        self._state, losses = self._dispatch(self._state, *self._draw())
        self._wait(losses)

    def rate(self, run: Callable[[], Any], seconds: float) -> tuple[float, float]:
        """Windows a second, and the share of the time that was waited for data."""
        n, self._waited_s, started_s = 0, 0.0, time.perf_counter()
        while (took_s := time.perf_counter() - started_s) < seconds:
            run()
            n += self._windows
        return n / took_s, self._waited_s / took_s


def measure_rates(folder: Path, rounds: int, seconds: float) -> list[list[Any]]:
    rows = []
    for batch_size in _STEPS_A_DISPATCH:
        ways = {way: Training(folder, batch_size, way) for way in ("true", "false")}
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for training in ways.values():
            training.steps()
        for _ in range(rounds):
            for way, training in ways.items():
                for what, run in (("training", training.steps), ("reading", training._draw)):
                    found.setdefault((what, way), []).append(training.rate(run, seconds))
        for (what, way), of in found.items():
            rates, waits = zip(*of, strict=True)
            rows.append([batch_size, what, way, statistics.median(rates), min(rates), max(rates), max(waits)])
    return rows


def measure_memory(folder: Path, way: str) -> list[float]:
    training = Training(folder, 32, way, **_SMALL)
    for _ in range(20):
        training.steps()
    return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]


def measure_index(folder: Path) -> dict[str, float]:
    """Of 100 GB of frames: the runs of these recordings, as often as that takes; and what is kept of each."""
    import tracemalloc

    from wt_jax.data.recordings import load_recordings
    from wt_jax.input_pipeline.balanced_sampler import StratifiedSampler
    from wt_jax.input_pipeline.frame_files import lay_out_in_files, n_frames, row_type
    from wt_jax.input_pipeline.window_runs import joined

    options = options_of(256, "false")
    tracemalloc.start()
    recordings = load_recordings(folder, options.data.classes, in_files=True)
    known, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    _, runs = lay_out_in_files(options, recordings, 1, folder / "frames", 1)
    own = n_frames(options, recordings)
    times = round(100e9 / row_type(options).itemsize / own)
    index = joined([runs.placed(i * own, 0) for i in range(times)])
    tracemalloc.start()
    sampler = StratifiedSampler(index, options.data, 0)
    sampler.firsts(np.arange(2560))
    of_sampler, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    drawn_s = []
    for i in range(200):
        started_s = time.perf_counter()
        sampler.firsts(np.arange(1000 * i, 1000 * i + 256))
        drawn_s.append(time.perf_counter() - started_s)
    return {
        "recordings": times * len(recordings), "windows": len(index), "runs": len(index.firsts_R),
        "index, bytes a recording": (index.n_bytes + of_sampler) / times / len(recordings),
        "what is known of it, bytes a recording": known / len(recordings),
        "256 windows drawn, ms": 1000 * statistics.median(drawn_s),
    }  # fmt: skip


def measure_formats(folder: Path) -> list[list[Any]]:
    """Windows a second of one thread, the files in the page cache."""
    from array_record.python import array_record_module as array_record

    rng, row, piece = np.random.default_rng(0), 205, 30
    n_recordings, paths = 1000, [folder / name for name in ("rows", "recordings", "pieces")]
    writers = [array_record.ArrayRecordWriter(str(path), "group_size:1,uncompressed") for path in paths[1:]]
    with paths[0].open("wb") as file:
        for _ in range(n_recordings):
            rows = rng.integers(0, 255, (_FRAMES, row), np.uint8)
            file.write(rows.tobytes())
            writers[0].write(rows.tobytes())
            for at in range(0, _FRAMES, piece):
                writers[1].write(rows[at : at + piece].tobytes())
    for writer in writers:
        writer.close()
    whole, pieces = (
        array_record.ArrayRecordReader(str(path), "readahead_buffer_size:0") for path in paths[1:]
    )
    mapped = np.memmap(paths[0], np.uint8, "r")

    with paths[0].open("rb", buffering=0) as rows_file:

        def read(firsts: np.ndarray, n: int) -> Any:
            out = np.empty((len(firsts), n * row), np.uint8)
            for to, first in zip(out, firsts.tolist(), strict=True):
                os.preadv(rows_file.fileno(), [to.data], first * row)
            return out

        def map_(firsts: np.ndarray, n: int) -> Any:
            out = np.empty((len(firsts), n * row), np.uint8)
            for to, first in zip(out, firsts.tolist(), strict=True):
                to[:] = mapped[first * row : (first + n) * row]
            return out

        def by_recordings(firsts: np.ndarray, n: int) -> Any:
            found = whole.read((firsts // _FRAMES).tolist())
            return [
                one[first % _FRAMES * row :][: n * row]
                for one, first in zip(found, firsts.tolist(), strict=True)
            ]

        def by_pieces(firsts: np.ndarray, n: int) -> Any:
            each = -(-n // piece) + 1
            found = pieces.read((firsts[:, None] // piece + np.arange(each)).ravel().tolist())
            return [
                b"".join(found[i * each : (i + 1) * each])[first % piece * row :][: n * row]
                for i, first in enumerate(firsts.tolist())
            ]

        result = []
        for n in (30, 126):
            firsts = rng.integers(0, n_recordings - 1, 512) * _FRAMES + rng.integers(0, _FRAMES - n, 512)
            expected = read(firsts, n)
            for name, way in (
                ("rows in files, pread", read), ("rows in files, memory-mapped", map_),
                ("ArrayRecord of recordings", by_recordings), ("ArrayRecord of 30 frames", by_pieces),
            ):  # fmt: skip
                assert all(bytes(a) == bytes(b) for a, b in zip(way(firsts, n), expected, strict=True))
                times_s = []
                for _ in range(5):
                    started_s = time.perf_counter()
                    way(firsts, n)
                    times_s.append(time.perf_counter() - started_s)
                result.append([n, name, len(firsts) / statistics.median(times_s)])
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one way in one round")
    parser.add_argument("--folder", type=Path, help="where files go; a temporary one by default")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        what, *way = args.measure.split()
        measures: dict[str, Callable[[], Any]] = {
            "rates": lambda: measure_rates(args.folder, args.rounds, args.seconds),
            "memory": lambda: measure_memory(args.folder, *way),
            "index": lambda: measure_index(args.folder),
            "formats": lambda: measure_formats(args.folder),
        }
        print(json.dumps(measures[what]()))
        return
    print(f"{heading()}\n")
    with tempfile.TemporaryDirectory(dir=args.folder, ignore_cleanup_errors=True) as name:
        folder = Path(name)

        def measured(what: str, size: int = 0) -> Any:
            command = [sys.executable, __file__, "--measure", what, "--folder", str(folder / f"{size}")]
            command += ["--rounds", str(args.rounds), "--seconds", str(args.seconds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            return json.loads(done.stdout.splitlines()[-1])

        (folder / "0").mkdir()
        print("| frames | format | windows/s |\n|---|---|---|")
        for n, how, rate in measured("formats"):
            print(f"| {n} | {how} | {rate:,.0f} |", flush=True)
        shutil.rmtree(folder / "0")
        for size in args.sizes:
            write_recordings(folder / f"{size}", size)
            if size == args.sizes[0]:
                print("\n| batch | | data.resident | windows/s | waiting at most |\n|---|---|---|---|---|")
                for batch, what, way, median, least, most, wait in measured("rates", size):
                    share = f"{wait:.1%}" if what == "training" else "-"
                    rates = f"{median:,.0f} ({least:,.0f} to {most:,.0f})"
                    print(f"| {batch} | {what} | {way} | {rates} | {share} |")
                print("\n| size | true, MB | false, cold, MB | false, files there, MB |\n|---|---|---|---|")
                shutil.rmtree(folder / f"{size}" / "frames")
            cells = [measured(f"memory {way}", size)[0] for way in ("true", "false", "false")]
            print(f"| {size}x | {' | '.join(f'{cell:,.0f}' for cell in cells)} |", flush=True)
            if size == args.sizes[-1]:
                print("\n100 GB of frames: " + json.dumps(measured("index", size)))
            shutil.rmtree(folder / f"{size}")


if __name__ == "__main__":
    main()
