"""Accuracy on people never seen: cross-validation over groups, of experiments and of the baselines.

Command: python benchmarks/accuracy.py --data ../shared/corpus --experiments experiments/best.py --seeds 3
Every recording is judged once a seed, by a model that never saw its group: a fifth of the groups are judged,
a tenth is validation (the epoch, unless train.select is last, and the thresholds), the rest is trained on.
Sources, and starts marked by eye, are shown apart: a mean over all hides the hard ones.
What is done is kept in --output, and the same command goes on from there; another config or other data are
refused.
"""

import argparse
import contextlib
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from origins import by_origin

from wt_jax import config, train
from wt_jax.counting.settings import Counting
from wt_jax.data.loading import Dataset, load_dataset
from wt_jax.data.recordings import AnyRecording, Recording
from wt_jax.data.splits import SPLITS
from wt_jax.evaluate import results_of
from wt_jax.evaluation.baselines import baselines
from wt_jax.evaluation.console_report import LINES, SUBSETS, parts_table, score_at
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.evaluation.score_report import score
from wt_jax.inference.restore import restore_model
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.config_flags import parse
from wt_jax.training.history import TensorBoard
from wt_jax.training.setup import start_run

_PARTS = 10  # two are a fold's test, one its validation


def parts_of_groups(recordings: Sequence[Recording]) -> dict[str, int]:
    """Group -> part: the largest first, each to the part of its kind with the least; the same each time."""
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)

    def size(group: str) -> tuple[int, int]:
        return (
            sum(0 if r.starts is None else len(r.starts) for r in groups[group]),
            sum(len(r) for r in groups[group]),
        )

    parts, load = {}, np.zeros((_PARTS, 2))
    kinds = {group: (groups[group][0].class_name, size(group)[0] > 0) for group in groups}
    for kind in sorted(set(kinds.values())):
        filled = np.zeros(_PARTS)
        for group in sorted(
            (g for g in groups if kinds[g] == kind), key=lambda g: (size(g), g), reverse=True
        ):
            repetitions, frames = size(group)
            # Parts 0, 2, 4, ... first: no fold is left without the kind as long as there are five groups.
            order = np.lexsort((np.arange(_PARTS) % 2, load @ [1, 1e-4], filled))
            part = int(order[0])
            parts[group] = part
            filled[part] += repetitions + 1 if kind[1] else frames
            load[part] += repetitions, frames
    return parts


def fold_corpus(corpus: Dataset, parts: dict[str, int], fold: int) -> Dataset:
    def split(recording: AnyRecording) -> str:
        part = parts[recording.group]
        return "test" if part // 2 == fold else "val" if part == (2 * fold + 2) % _PARTS else "train"

    recordings = [dataclasses.replace(r, split=split(r)) for r in corpus.recordings]
    return dataclasses.replace(corpus, recordings=recordings)


def judge_fold(options: config.Config, corpus: Dataset) -> tuple[list[RecordingResult], Counting | None]:
    """Trains on a fold, from where its workdir stands, and judges its test recordings."""
    workdir = Path(options.workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / "log.txt").open("a") as log, contextlib.redirect_stdout(log):
        run = start_run(options, corpus)
        board = TensorBoard(workdir / "tensorboard", len(run.progress.history) + 1, "cross-validation")
        train.fit(run, board, cli.Stop())
        board.close()
        train.calibrate_best(run)
        run.checkpoints.close()
        trained = restore_model(workdir, jax.local_devices())
        _, results = results_of(options, trained.params, trained.counting, corpus.load("test"))
        return results, trained.chosen


def all_folds(
    args: argparse.Namespace, corpus: Dataset, parts: dict[str, int], file: str, seed: int
) -> list[RecordingResult]:
    results = []
    for fold in range(args.folds):
        workdir = args.output / Path(file).stem / f"seed{seed}-fold{fold}"
        options = parse(
            ["--config", file, f"--config.workdir={workdir}", f"--config.seed={seed}", *args.override]
        )
        began_s = time.perf_counter()
        found, counting = judge_fold(options, fold_corpus(corpus, parts, fold))
        print(f"{workdir}: {time.perf_counter() - began_s:.0f} s, {counting}", flush=True)
        results += found
    return results


