"""Videos with the skeleton, the exercise and the running count drawn into them.

Letters: H height and W width of a picture, L landmarks (33).
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from wt_jax.counting.prediction import Prediction
from wt_jax.pose.landmarks import Landmarks
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.video.reader import Video
from wt_jax.video.window import VideoWriter, draw_panel, draw_skeleton


def draw_state(
    frame_HxWx3: np.ndarray,
    landmarks_Lx4: np.ndarray,
    exercise: str,
    counts: Mapping[str, int],
    notes: tuple[str, ...] = (),
) -> None:
    """Draws into the frame: the skeleton, what is done now and how often so far, the other counts, notes.

    Between sets the count of the only exercise so far stays, that of several is their list.
    """
    draw_skeleton(frame_HxWx3, landmarks_Lx4)
    others = {name: count for name, count in counts.items() if name != exercise and count}
    lines = [(exercise, 1.2)]
    if exercise != NO_EXERCISE:
        lines.append((str(counts.get(exercise, 0)), 2.4))
    lines += [(f"{name} {count}", 1.0) for name, count in others.items()]
    draw_panel(frame_HxWx3, [*lines, *((note, 0.8) for note in notes)])


class PacedWriter:
    """A `screen.VideoWriter` of frames that come at any time: each is shown until the next one. A context
    manager. Of several frames in one frame of the file the last is kept."""

    def __init__(self, path: Path | str, fps: float, width_px: int, height_px: int):
        self._writer = VideoWriter(path, fps, width_px, height_px)
        self._fps = fps
        self._shown: np.ndarray | None = None
        self._first_s = 0.0

    def __enter__(self) -> "PacedWriter":
        self._writer.__enter__()
        return self

    def write(self, frame_HxWx3: np.ndarray, time_s: float) -> None:
        """A frame to show from `time_s` on, which must not run backwards. Keeps the frame itself."""
        if self._shown is None:
            self._first_s = time_s
        else:
            self._show_until(round((time_s - self._first_s) * self._fps))
        self._shown = frame_HxWx3

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._show_until(self._writer.n_frames + 1)
        except BaseException as failed:
            self._writer.__exit__(type(failed), failed, failed.__traceback__)
            raise
        self._writer.__exit__(kind, error, trace)

    def _show_until(self, slot: int) -> None:
        while self._shown is not None and self._writer.n_frames < slot:
            self._writer.write(self._shown)


def annotate(path: Path, source: Path, landmarks: Landmarks, prediction: Prediction) -> None:
    """Writes the video `source` to `path`, an mp4 without sound, with what was found drawn into it.

    At the mean rate of the source, every frame at its own time. Raises as `screen.VideoWriter` does.
    """
    with Video(source) as video, PacedWriter(
        path, landmarks.fps, video.width_px, video.height_px
    ) as writer:  # fmt: skip
        frames = zip(video, landmarks.landmarks_FxLx4, landmarks.times_s, strict=False)
        for (_, frame_HxWx3), landmarks_Lx4, time_s in frames:
            draw_state(frame_HxWx3, landmarks_Lx4, *prediction.so_far(time_s))
            writer.write(frame_HxWx3, float(time_s))
