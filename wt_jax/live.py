"""Counts as you go, before a camera or in a file played like one: python -m wt_jax.live --checkpoint DIR."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from wt_jax.counting.prediction import Prediction
from wt_jax.inference.live_session import KEYS, LiveSession, about_session
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.results import headline
from wt_jax.inference.streaming import warm_up
from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.model_file import pose_model
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.files import write_json
from wt_jax.storage.copies import copy_of_file
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import place, resolved, split
from wt_jax.video.live_feed import LiveFeed
from wt_jax.video.reader import Video
from wt_jax.video.window import Window, check_display
from wt_jax.video.writer import PacedWriter

_MOST_DIGITS = 9  # of a camera's number


def check_outputs(outputs: Sequence[Path | str], source: str | int) -> dict[str, tuple[Outbox, Path]]:
    """Suffix -> file, and how it is sent. Raises ValueError where it cannot be, or would lose the source."""
    by_suffix = {}
    for output in outputs:
        folder, name = split(output)
        outbox, suffix = Outbox(folder), Path(name).suffix.lower()
        if suffix not in (".json", ".mp4") or suffix in by_suffix:
            raise ValueError(f"--output {output}: one .json, one .mp4, or one of each")
        path = outbox.folder / name
        if not outbox.is_writable or path.is_dir():
            raise ValueError(f"--output {output}: cannot be written: choose another folder")
        if not isinstance(source, int) and resolved(output) == resolved(source):
            raise ValueError(f"--output {output}: would write over the source: choose another name")
        by_suffix[suffix] = outbox, path
    return by_suffix


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = ArgumentParser(
        prog="python -m wt_jax.live",
        description="Counts repetitions as they are done, before a camera, or in a video played like one.",
        epilog=f"keys: {KEYS}",
    )
    parser.add_argument("--source", default="0", metavar="N|FILE", help="camera number, or a video file")
    parser.add_argument(
        "--checkpoint",
        default=PRETRAINED,
        metavar="DIR",
        help="workdir of a training run, or model.onnx of wt_jax.export (default: pretrained, the checkpoint "
        "in the box)",
    )
    parser.add_argument("--headless", action="store_true", help="no window; ends with the file, or Ctrl-C")
    parser.add_argument(
        "--output", nargs="+", type=place, default=[], metavar="FILE",
        help="at the end: .json, the result as predict writes it; .mp4, what was shown",
    )  # fmt: skip
    parser.add_argument(
        "--every_frame", action="store_true", help="of a file: drop none, however long that takes"
    )
    parser.add_argument("--seconds", metavar="S", help="end after so much of the source")
    add_pose_model(parser)
    options = parser.parse_args(arguments)
    source = _number_or_file(options.source)
    if options.every_frame and isinstance(source, int):
        raise ValueError("--every_frame: a camera does not wait: only for files")
    most_s = None if options.seconds is None else cli.positive_number("--seconds", options.seconds)
    outputs = check_outputs(options.output, source)
    if not options.headless:
        check_display()

    jax_setup.use_compilation_cache()
    with ExitStack() as stack:
        video = stack.enter_context(Video(source if isinstance(source, int) else str(copy_of_file(source))))
        predictor = Predictor.restore(options.checkpoint)
        warm_up(predictor)
        estimator = stack.enter_context(PoseEstimator(pose_model(options.pose_model)))
        window = None
        if not options.headless:
            window = stack.enter_context(Window(f"wt_jax live   {KEYS}"))
            print(KEYS)
        stop = stack.enter_context(cli.catch_stop())
        feed = LiveFeed(video, options.every_frame)
        session = LiveSession(video, predictor, feed, estimator)
        failure: OSError | None = None
        try:
            with ExitStack() as files, feed:
                writer = None
                if ".mp4" in outputs:
                    _, path = outputs[".mp4"]
                    writer = PacedWriter(path, video.fps, video.width_px, video.height_px)
                    files.enter_context(writer)
                session.run(window, writer, most_s, stop)
        except OSError as error:  # a full disk: the count is not lost with the video
            failure = error
        prediction = session.stream.flush()
        _tell(prediction, session, feed)
        if ".json" in outputs:
            _, path = outputs[".json"]
            content = prediction.document(about_session(video, session, prediction), predictor.identity)
            content["live"] = {
                "dropped_frames": feed.n_dropped,
                "ms_per_frame_outside_pose": round(session.own_ms, 2),
                "settled_after_s": round(session.stream.delay_s, 2),
            }
            write_json(path, content)
        for outbox, _ in outputs.values():
            outbox.send()
        if failure:
            raise failure
    return stop.status if stop.caught else 0


def _number_or_file(source: str) -> int | str:
    """A camera's number, or the name of a file; ValueError for a number that no camera has."""
    if not source.isdecimal():
        return source
    if len(source) > _MOST_DIGITS:
        raise ValueError(f"--source {source}: no camera has this number: try 0 or 1, or name a video file")
    return int(source)


def _tell(prediction: Prediction, session: LiveSession, feed: LiveFeed) -> None:
    print(headline(prediction))
    print(
        f"{session.n_frames} frames, {feed.n_dropped} dropped; "
        f"{session.own_ms:.1f} ms a frame outside MediaPipe; what is shown settles after "
        f"{session.stream.delay_s:.1f} s"
    )


if __name__ == "__main__":
    cli.run(main)
