"""`python -m wt_jax.evaluate`: the best checkpoint on a split's recordings, beside what else one could do."""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from wt_jax import commands, config
from wt_jax.baselines import baselines
from wt_jax.checkpoint import Checkpoints, open_best
from wt_jax.corpus import SYNTHETIC, load_corpus
from wt_jax.files import written_beside
from wt_jax.judged import Judged, judge
from wt_jax.recordings import Recording
from wt_jax.repetitions import Counting, Timeline
from wt_jax.report import write_html
from wt_jax.scores import score
from wt_jax.splits import SPLITS
from wt_jax.steps import explain_out_of_memory, state_template
from wt_jax.tables import table
from wt_jax.timeline import make_timelines
from wt_jax.validation import make_evaluation_of_each


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A report and what it was made from: all that its page shows."""

    report: dict[str, Any]
    judged: list[Judged]
    timelines: dict[str, Timeline]
    counting: Counting
    baselines: Mapping[str, Sequence[Judged]]


def evaluate(
    checkpoint: Path, root: str | None, recordings: str, split: str, with_baselines: bool = False
) -> Evaluation:
    """Restores the best checkpoint in `checkpoint` on this machine's devices and scores a split.

    `root` None: the data that it was trained beside. Timelines are read as the checkpoint says, whatever
    the split. Baselines know the recordings of the train split. Raises ValueError where the split is empty,
    or holds recordings that the checkpoint was trained on under another name of split.
    """
    checkpoints, step = open_best(checkpoint)
    meta = checkpoints.meta(step)
    options, counting = config.unflatten(meta["config"]), checkpoints.counting(step)
    if root is None:
        root = options.data.root if meta["data"] == SYNTHETIC else meta["root"]
        recordings = recordings or meta["recordings"]
    corpus = load_corpus(root, recordings, options.data.classes, checkpoint / "recordings")
    if corpus.data == SYNTHETIC and meta["data"] != SYNTHETIC:
        raise ValueError(f"--data {root}: holds no data, and the checkpoint was trained on {meta['data']}")
    chosen = corpus.split(*(SPLITS if split == "all" else (split,)))
    if not chosen:
        raise ValueError(f"--split {split}: no recording of {root} is in it; try --split all")
    trained_on = set(meta["trained_on"])
    seen = [recording.name for recording in chosen if recording.content in trained_on]
    if seen and split in ("val", "test"):
        raise ValueError(
            f"--split {split}: {len(seen)} of its recordings were trained on ({', '.join(seen[:3])}): a "
            "score on them says nothing of new people; use --split train or all"
        )
    print(f"checkpoint: {checkpoint}, step {step}, trained on data: {meta['data']}")
    if counting is None:
        print("warning: no thresholds were chosen for this checkpoint (its training was not over): defaults")
    try:
        params = _restore(checkpoints, step, options).best_params
        timelines, judged = judge_all(options, params, counting or Counting(), chosen)
    except jax.errors.JaxRuntimeError as error:
        raise explain_out_of_memory(error, options) or error from error
    finally:
        checkpoints.close()
    others = baselines(corpus.split("train"), chosen) if with_baselines else {}
    report = {
        "data": corpus.data,
        "split": split,
        "checkpoint_step": step,
        "counting": dataclasses.asdict(counting or Counting()),
        **score(judged, options.data.classes),
    }
    if others:
        report["baselines"] = {name: score(of, options.data.classes) for name, of in others.items()}
    by_name = {recording.name: timeline for recording, timeline in zip(chosen, timelines, strict=True)}
    return Evaluation(report, judged, by_name, counting or Counting(), others)


def judge_all(
    options: config.Config, params: Any, counting: Counting, recordings: Sequence[Recording]
) -> tuple[list[Timeline], list[Judged]]:
    """What the network says of each recording."""
    timelines = make_timelines(options)(params, recordings)
    sums = make_evaluation_of_each(options, recordings, jax.local_devices())(params)
    judged = [judge(*one) for one in zip(recordings, timelines, [counting] * len(sums), sums, strict=True)]
    return timelines, judged


def _restore(checkpoints: Checkpoints, step: int, options: config.Config) -> Any:
    return checkpoints.restore(step, state_template(options, jax.local_devices()))


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m wt_jax.evaluate", description=__doc__)
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="DIR", help="workdir of a training run"
    )
    parser.add_argument("--data", metavar="ROOT", help="data root; default: the one it was trained on")
    parser.add_argument("--recordings", default="", metavar="DIR", help="where built recordings are kept")
    parser.add_argument("--split", default="test", choices=(*SPLITS, "all"))
    parser.add_argument("--baselines", action="store_true", help="score what one would try instead as well")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="report as JSON, and beside it as a page, FILE's .html"
    )
    args = parser.parse_args(argv)
    if args.output and (args.output.is_dir() or not args.output.absolute().parent.is_dir()):
        raise ValueError(f"--output {args.output}: must be a file in a folder that exists")
    if args.output and args.output.suffix == ".html":
        raise ValueError(f"--output {args.output}: name the JSON file; the page is written beside it")
    commands.use_compilation_cache()
    found = evaluate(args.checkpoint, args.data, args.recordings, args.split, args.baselines)
    print(table(found.report))
    if args.output:
        with written_beside(args.output) as beside:
            beside.write_text(json.dumps(found.report, indent=2, allow_nan=False) + "\n")
        page = args.output.with_suffix(".html")
        write_html(page, found.report, found.judged, found.timelines, found.counting, found.baselines)
        print(f"report: {args.output}, {page}")


if __name__ == "__main__":
    commands.run(main)
