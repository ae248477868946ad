"""Videos with the skeleton, the exercise and the running count drawn into them.

Letters: H height and W width of a picture, L landmarks (33).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wt_jax.counting.decoding import UNKNOWN
from wt_jax.counting.naming import Undecided
from wt_jax.counting.prediction import Prediction
from wt_jax.pose.landmarks import Landmarks
from wt_jax.runtime.progress import Progress
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.video.reader import Video
from wt_jax.video.writer import PacedWriter
from wt_jax.visualization.drawing import draw_panel, draw_skeleton


def draw_state(
    frame_HxWx3: np.ndarray,
    landmarks_Lx4: np.ndarray,
    exercise: str,
    counts: Mapping[str, int],
    unknown: int = 0,
    notes: tuple[str, ...] = (),
    undecided: Undecided | None = None,
) -> None:
    """Draws into the frame: the skeleton, what is done now and how often so far, the other counts, notes.

    `unknown`: how often something else has repeated, which stands in place of no-exercise.
    With `undecided`, that stands in place of its candidates, and of no-exercise. Between sets the count of
    the only exercise so far stays, that of several is their list.
    """
    draw_skeleton(frame_HxWx3, landmarks_Lx4)
    others = {name: count for name, count in counts.items() if name != exercise and count}
    doubtful = {NO_EXERCISE, *(one.exercise for one in undecided.candidates)} if undecided else set()
    lines = [(str(undecided) if exercise in doubtful else exercise, 1.2)]
    if exercise != NO_EXERCISE:
        lines.append((str(counts.get(exercise, 0)), 2.4))
    elif unknown:
        lines = [*lines[: undecided is not None], (f"{UNKNOWN}: {unknown}", 1.2)]
    lines += [(f"{name} {count}", 1.0) for name, count in others.items()]
    draw_panel(frame_HxWx3, [*lines, *((note, 0.8) for note in notes)])


def annotate(path: Path, original: Path, landmarks: Landmarks, prediction: Prediction) -> None:
    """Writes the video `original` to `path`, an mp4 without sound, with what was found drawn into it.

    At its mean rate, every frame at its own time. Raises as `writer.VideoWriter` does.
    """
    with (
        Video(original) as video,
        PacedWriter(path, landmarks.fps, video.width_px, video.height_px) as writer,
        Progress(f"writing {path.name}", "frames", len(landmarks.times_s)) as progress,
    ):
        undecided = prediction.undecided
        frames = zip(video, landmarks.landmarks_FxLx4, landmarks.times_s, strict=False)
        for (_, frame_HxWx3), landmarks_Lx4, time_s in frames:
            draw_state(frame_HxWx3, landmarks_Lx4, *prediction.so_far(time_s), undecided=undecided)
            writer.write(frame_HxWx3, float(time_s))
            progress.update()
