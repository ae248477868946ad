"""Which exercises, and how many repetitions: python -m wt_jax.predict VIDEO [VIDEO ...]."""

from collections.abc import Sequence
from pathlib import Path

from wt_jax.cluster.flags import add_cluster, read_cluster
from wt_jax.counting.decoding import UNKNOWN
from wt_jax.counting.naming import Candidate, Undecided
from wt_jax.counting.prediction import Prediction
from wt_jax.inference.file_answers import Asked, answer, answers_of, outbox_at
from wt_jax.inference.input_files import find_input_files, name_results
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.pose.landmarks import is_video
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.printable import printable, tell
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import place, resolved

_NAME_WIDTH = 40  # of the table's first column, at most


def rows(name: str, prediction: Prediction, widths: tuple[int, int]) -> list[str]:
    """Of the console's table: the exercise done longest first, then the others that were counted."""
    main = prediction.exercise
    sure = f"{prediction.confidence:.2f}" if main and not prediction.undecided else "-"
    said = str(prediction.undecided or main or "nobody seen")
    cells = [(said, prediction.count_text(main or ""), sure)]
    counted = (other for other, n in prediction.counts.items() if other != main and n)
    cells += [(other, prediction.count_text(other), "") for other in counted]
    if prediction.found_unknown:
        cells.append((UNKNOWN, str(len(prediction.found_unknown)), ""))
    return [_row(name if i == 0 else "", *cell, widths) for i, cell in enumerate(cells)]


def any_row(name: str, prediction: Prediction, widths: tuple[int, int]) -> str:
    """Of the console's table with --any: how often something was done, whatever it was."""
    return _row(name, "whatever repeats", len(prediction.any_starts_s), "", widths)


def _row(name: str, exercise: str, repetitions: object, sure: str, widths: tuple[int, int]) -> str:
    return f"{name:<{widths[0]}}  {exercise:<{widths[1]}}  {repetitions!s:>11}  {sure:>10}".rstrip()


def check_output(output: Outbox, names: dict[Path, str]) -> None:
    """Raises ValueError, before any work, for a folder that cannot be written, or would lose a source."""
    if not output.is_writable:
        raise ValueError(f"--output {output.place}: cannot be written: choose another folder")
    written = {
        resolved(output.folder / f"{name}{end}")
        for name in names.values()
        for end in (".json", ".png", ".mp4")
    }
    for source in names:
        if resolved(source) in written:
            raise ValueError(f"--output {output.place}: would write over {source}: choose another folder")


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = ArgumentParser(
        prog="python -m wt_jax.predict",
        description="Which exercises are in videos, and how many repetitions. With --output also writes "
        "OUT/<name>.json, OUT/<name>.png, a timeline to look at, and OUT/<name>.mp4, the video with skeleton "
        "and count.",
    )
    parser.add_argument(
        "videos", nargs="+", type=place, metavar="VIDEO", help="a video, a landmark file (.npz), or a folder"
    )
    parser.add_argument(
        "--checkpoint",
        default=PRETRAINED,
        metavar="DIR",
        help="workdir of a training run, or model.onnx of wt_jax.export (default: pretrained, the checkpoint "
        "in the box)",
    )
    parser.add_argument(
        "--output", type=place, metavar="OUT", help="folder for the results (default: none is written)"
    )
    parser.add_argument(
        "--any",
        action="store_true",
        help="count whatever repeats in each video, an exercise that nobody was taught as well",
    )
    parser.add_argument("--no_video", action="store_true", help="write no annotated videos")
    add_pose_model(parser)
    parser.add_argument(
        "--no_cache", action="store_true", help="find poses anew, and keep none for another checkpoint"
    )
    add_cluster(parser, "who share the files")
    options = parser.parse_args(arguments)
    cluster = read_cluster(options)

    sources, failed = find_input_files(options.videos, options.output)
    names = name_results(sources)
    if options.output:
        check_output(outbox_at(options.output), names)
    elif options.no_video:
        raise ValueError("--no_video: is for --output: without it nothing is written")
    jax_setup.use_compilation_cache()
    if cluster:
        jax_setup.leave_accelerators()
    predictor = Predictor.restore(options.checkpoint)
    asked = Asked(
        options.checkpoint,
        options.pose_model,
        has_videos=any(map(is_video, sources)),
        output=options.output,
        writes_video=not options.no_video,
        keeps_poses=not options.no_cache,
    )
    if cluster:
        answers = answers_of(cluster, asked, names)
    else:
        poses = asked.make_poses()
        answers = (answer(asked, predictor, poses, *each) for each in names.items())
    for path, reason in failed.items():
        tell(f"error: {path}: {reason}")
    longest = sorted(predictor.classes, key=len)[-2:]
    widths = (
        min(_NAME_WIDTH, max(map(len, ["video", *map(printable, names.values())]))),
        len(str(Undecided(tuple(Candidate(name, 0.0) for name in longest)))),
    )
    if names:
        print(_row("video", "exercise", "repetitions", "confidence", widths), flush=True)
    for (source, name), said in zip(names.items(), answers, strict=True):
        prediction = said.prediction
        if prediction is None:
            failed[source] = said.remark
            tell(f"error: {source}: {said.remark}")
            continue
        if options.any:
            print(any_row(printable(name), prediction, widths), flush=True)
        else:
            print("\n".join(rows(printable(name), prediction, widths)), flush=True)
        if said.remark:
            tell(f"note: {source}: {said.remark}")
    n_done = sum(source not in failed for source in names)
    where = f"results in {options.output}" if options.output else "nothing written (--output OUT)"
    print(printable(f"{n_done} of {n_done + len(failed)} done, {where}"))
    if failed:
        tell(f"error: {len(failed)} could not be done, see above")
    return cli.USER_ERROR if failed else 0


if __name__ == "__main__":
    cli.run(main)
