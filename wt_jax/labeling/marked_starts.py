"""Repetition starts being set by hand over one video, with undo, and their file and draft on disk."""

import itertools
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from wt_jax.data.labels import read_starts, write_starts
from wt_jax.runtime.files import written_beside
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.places import split, url_of

_PATIENCE_S = 10.0  # that a person has for a bucket, in front of a window that stands still
LEAST_S = 0.3  # between two starts: nobody repeats as fast, so one of the two is a slip of the finger


class MarkedStarts:
    """Where repetitions start, as a person edits it, and the cursor: all in frames of the video.

    `starts` is sorted. Every edit can be undone, back to how it was when opened, and done again.
    """

    def __init__(self, n_frames: int, saved: Iterable[int] = ()):
        self.n_frames = n_frames
        self.cursor = 0
        self._saved = tuple(sorted(saved))
        self._history = [self._saved]
        self._now = 0  # index into the history

    @property
    def starts(self) -> tuple[int, ...]:
        """As they are now."""
        return self._history[self._now]

    @property
    def is_dirty(self) -> bool:
        """Is there anything that the label file does not have, or has too much?"""
        return self.starts != self._saved

    @property
    def n_before(self) -> int:
        """Repetitions that have started at the cursor."""
        return sum(start <= self.cursor for start in self.starts)

    def go_to(self, frame: int) -> None:
        """Moves the cursor, to the nearest frame that there is."""
        self.cursor = min(max(frame, 0), self.n_frames - 1)

    def go_to_next(self) -> bool:
        """Moves to the first mark after the cursor. False, and no move, where there is none."""
        return self._go_to_first(start for start in self.starts if start > self.cursor)

    def go_to_previous(self) -> bool:
        """Moves to the last mark before the cursor. False, and no move, where there is none."""
        return self._go_to_first(start for start in reversed(self.starts) if start < self.cursor)

    def toggle(self) -> bool:
        """Marks the frame at the cursor, or takes its mark away. Whether it is marked now."""
        self.replace(set(self.starts) ^ {self.cursor})
        return self.cursor in self.starts

    def unmark_near(self, within_frames: int) -> bool:
        """Takes away the mark nearest to the cursor, the earlier of two. False where none is so near."""
        near = self.nearest(self.cursor, within_frames)
        if near is not None:
            self.replace(set(self.starts) - {near})
        return near is not None

    def nearest(self, to_frame: int, within_frames: int) -> int | None:
        """The mark nearest to a frame, the earlier of two; None where none is so near."""
        near = [start for start in self.starts if abs(start - to_frame) <= within_frames]
        return min(near, key=lambda start: abs(start - to_frame), default=None)

    def move(self, start: int, to_frame: int) -> bool:
        """Moves a mark: one edit. False, and no edit, where another one is there already."""
        is_free = to_frame not in self.starts
        if is_free:
            self.replace((set(self.starts) - {start}) | {to_frame})
        return is_free

    def replace(self, starts: Iterable[int]) -> None:
        """Other marks in place of all these: one edit."""
        changed = tuple(sorted(set(starts)))
        if changed and not 0 <= changed[0] <= changed[-1] < self.n_frames:
            raise ValueError(f"marks {changed[0]}..{changed[-1]}: must lie in 0..{self.n_frames - 1}")
        if changed != self.starts:
            self._history[self._now + 1 :] = [changed]
            self._now += 1

    def undo(self) -> bool:
        """Takes back the last edit and moves to where it was. False where there is none."""
        return self._turn(-1)

    def redo(self) -> bool:
        """Does again what was last undone, and moves there. False where there is none."""
        return self._turn(1)

    def note_saved(self) -> None:
        """From here on the label file has these."""
        self._saved = self.starts

    def _turn(self, by: int) -> bool:
        if not 0 <= self._now + by < len(self._history):
            return False
        before = set(self.starts)
        self._now += by
        self.go_to(min(before ^ set(self.starts)))
        return True

    def _go_to_first(self, frames: Iterable[int]) -> bool:
        frame = next(iter(frames), None)
        if frame is not None:
            self.go_to(frame)
        return frame is not None


def too_close(starts: Iterable[int], times_s: np.ndarray) -> list[int]:
    """Those that come less than LEAST_S after another; `times_s` are those of the video's frames."""
    ordered = sorted(starts)
    return [b for a, b in itertools.pairwise(ordered) if times_s[b] - times_s[a] < LEAST_S]


def _send(path: Path, url: str) -> None:
    folder, name = split(url)
    try:
        Bucket(str(folder), _PATIENCE_S).send(path, name)
    except ValueError as error:
        raise OSError(str(error)) from error


class MarkedStartsFile:
    """The label file of one video, and beside it a hidden draft of what is not saved yet.

    A label file says of the whole video where its repetitions start, so half the work must not stand in
    it: the draft does, written at every edit, until `save`. Training does not see it.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.draft = self.path.with_name(f".{self.path.stem}.draft.csv")
        self._known = self._content()

    def _content(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def load(self, n_frames: int) -> MarkedStarts:
        """The saved marks, with a draft's as one edit on top of them; none without any file.

        Raises ValueError, with the file, where one is damaged or goes beyond the last frame.
        """
        self._known = self._content()
        marks = MarkedStarts(n_frames, self._read(self.path, n_frames))
        if self.draft.exists():
            marks.replace(self._read(self.draft, n_frames))
        return marks

    @property
    def is_there(self) -> bool:
        """Is there a label file, or a draft of one?"""
        return self.path.exists() or self.draft.exists()

    def save(self, marks: MarkedStarts) -> None:
        """Writes the label file, whole or not at all, and removes the draft.

        Of a file in a bucket's copy first into the bucket. Raises OSError where it cannot be written, and
        where it is not as it was loaded: then the marks stay in the draft.
        """
        if self._content() != self._known:
            raise OSError(f"{self.path} was changed meanwhile: these marks are in the draft; open it again")
        with written_beside(self.path) if url_of(self.path) else nullcontext(self.path) as path:
            write_starts(path, np.array(marks.starts, np.int64), marks.n_frames)
            if url_of(self.path):
                _send(path, url_of(self.path))
        marks.note_saved()
        self._known = self._content()
        self.draft.unlink(missing_ok=True)

    def keep(self, marks: MarkedStarts) -> None:
        """Writes the draft, whole or not at all; removes it where the label file says the same."""
        if marks.is_dirty:
            write_starts(self.draft, np.array(marks.starts, np.int64), marks.n_frames)
        else:
            self.draft.unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path, n_frames: int) -> list[int]:
        if not path.exists():
            return []
        try:
            return read_starts(path, n_frames).tolist()
        except ValueError as error:
            raise ValueError(
                f"{error} (the video has {n_frames} frames; move the labels away to start anew)"
            ) from None
