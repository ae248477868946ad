"""One video in the labelling window: opened, and shown until the person is done with it."""

import shlex
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wt_jax.labeling.curve_view import place_at
from wt_jax.labeling.curves import Curves, make_curves
from wt_jax.labeling.editor import Editor
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.labeling.pictures import Pictures
from wt_jax.labeling.proposals import find_landmarks, is_of_root, propose, stored_landmarks
from wt_jax.labeling.skeleton_film import SkeletonFilm
from wt_jax.labeling.view import draw, fit_picture
from wt_jax.labeling.worklist import Worklist
from wt_jax.pose.landmarks import is_video
from wt_jax.runtime.printable import printable
from wt_jax.runtime.progress import Progress
from wt_jax.storage.on_demand import at_hand
from wt_jax.video.reader import Video
from wt_jax.video.window import Window

if TYPE_CHECKING:
    from wt_jax.inference.predictor import Predictor

# Exercise -> what proposes marks, None for the joint angle, and what it is called.
Restore = Callable[[str], "tuple[Predictor | None, str]"]


@dataclass
class Session:
    """One video being labelled. Without `curves`, `why_no_curves` says why. A context manager."""

    held: ExitStack
    film: Video | SkeletonFilm
    editor: Editor
    curves: Curves | None
    why_no_curves: str

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()


def open_session(
    path: Path,
    file: MarkedStartsFile,
    restore: Restore | None = None,
    pose_model: str | None = None,
    is_one_of_many: bool = False,
) -> Session:
    """Opens a video, or a landmark file, with its marks and curves.

    With `restore`, marks are proposed where there are no labels yet and no draft: landmarks are then found
    where there are none. Raises ValueError for a video, labels or landmarks that cannot be used.
    """
    with ExitStack() as held:
        film_file = held.enter_context(at_hand(path))
        film = Video(film_file) if is_video(path) else SkeletonFilm(path)
        held.callback(film.close)
        times_s = film.times_s if isinstance(film, SkeletonFilm) else _read_times(film)
        was_there, marks = file.is_there, file.load(len(times_s))
        class_name, why_none, landmarks = file.path.parent.name, "", None
        try:
            landmarks = (
                film.landmarks if isinstance(film, SkeletonFilm)
                else stored_landmarks(path, file, len(times_s))
            )  # fmt: skip
        except ValueError as error:
            if restore and not was_there:
                raise
            why_none = str(error)
        if restore and not was_there:
            predictor, name = restore(class_name)
            landmarks = landmarks or find_landmarks(film_file, file, len(times_s), pose_model)
            marks.replace(propose(landmarks, class_name, predictor).tolist())
            file.keep(marks)
            print(f"{len(marks.starts)} repetitions proposed by {name}: look at each")
        elif restore:
            print("--propose not used: there are labels, or a draft, to go on with")
        if landmarks is None and not why_none:
            command = f"python -m wt_jax.build_dataset --data {shlex.quote(printable(file.path.parents[2]))}"
            finder = command if is_of_root(path, file) else "--propose, where there are no labels yet,"
            why_none = f"no curves: they need landmarks: {finder} finds them"
        curves = make_curves(landmarks, class_name) if landmarks else None
        editor = Editor(marks, file, times_s, is_one_of_many)
        return Session(held.pop_all(), film, editor, curves, why_none)


def show(window: Window, session: Session, worklist: Worklist | None = None) -> bool:
    """Shows the video until the person is done with it: False where the window was closed.

    What is not saved stays in the draft.
    """
    editor, shown, is_stale = session.editor, -1, True
    pictures = Pictures(session.film.frame, fit_picture)
    while not editor.is_over:
        if editor.marks.cursor != shown:
            shown, is_stale = editor.marks.cursor, True
            picture_HxWx3 = pictures[shown]
        if is_stale:
            window.show(draw(picture_HxWx3, editor, session.curves, session.why_no_curves, worklist))
        key = window.key(editor.wait_ms(time.monotonic()))
        if window.is_closed:
            return False
        events = window.mouse()
        for event in events:
            editor.point(event.kind, place_at(event.x, event.y, editor))
        if key is not None:
            editor.press(key, time.monotonic())
        was_playing = editor.is_playing
        editor.advance(time.monotonic())
        is_stale = bool(events) or key is not None or editor.is_playing != was_playing
    return True


def _read_times(video: Video) -> np.ndarray:
    """Times of all frames of a video, which is read for that: a container does not know how many it has."""
    times = []
    with Progress("reading", "frames", video.n_frames or None) as progress:
        for time_s, _ in video:
            times.append(time_s)
            progress.update()
    return np.array(times)
