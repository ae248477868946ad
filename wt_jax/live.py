"""Counts as you go, before a camera or in a file played like one: python -m wt_jax.live --checkpoint DIR."""

import argparse
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax.counting.prediction import Prediction
from wt_jax.data.recordings import is_writable
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.results import about, document, write_json
from wt_jax.inference.streaming import Stream, warm_up
from wt_jax.pose.estimator import PoseEstimator, pose_model
from wt_jax.runtime import cli
from wt_jax.video.live_feed import Feed
from wt_jax.video.reader import Video
from wt_jax.video.window import Window, check_display
from wt_jax.visualization.overlay import PacedWriter, draw_state

KEYS = "space: pause and go on   r: count from 0 again   q, escape: quit"
_WAIT_S = 0.05  # for a frame, before keys are looked at again
_RATE_FRAMES = 30  # over which the frames a second shown are measured


class Session:
    """A camera or a file, counted until it ends or somebody has enough."""

    def __init__(self, video: Video, predictor: Predictor, feed: Feed, estimator: PoseEstimator):
        self.stream = Stream(predictor, video.width_px, video.height_px)
        self.n_frames = self.n_seen = 0  # frames looked at since the last reset, and those with somebody
        self.is_paused = self.is_over = False
        self.last_s = 0.0  # time of the newest frame
        self._video, self._predictor, self._feed, self._estimator = video, predictor, feed, estimator
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES + 1)  # when frames were done
        self._n_done = 0
        self._own_s = 0.0  # spent outside MediaPipe, and outside waiting
        self._shown: tuple[np.ndarray, np.ndarray] | None = None  # nothing drawn in it yet, for a pause

    @property
    def rate_hz(self) -> float:
        """Frames a second, of late."""
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    @property
    def own_ms(self) -> float:
        """Mean time of a frame outside MediaPipe: stream, drawing, window, file."""
        return 1000 * self._own_s / max(self._n_done, 1)

    def run(
        self, window: Window | None, writer: PacedWriter | None, most_s: float | None, stop: cli.Stop
    ) -> None:
        while not self.is_over and stop.caught is None:
            taken = None if self.is_paused else self._feed.take(_WAIT_S)
            if taken is not None:
                self._look(*taken, window, writer)
                self.is_over = most_s is not None and self.last_s >= most_s
            elif self._feed.is_over:
                self.is_over = True
            if window is not None:
                key = window.key(1 if taken is not None else round(1000 * _WAIT_S))
                self.is_over |= window.is_closed
                self.press(key, window)

    def press(self, key: str | None, window: Window) -> None:
        if key in ("q", "escape"):
            self.is_over = True
        elif key == "r":
            self.stream = Stream(self._predictor, self._video.width_px, self._video.height_px)
            self.n_frames = self.n_seen = 0
        elif key == "space":
            self.is_paused = not self.is_paused
            (self._feed.pause if self.is_paused else self._feed.resume)()
            self._times.clear()
            if self.is_paused and self._shown is not None:
                frame_HxWx3, landmarks_Lx4 = self._shown
                state, notes = self.stream.state, ("PAUSED", *KEYS.split("   "))
                draw_state(frame_HxWx3, landmarks_Lx4, state.exercise, state.counts, notes)
                window.show(frame_HxWx3)

    def _look(
        self, time_s: float, frame_HxWx3: np.ndarray, window: Window | None, writer: PacedWriter | None
    ) -> None:
        landmarks_Lx4 = self._estimator(frame_HxWx3, time_s)
        begun_s = time.perf_counter()
        state = self.stream.push(landmarks_Lx4, time_s)
        self.n_frames += 1
        self.n_seen += bool(np.isfinite(landmarks_Lx4[:, :2]).all())
        self.last_s = time_s
        self._times.append(begun_s)
        if window or writer:
            notes = [f"{self.rate_hz:.0f} frames/s"]
            if self._feed.n_dropped:
                notes.append(f"{self._feed.n_dropped} dropped")
            self._shown = (frame_HxWx3.copy(), landmarks_Lx4) if window else None
            draw_state(frame_HxWx3, landmarks_Lx4, state.exercise, state.counts, tuple(notes))
        if window:
            window.show(frame_HxWx3)
        if writer:
            writer.write(frame_HxWx3, time_s)
        self._n_done += 1
        self._own_s += time.perf_counter() - begun_s


