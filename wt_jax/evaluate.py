"""`python -m wt_jax.evaluate`: the checkpoint that is served, on a split, beside what else one could do."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from wt_jax import config
from wt_jax.cluster.flags import Cluster, add_cluster, read_cluster
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.data.loading import SYNTHETIC, is_there, load_dataset, synthetic_dataset
from wt_jax.data.recordings import Recording
from wt_jax.data.splits import SPLITS
from wt_jax.evaluation.baselines import baselines
from wt_jax.evaluation.console_report import THIS, number, score_at, table
from wt_jax.evaluation.html_report import write_html
from wt_jax.evaluation.recording_result import RecordingResult, make_result
from wt_jax.evaluation.reliability import reliability
from wt_jax.evaluation.score_report import paired, score
from wt_jax.evaluation.trade_off import trade_off
from wt_jax.evaluation.verdict import verdict
from wt_jax.inference.forward import forward, forward_on
from wt_jax.inference.restore import restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.callable_module import make_callable
from wt_jax.runtime.files import cache_folder, write_json
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import absolute, is_remote, place, resolved, split
from wt_jax.training.out_of_memory import explain_out_of_memory


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A report and what it was made from: all that its page shows."""

    report: dict[str, Any]
    results: list[RecordingResult]
    timelines: dict[str, Timeline]
    counting: Counting
    others: Mapping[str, Sequence[RecordingResult]]  # those it was scored against, and the baselines

    def __repr__(self) -> str:
        report = self.report
        scores = {
            "exercise right": score_at(report, "exercise", "accuracy_recording"),
            "off by one at most": score_at(report, "count", "obo"),
        }
        said = "".join(f", {name} {number(value)}" for name, value in scores.items())
        return (
            f"<Evaluation: {report['recordings']} recordings of split {report['split']}{said}; "
            f"data: {report['data']}, step {report['checkpoint_step']}>"
        )

    def __str__(self) -> str:
        return table(self.report)

    def write(self, path: Path | str) -> Path | str:
        """Writes the report to `path`, as JSON, and beside it as a page, whose path it returns.

        `path` may be of a bucket. Raises ValueError as `check_report_path` does.
        """
        check_report_path(path)
        folder, name = split(path)
        outbox = Outbox(folder)
        write_json(outbox.folder / name, self.report)
        page = outbox.folder / Path(name).with_suffix(".html")
        write_html(page, self.report, self.results, self.timelines, self.counting, self.others)
        outbox.send(last=name)
        return absolute(page) if is_remote(path) else page


def check_report_path(path: Path | str) -> None:
    """Raises ValueError where a report cannot be written to `path`, or its page would take its place."""
    folder, name = split(path)
    outbox = Outbox(folder)
    if not name or not outbox.folder.is_dir() or (outbox.folder / name).is_dir():
        raise ValueError(f"--output {path}: must be a file in a folder that exists")
    if name.endswith(".html"):
        raise ValueError(f"--output {path}: name the JSON file; the page is written beside it")
    if not outbox.is_writable:
        raise ValueError(f"--output {path}: cannot be written: choose another folder")


def evaluate(
    folder: Path | str,
    root: str | None,
    recordings: str,
    split: str,
    with_baselines: bool = False,
    against: Sequence[Path | str] = (),
    cluster: Cluster | None = None,
) -> Evaluation:
    """Scores a split by the checkpoint of `folder`, and beside it by those of `against` and the baselines.

    On a `cluster` its workers ask the network; this process finds the data and makes the scores.
    `root` None: the data that it was trained beside. Timelines are read as each checkpoint says, whatever
    the split. Baselines know what the checkpoint was trained on. Raises ValueError where the split is empty,
    or holds recordings that a checkpoint was trained on under another name of split.
    """
    trained = restore_model(folder, jax.local_devices())
    options, meta = trained.options, trained.meta
    splits = SPLITS if split == "all" else (split,)
    if root is None and meta["data"] == SYNTHETIC:
        print(f"data: {SYNTHETIC}, as the checkpoint was trained on; --data ROOT scores it on others")
        root, among = options.data.root, SPLITS if with_baselines else splits
        dataset = synthetic_dataset(options.data.classes, options.data.synthetic_people, among)
    else:
        if root is None:
            root, recordings = meta["root"], recordings or meta["recordings"]
            if not root:
                raise ValueError(f"--checkpoint {folder}: holds no data of its own: say --data ROOT")
            if meta["parents"] and not is_there(root, recordings):
                parent = meta["parents"][0]["name"]
                why = f"was adapted from {parent}, and {root} is no data root to score it on"
                raise ValueError(f"--checkpoint {folder}: {why}: say --data ROOT")
        dataset = load_dataset(
            root,
            recordings,
            options.data.classes,
            cache_folder() / "recordings",
            options.data.max_minutes,
            options.data.synthetic_people,
        )
    if dataset.data == SYNTHETIC and SYNTHETIC not in (meta["data"], root):
        raise ValueError(f"--data {root}: holds no data, and the checkpoint was trained on {meta['data']}")
    chosen = dataset.load(*splits)
    if not chosen:
        raise ValueError(f"--split {split}: no recording of {root} is in it; try --split all")
    # Before the network is asked: what they refuse should cost nobody the wait.
    known = [one for one in dataset.load(*SPLITS) if one.content in trained.trained_on]
    rivals: dict[str, Sequence[RecordingResult]] = {}
    if with_baselines and split in ("train", "all"):
        raise ValueError(
            f"--split {split} --baselines: they would be judged on what they know: use val or test"
        )
    if with_baselines and not known:
        raise ValueError(f"--baselines: {root} holds none of the recordings that {folder} was trained on")
    by_others = baselines(known, chosen) if with_baselines else {}
    print(f"checkpoint: {folder}, step {trained.step}, trained on data: {meta['data']}")
    timelines, results = _results_on_unseen(trained, chosen, split, cluster)
    for i, other in enumerate(against):
        rival = restore_model(other, jax.local_devices())
        if rival.options.data.classes != options.data.classes:
            raise ValueError(f"--against {other}: trained on other classes: {rival.options.data.classes}")
        if resolved(other) in map(resolved, against[:i]):
            raise ValueError(f"--against {other}: named twice")
        name = _column(other, {THIS, *rivals, *by_others})
        rivals[name] = _results_on_unseen(rival, chosen, split, cluster)[1]
    report = {
        "data": dataset.data,
        "split": split,
        "checkpoint_step": trained.step,
        "recordings_trained_on": sum(recording.content in trained.trained_on for recording in chosen),
        "counting": trained.counting.values(),
        **score(results, options.data.classes),
    }
    for key, methods in (("against", rivals), ("baselines", by_others)):
        if methods:
            report[key] = {name: score(of, options.data.classes) for name, of in methods.items()}
    others = {**rivals, **by_others}
    if others:
        report["paired"] = paired(results, others, options.data.classes)
    report["false_repetitions"] = trade_off(results, timelines, trained.counting)
    report["reliability"] = reliability(results, timelines, trained.counting)
    report = {"verdict": verdict(report), **report}
    by_name = {recording.name: timeline for recording, timeline in zip(chosen, timelines, strict=True)}
    return Evaluation(report, results, by_name, trained.counting, others)