def paired(
    ours: Sequence[RecordingResult], theirs: Sequence[RecordingResult], count: str, draws: int = 2000
) -> str:
    """Mean difference of the counting error |c' - c| / c on the same recordings, and its 95 % interval."""
    other = {one.recording.name: one for one in theirs}
    rows = [
        (one.recording.group, abs(getattr(one, count) - one.n_true) / one.n_true
         - abs(getattr(other[one.recording.name], count) - one.n_true) / one.n_true)
        for one in ours
        if one.is_exercise and one.n_true
    ]  # fmt: skip
    groups = sorted({group for group, _ in rows})
    sums = np.array(
        [[sum(d for g, d in rows if g == group), sum(g == group for g, _ in rows)] for group in groups]
    )
    drawn = np.random.default_rng(0).integers(len(groups), size=(draws, len(groups)))
    totals = sums[drawn].sum(1)
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    return f"{sums[:, 0].sum() / sums[:, 1].sum():+.3f} [{low:+.3f}, {high:+.3f}]"


def mean_of(values: Sequence[Any]) -> Any:
    """Of scores, or of reports that hold the same ones, each by itself; None where no seed has it."""
    if all(isinstance(value, dict) for value in values):
        shared = (key for key in values[0] if all(key in value for value in values))
        return {key: mean_of([value[key] for value in values]) for key in shared}
    if all(value == values[0] for value in values):
        return values[0]
    known = [value for value in values if isinstance(value, int | float)]
    return float(np.mean(known)) if known else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--recordings", default="", help="where built recordings are kept")
    parser.add_argument("--experiments", nargs="+", default=["experiments/best.py"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=_PARTS // 2, choices=range(1, _PARTS // 2 + 1))
    parser.add_argument("--output", type=Path, default=Path("checkpoints/accuracy"))
    parser.add_argument("override", nargs="*", help="--config.section.key=value, after --")
    args = parser.parse_args()
    jax_setup.use_compilation_cache()
    corpus = load_dataset(
        args.data, args.recordings, config.Config().data.classes, args.output / "recordings"
    )
    parts = parts_of_groups(corpus.load(*SPLITS))

    methods: dict[str, list[list[RecordingResult]]] = {}  # name -> one list a seed
    for file in args.experiments:
        methods[Path(file).stem] = [all_folds(args, corpus, parts, file, seed) for seed in range(args.seeds)]
    others: dict[str, list[RecordingResult]] = {}
    for fold in range(args.folds):
        split = fold_corpus(corpus, parts, fold)
        for name, of in baselines(split.load("train", "val"), split.load("test")).items():
            others.setdefault(name, []).extend(of)
    methods |= {name: [of] for name, of in others.items()}

    classes = config.Config().data.classes
    reports = {name: [score(of, classes) for of in seeds] for name, seeds in methods.items()}
    for name, seeds in methods.items():
        for report, of in zip(reports[name], seeds, strict=True):
            origins = by_origin(of, args.data)
            report["by_origin"] = {part: score(own, classes) for part, own in origins.items() if own}
    n_judged = len(next(iter(others.values())))
    print(f"{args.folds} folds, {args.seeds} seeds, {n_judged} recordings; {jax.devices()}")
    print(f"{'mean over seeds (spread)':<40}" + "".join(f"{name:>18}" for name in reports))
    for title, lines in LINES:
        print(title)
        for key, label in lines:
            cells = []
            for of_method in reports.values():
                values = [score_at(report, *key.split(".")) for report in of_method]
                known = [value for value in values if value is not None]
                spread = f" ({max(known) - min(known):.3f})" if len(known) > 1 else ""
                cells.append(f"{np.mean(known):.3f}{spread}" if known else "-")
            print(f"  {label:<38}" + "".join(f"{cell:>18}" for cell in cells))
    for name, of_method in reports.items():
        parts = mean_of([report["by_source"] | report["by_origin"] for report in of_method])
        print("\n".join(parts_table(f"{name}, end to end, where not said", parts, SUBSETS["by_source"])))
    first = next(iter(methods))
    for count, title in (("n_class_given", "class given"), ("n_end_to_end", "end to end")):
        print(
            f"relative counting error of {first}, seed 0, less that of another, {title}: mean [95 % interval]"
        )
        for name, seeds in methods.items():
            if name != first:
                print(f"  {name:<38}{paired(methods[first][0], seeds[0], count):>28}")
    (args.output / "reports.json").write_text(json.dumps(reports, indent=2))


if __name__ == "__main__":
    main()