def about_session(video: Video, session: Session, prediction: Prediction) -> dict[str, Any]:
    """`source` of the document: as of a file, with what is not known left empty."""
    source = video.source
    return about(
        f"camera {source}" if isinstance(source, int) else str(Path(source).absolute()),
        fps=video.fps,
        duration_s=prediction.seconds(len(prediction.timeline.valid_F)) - prediction.first_s,
        frames=session.n_frames,
        frames_with_person=session.n_seen,
        size_px=(video.width_px, video.height_px),
    )


def check_outputs(outputs: Sequence[Path], source: str | int) -> dict[str, Path]:
    """Suffix -> file. Raises ValueError for what cannot be written, or would lose the source."""
    by_suffix = {path.suffix.lower(): path for path in outputs}
    for path in outputs:
        if path.suffix.lower() not in (".json", ".mp4") or len(by_suffix) < len(outputs):
            raise ValueError(f"--output {path}: one .json, one .mp4, or one of each")
        if not is_writable(path.parent) or path.is_dir():
            raise ValueError(f"--output {path}: cannot be written: choose another folder")
        if not isinstance(source, int) and path.resolve() == Path(source).resolve():
            raise ValueError(f"--output {path}: would write over the source: choose another name")
    return by_suffix


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m wt_jax.live",
        description="Counts repetitions as they are done, before a camera, or in a video played like one.",
        epilog=f"keys: {KEYS}",
    )
    parser.add_argument("--source", default="0", metavar="N|FILE", help="camera number, or a video file")
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="DIR", help="workdir of a training run"
    )
    parser.add_argument("--headless", action="store_true", help="no window; ends with the file, or Ctrl-C")
    parser.add_argument(
        "--output", nargs="+", type=Path, default=[], metavar="FILE",
        help="at the end: .json, the result as predict writes it; .mp4, what was shown",
    )  # fmt: skip
    parser.add_argument(
        "--every_frame", action="store_true", help="of a file: drop none, however long that takes"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so much of the source")
    parser.add_argument(
        "--pose_model",
        metavar="FILE",
        help="a pose_landmarker_*.task file (default: WT_JAX_POSE_MODEL, or downloaded)",
    )
    options = parser.parse_args(arguments)
    source = int(options.source) if options.source.isdecimal() else options.source
    if options.every_frame and isinstance(source, int):
        raise ValueError("--every_frame: a camera does not wait: only for files")
    outputs = check_outputs(options.output, source)
    if not options.headless:
        check_display()

    cli.use_compilation_cache()
    with ExitStack() as stack:
        video = stack.enter_context(Video(source))
        predictor = Predictor.restore(options.checkpoint)
        warm_up(predictor)
        estimator = stack.enter_context(PoseEstimator(pose_model(options.pose_model)))
        window = None
        if not options.headless:
            window = stack.enter_context(Window(f"wt_jax live   {KEYS}"))
            print(KEYS)
        stop = stack.enter_context(cli.catch_stop())
        feed = stack.enter_context(Feed(video, options.every_frame))
        session = Session(video, predictor, feed, estimator)
        failure: OSError | None = None
        try:
            with ExitStack() as files:
                writer = None
                if path := outputs.get(".mp4"):
                    writer = PacedWriter(path, video.fps, video.width_px, video.height_px)
                    files.enter_context(writer)
                session.run(window, writer, options.seconds, stop)
        except OSError as error:  # a full disk: the count is not lost with the video
            failure = error
        prediction = session.stream.flush()
        _tell(prediction, session, feed)
        if path := outputs.get(".json"):
            content = document(about_session(video, session, prediction), predictor.identity, prediction, "")
            content["live"] = {
                "dropped_frames": feed.n_dropped,
                "ms_per_frame_outside_pose": round(session.own_ms, 2),
                "settled_after_s": round(session.stream.delay_s, 2),
            }
            write_json(path, content)
        if failure:
            raise failure
    return stop.status if stop.caught else 0


def _tell(prediction: Prediction, session: Session, feed: Feed) -> None:
    counts = ", ".join(f"{name} {n}" for name, n in prediction.counts.items())
    print(f"{counts or prediction.exercise or 'nobody seen'}")
    print(
        f"{session.n_frames} frames, {feed.n_dropped} dropped; "
        f"{session.own_ms:.1f} ms a frame outside MediaPipe; what is shown settles after "
        f"{session.stream.delay_s:.1f} s"
    )


if __name__ == "__main__":
    cli.run(main)