def _column(folder: Path | str, taken: Collection[str]) -> str:
    """What a run is called in the report: its folder's name, with more of its path where that is taken."""
    parts = Path(absolute(folder)).parts
    names = ("/".join(parts[-n:]) for n in range(1, len(parts) + 1))
    return next(name for name in names if name not in taken)


def _results_on_unseen(
    trained: RestoredModel, recordings: Sequence[Recording], split: str, cluster: Cluster | None
) -> tuple[list[Timeline], list[RecordingResult]]:
    seen = [recording.name for recording in recordings if recording.content in trained.trained_on]
    if seen and split in ("val", "test"):
        raise ValueError(
            f"--split {split}: {len(seen)} of its recordings were trained on ({', '.join(seen[:3])}) by "
            f"{trained.name}: a score on them says nothing of new people; use --split train or all"
        )
    if trained.remark:
        print(f"warning: {trained.name}: {trained.remark}")
    try:
        return results_of(trained.options, trained.params, trained.counting, recordings, cluster)
    except jax.errors.JaxRuntimeError as error:
        raise explain_out_of_memory(error, trained.options) or error from error


def results_of(
    options: config.Config,
    params: Any,
    counting: Counting,
    recordings: Sequence[Recording],
    cluster: Cluster | None = None,
) -> tuple[list[Timeline], list[RecordingResult]]:
    """What the network says of each recording."""
    if cluster:
        said = forward_on(cluster, options, params, recordings)
    else:
        said = forward(options, params, recordings)
    results = [
        make_result(recording, timeline, counting, own_sums)
        for recording, (timeline, own_sums) in zip(recordings, said, strict=True)
    ]
    return [timeline for timeline, _ in said], results


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = ArgumentParser(prog="python -m wt_jax.evaluate", description=__doc__)
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="DIR",
        help="workdir of a training run; or pretrained, the checkpoint in the box",
    )
    parser.add_argument("--data", metavar="ROOT", help="data root; default: the one it was trained on")
    parser.add_argument("--recordings", default="", metavar="DIR", help="where built recordings are kept")
    parser.add_argument("--split", default="test", choices=(*SPLITS, "all"))
    parser.add_argument("--baselines", action="store_true", help="score what one would try instead as well")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="DIR", help="score other runs beside this one"
    )
    parser.add_argument(
        "--output", type=place, metavar="FILE", help="report as JSON, and beside it as a page, FILE's .html"
    )
    add_cluster(parser, "who share the recordings")
    args = parser.parse_args(argv)
    cluster = read_cluster(args)
    if args.output:
        check_report_path(args.output)
    jax_setup.use_compilation_cache()
    if cluster:
        jax_setup.leave_accelerators()
    found = evaluate(
        args.checkpoint, args.data, args.recordings, args.split, args.baselines, args.against, cluster
    )
    print(table(found.report))
    if args.output:
        print(f"report: {args.output}, {found.write(args.output)}")


def evaluate_here(
    checkpoint: Path | str,
    split: str = "test",
    *,
    data: Path | str | None = None,
    recordings: Path | str = "",
    baselines: bool = False,
    against: Path | str | Sequence[Path | str] = (),
) -> Evaluation:
    """Scores the checkpoint of a training run, as `python -m wt_jax.evaluate` does.

    `checkpoint` is the run's workdir, or "pretrained" for the one in the box. `split` is one of train, val,
    test and all, `data` a data root (None: the one that it was trained on), `recordings` where its built
    recordings are kept ("": where they were). `baselines` scores beside it what one would try instead,
    `against` the checkpoints of other runs. Of the result `print` shows the table, `report` is what
    report.json holds, `write` writes that and its page. Raises ValueError as the command ends with it.
    """
    if split not in (*SPLITS, "all"):
        raise ValueError(f"split={split!r}: must be one of {', '.join((*SPLITS, 'all'))}")
    jax_setup.use_compilation_cache()
    root = None if data is None else str(data)
    others = [against] if isinstance(against, str | Path) else list(against)
    return evaluate(checkpoint, root, str(recordings), split, baselines, others)


if __name__ == "__main__":
    cli.run(main)
else:
    make_callable(__name__, evaluate_here)
