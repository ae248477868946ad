"""One checkpoint on all recordings that it was not trained on, by exercise, source and origin of the starts.

Command: python benchmarks/unseen.py --checkpoint pretrained --data ../shared/corpus --wild ../shared/wild
Its own validation, if a root holds that, is among them.
--checkpoint is a workdir, or what `restore_model` knows by name. --data are roots with labels; --wild are
roots with totals alone, landmarks/ beside a counts.csv (`file,type,count`), by which nothing is chosen.
Nothing is written into a root: built recordings are kept in --output, and the scores in scores.json there.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from machine import heading
from origins import by_origin

from wt_jax.counting.timeline import Timeline
from wt_jax.data.csv_tables import parse_whole_number, read_table, recording_name
from wt_jax.data.loading import load_dataset
from wt_jax.evaluation.console_report import SUBSETS, number, parts_table, reliability_lines
from wt_jax.evaluation.recording_result import RecordingResult, make_results
from wt_jax.evaluation.reliability import reliability
from wt_jax.evaluation.score_report import score
from wt_jax.evaluation.trade_off import trade_off
from wt_jax.inference.restore import RestoredModel, restore_model
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.runtime import jax_setup
from wt_jax.skeleton import FRAME_RATE_HZ


def results_on(
    trained: RestoredModel, root: str, recordings: Path
) -> tuple[list[RecordingResult], list[Timeline]]:
    """What the checkpoint says of each recording of `root` that it was not trained on."""
    dataset = load_dataset(root, str(recordings), trained.options.data.classes, recordings)
    unseen = [one.load() for one in dataset.recordings if one.content not in trained.trained_on]
    print(f"{root}: {len(unseen)} of {len(dataset.recordings)} recordings were not trained on")
    timelines = make_timelines(trained.options)(trained.params, unseen)
    return make_results(unseen, timelines, trained.counting), timelines


def labelled_scores(results: Sequence[RecordingResult], root: str, classes: Sequence[str]) -> dict[str, Any]:
    """Name of a part -> its report: all, each exercise, source and origin."""
    parts = {"all": list(results)}
    for one in results:
        parts.setdefault(one.recording.class_name, []).append(one)
    reports = {name: score(of, classes) for name, of in (parts | by_origin(results, root)).items() if of}
    return reports | reports["all"]["by_source"]


@dataclasses.dataclass(frozen=True)
class Total:
    """One line of counts.csv: what kind of exercise, and how many repetitions there are."""

    kind: str
    count: int


def read_totals(root: str) -> dict[str, Total]:
    """Recording -> its line of `root`/counts.csv. Raises ValueError, with the line, for what is no count."""
    return {
        recording_name(cells["file"], where): Total(
            cells["type"], parse_whole_number(cells["count"], where, "count")
        )
        for where, cells in read_table(Path(root) / "counts.csv", ("file", "type", "count"))
    }


def wild_scores(results: Sequence[RecordingResult], totals: Mapping[str, Total]) -> dict[str, dict[str, Any]]:
    """Type -> scores end to end; "all exercises" and "no exercise of the model" come last."""
    parts: dict[str, list[RecordingResult]] = {}
    for one in results:
        if one.recording.name in totals:
            parts.setdefault(totals[one.recording.name].kind, []).append(one)
            whole = "all exercises" if one.is_exercise else "no exercise of the model"
            parts.setdefault(f"~{whole}", []).append(one)
    return {kind.removeprefix("~"): _wild(parts[kind], totals) for kind in sorted(parts)}


def _wild(results: Sequence[RecordingResult], totals: Mapping[str, Total]) -> dict[str, Any]:
    off = [abs(one.n_end_to_end - totals[one.recording.name].count) for one in results if one.is_exercise]
    minutes = sum(one.recording.valid_F.sum() for one in results) / FRAME_RATE_HZ / 60
    n_false = sum(one.n_end_to_end for one in results if not one.is_exercise)
    of_rest = not off
    return {
        "recordings": len(results),
        "named right": sum(one.class_name == one.recording.class_name for one in results) / len(results),
        "within one": None if of_rest else sum(n <= 1 for n in off) / len(off),
        "exact": None if of_rest else sum(n == 0 for n in off) / len(off),
        "mean error": None if of_rest else sum(off) / len(off),
        "false": n_false if of_rest else None,
        "false/min": n_false / minutes if of_rest else None,
        "files with false": sum(one.n_end_to_end > 0 for one in results) if of_rest else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", nargs="*", default=[])
    parser.add_argument("--wild", nargs="*", default=[])
    parser.add_argument("--recordings", type=Path, help="built recordings of --data, where there are some")
    parser.add_argument("--output", type=Path, default=Path("checkpoints/unseen"))
    args = parser.parse_args()
    jax_setup.use_compilation_cache()
    print(heading())
    trained = restore_model(args.checkpoint, jax.local_devices())
    print(f"{args.checkpoint}: step {trained.step}, trained on {trained.meta['data']}; {trained.counting}")
    classes, found = trained.options.data.classes, {}
    for root in args.data:
        recordings = args.recordings or args.output / "recordings" / Path(root).name
        results, timelines = results_on(trained, root, recordings)
        found[root] = labelled_scores(results, root, classes)
        print("\n".join(parts_table("end to end, where not said", found[root], SUBSETS["by_source"])))
        report = found[root]["all"]
        report["reliability"] = reliability(results, timelines, trained.counting)
        report["false_repetitions"] = trade_off(results, timelines, trained.counting)
        print("\n".join(reliability_lines(report)))
        for point in report["false_repetitions"]["curves"].get("class_threshold", ()):
            print(
                "class threshold {at:g}: {false_reps_per_minute:.2f} false a minute, OBO {obo:.3f}".format(
                    **point
                )
            )
    for root in args.wild:
        results, _ = results_on(trained, root, args.output / "recordings" / Path(root).name)
        found[root] = wild_scores(results, read_totals(root))
        columns = list(next(iter(found[root].values())))
        print(f"{'totals, end to end':<28}" + "".join(f"{name:>17}" for name in columns))
        for kind, of_kind in found[root].items():
            print(f"  {kind:<26}" + "".join(f"{number(of_kind[name]):>17}" for name in columns))
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "scores.json").write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
