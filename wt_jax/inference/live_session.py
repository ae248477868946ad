"""A camera, or a file played like one, counted as it goes: frames, keys, what is shown."""

import time
from collections import deque
from typing import Any

import numpy as np

from wt_jax.counting.prediction import Prediction
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.results import about
from wt_jax.inference.streaming import Stream
from wt_jax.pose.estimator import PoseEstimator
from wt_jax.runtime import cli
from wt_jax.storage.places import absolute
from wt_jax.video.live_feed import LiveFeed
from wt_jax.video.reader import Video
from wt_jax.video.window import Window
from wt_jax.video.writer import PacedWriter
from wt_jax.visualization.overlay import draw_state

KEYS = "space: pause and go on   r: count from 0 again   q, escape: quit"
_WAIT_S = 0.05  # for a frame, before keys are looked at again
_RATE_FRAMES = 30  # over which the frames a second shown are measured


class LiveSession:
    """A camera or a file, counted until it ends or somebody quits."""

    def __init__(self, video: Video, predictor: Predictor, feed: LiveFeed, estimator: PoseEstimator):
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
        """Until the video is over, or `most_s` of it are, a key or the closed window ends it, or a signal."""
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
        """Does what a key of KEYS says; None and others say nothing."""
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
                notes = ("PAUSED", *KEYS.split("   "))
                self._draw(frame_HxWx3, landmarks_Lx4, notes)
                window.show(frame_HxWx3)

    def _look(
        self, time_s: float, frame_HxWx3: np.ndarray, window: Window | None, writer: PacedWriter | None
    ) -> None:
        landmarks_Lx4 = self._estimator(frame_HxWx3, time_s)
        begun_s = time.perf_counter()
        self.stream.push(landmarks_Lx4, time_s)
        self.n_frames += 1
        self.n_seen += bool(np.isfinite(landmarks_Lx4[:, :2]).all())
        self.last_s = time_s
        self._times.append(begun_s)
        if window or writer:
            notes = [f"{self.rate_hz:.0f} frames/s"]
            if self._feed.n_dropped:
                notes.append(f"{self._feed.n_dropped} dropped")
            self._shown = (frame_HxWx3.copy(), landmarks_Lx4) if window else None
            self._draw(frame_HxWx3, landmarks_Lx4, tuple(notes))
        if window:
            window.show(frame_HxWx3)
        if writer:
            writer.write(frame_HxWx3, time_s)
        self._n_done += 1
        self._own_s += time.perf_counter() - begun_s

    def _draw(self, frame_HxWx3: np.ndarray, landmarks_Lx4: np.ndarray, notes: tuple[str, ...]) -> None:
        state = self.stream.state
        draw_state(
            frame_HxWx3, landmarks_Lx4, state.exercise, state.counts, state.unknown, notes, state.undecided
        )


def about_session(video: Video, session: LiveSession, prediction: Prediction) -> dict[str, Any]:
    """`source` of the document: as of a file, with what is not known left empty."""
    source = video.source
    return about(
        f"camera {source}" if isinstance(source, int) else absolute(source),
        fps=video.fps,
        duration_s=prediction.seconds(len(prediction.timeline.valid_F)) - prediction.first_s,
        frames=session.n_frames,
        frames_with_person=session.n_seen,
        size_px=(video.width_px, video.height_px),
    )
