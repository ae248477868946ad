"""Which exercises, and how many repetitions: python -m wt_jax.predict VIDEO [VIDEO ...] --checkpoint DIR."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wt_jax.counting.prediction import Prediction, Undecided
from wt_jax.inference.input_files import find_input_files, is_video, name_results
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.results import about_landmarks, write_results
from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.extraction import extract_with_remark
from wt_jax.pose.joint_angles import MAX_GAP_S
from wt_jax.pose.landmarks import Landmarks, load_landmarks
from wt_jax.pose.model_file import pose_model
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.files import is_writable
from wt_jax.runtime.progress import Progress
from wt_jax.skeleton import NO_EXERCISE

_LEAST_S = 0.5  # nobody's repetition is shorter
_NAME_WIDTH = 40  # of the table's first column, at most
_log = logging.getLogger("wt_jax.predict")


def look_at(source: Path, predictor: Predictor, model: Path | None) -> tuple[Landmarks, Prediction, str]:
    """The landmarks of a video or a landmark file, what is said of them, and what is odd about it."""
    remark = ""
    if is_video(source):
        assert model is not None
        with Progress(f"finding poses in {source.name}", "frames") as bar:
            landmarks, remark = extract_with_remark(source, model, bar.update)
    else:
        landmarks = load_landmarks(source)
    remark = "; ".join(filter(None, [remark, _why_little_is_said(landmarks)]))
    return landmarks, predictor.predict(landmarks), remark


def _why_little_is_said(landmarks: Landmarks) -> str:
    times_s, fps = landmarks.times_s, landmarks.fps
    if not landmarks.seen_F.any():
        return "nobody was seen: is the whole person in the picture?"
    if len(times_s) > 1 and np.median(np.diff(times_s)) > MAX_GAP_S:
        return f"{fps:g} frames a second are too few: {1 / MAX_GAP_S:g} are needed at least"
    if (duration_s := times_s[-1] - times_s[0] + 1 / fps) < _LEAST_S:
        return f"{duration_s:.2f} s are too short for a repetition"
    return ""


def rows(name: str, prediction: Prediction, widths: tuple[int, int]) -> list[str]:
    """Of the console's table: the exercise done longest first, then the others that were counted."""
    main = prediction.exercise
    sure = f"{prediction.confidence:.2f}" if main and not prediction.undecided else "-"
    said = str(prediction.undecided or main or "nobody seen")
    cells = [(said, prediction.counts.get(main or "", 0), sure)]
    cells += [(other, n, "") for other, n in prediction.counts.items() if other != main and n]
    return [_row(name if i == 0 else "", *cell, widths) for i, cell in enumerate(cells)]


def _row(name: str, exercise: str, repetitions: object, sure: str, widths: tuple[int, int]) -> str:
    return f"{name:<{widths[0]}}  {exercise:<{widths[1]}}  {repetitions!s:>11}  {sure:>10}".rstrip()


def check_output(output: Path, names: dict[Path, str]) -> None:
    """Raises ValueError, before any work, for a folder that cannot be written, or would lose a source."""
    if not is_writable(output):
        raise ValueError(f"--output {output}: cannot be written: choose another folder")
    written = {
        (output / f"{name}{end}").resolve() for name in names.values() for end in (".json", ".png", ".mp4")
    }
    for source in names:
        if source.resolve() in written:
            raise ValueError(f"--output {output}: would write over {source}: choose another folder")


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m wt_jax.predict",
        description="Which exercises are in videos, and how many repetitions. Writes OUT/<name>.json, "
        "OUT/<name>.png, a timeline to look at, and OUT/<name>.mp4, the video with skeleton and count.",
    )
    parser.add_argument(
        "videos", nargs="+", type=Path, metavar="VIDEO", help="a video, a landmark file (.npz), or a folder"
    )
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="DIR", help="workdir of a training run"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="OUT", help="folder for the results")
    parser.add_argument("--no_video", action="store_true", help="write no annotated videos")
    parser.add_argument(
        "--pose_model",
        metavar="FILE",
        help="a pose_landmarker_*.task file (default: WT_JAX_POSE_MODEL, or downloaded)",
    )
    options = parser.parse_args(arguments)

    sources, failed = find_input_files(options.videos, options.output)
    names = name_results(sources)
    check_output(options.output, names)
    jax_setup.use_compilation_cache()
    predictor = Predictor.restore(options.checkpoint)
    model = None
    if any(map(is_video, sources)):
        model = pose_model(options.pose_model)
        PoseEstimator(model).close()  # a wrong file is one error, not one for each video
    for path, reason in failed.items():
        print(f"error: {path}: {reason}", file=sys.stderr)
    widths = (
        min(_NAME_WIDTH, max(map(len, ["video", *names.values()]))),
        max(len(str(Undecided(name, 0.0))) for name in predictor.classes if name != NO_EXERCISE),
    )
    if names:
        print(_row("video", "exercise", "repetitions", "confidence", widths), flush=True)
    for source, name in names.items():
        try:
            landmarks, prediction, remark = look_at(source, predictor, model)
            about = about_landmarks(source, landmarks)
            content = prediction.document(about, predictor.identity, remark)
            video = (source, landmarks) if is_video(source) and not options.no_video else None
            write_results(options.output / name, content, prediction, video)
        except Exception as error:  # whatever a library makes of a broken video: the others are still done
            _log.debug("%s", source, exc_info=True)
            reason = " ".join(str(error).split()).removeprefix(f"{source}: ") or type(error).__name__
            failed[source] = reason
            print(f"error: {source}: {reason}", file=sys.stderr, flush=True)
            continue
        print("\n".join(rows(name, prediction, widths)), flush=True)
        if remark:
            print(f"note: {source}: {remark}", file=sys.stderr, flush=True)
    n_done = sum(source not in failed for source in names)
    print(f"{n_done} of {n_done + len(failed)} done, results in {options.output}")
    if failed:
        print(f"error: {len(failed)} could not be done, see above", file=sys.stderr)
    return cli.USER_ERROR if failed else 0


if __name__ == "__main__":
    cli.run(main)
