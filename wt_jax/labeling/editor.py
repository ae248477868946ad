"""Editing the marks of one video: what a key does, and what time does while it plays. Without a window."""

import numpy as np

from wt_jax.labeling.marked_starts import MarkedStarts, MarkedStartsFile

KEYS = (
    ("space", "play, pause"),
    ("left, right", "one frame back, forward"),
    ("j, l", "one second back, forward"),
    ("page up, page down", "ten seconds back, forward"),
    ("home, end", "first frame, last frame"),
    ("p, n", "previous mark, next mark"),
    ("m, enter", "mark this frame as a repetition start, or unmark it"),
    ("x, delete", "unmark the nearest mark, up to half a second away"),
    ("u, r", "undo, redo"),
    ("s", "save"),
    ("q", "quit"),
    ("h", "these keys"),
)
_SECONDS = {"j": -1.0, "l": 1.0, "page up": -10.0, "page down": 10.0}
_FRAMES = {"left": -1, "right": 1}
_NEAR_S = 0.5  # of a mark that "x" takes away
_IDLE_MS = 30


class Editor:
    """Marks of one video being edited; `times_s` are those of its frames. The draft follows every edit.

    `is_asking`: it waits for what to do with marks that are not saved; `is_over`: the person is done.
    """

    def __init__(self, marks: MarkedStarts, file: MarkedStartsFile, times_s: np.ndarray):
        self.marks = marks
        self.file = file
        self.times_s = times_s
        self.message = ""
        self.is_playing = self.is_asking = self.is_over = self.shows_help = False
        self._video_minus_clock_s = 0.0

    def press(self, key: str, now_s: float) -> None:
        """Does what a key says. A file that cannot be written is a message, and the work goes on."""
        self.message = ""
        before = self.marks.starts
        try:
            if self.is_asking:
                self._answer(key)
            elif self.shows_help and key in ("h", "escape"):
                self.shows_help = False
            else:
                self.shows_help = key == "h"
                self._move(key, now_s)
                self._edit(key)
            if self.marks.starts != before:
                self.file.keep(self.marks)
        except OSError as error:
            self.message = f"NOT SAVED: {error}"

    def advance(self, now_s: float) -> None:
        """Moves the cursor to the frame that is due, if it plays; stops at the last one."""
        if self.is_playing:
            self._go_to_time(now_s + self._video_minus_clock_s)
            self.is_playing = self.marks.cursor < self.marks.n_frames - 1

    def wait_ms(self, now_s: float) -> int:
        """How long until the next frame is due, 1 ms at least; a while where nothing plays."""
        if not self.is_playing:
            return _IDLE_MS
        due_s = self.times_s[self.marks.cursor + 1] - self._video_minus_clock_s
        return max(1, min(_IDLE_MS, int((due_s - now_s) * 1000)))

    def _move(self, key: str, now_s: float) -> None:
        marks, before = self.marks, self.marks.cursor
        if key == "space":
            if marks.cursor == marks.n_frames - 1:
                marks.go_to(0)
            self.is_playing = not self.is_playing and marks.n_frames > 1
        elif key in _FRAMES:
            self.is_playing = False
            marks.go_to(marks.cursor + _FRAMES[key])
        elif key in _SECONDS:
            self._go_to_time(self.times_s[marks.cursor] + _SECONDS[key])
        elif key in ("home", "end"):
            marks.go_to(0 if key == "home" else marks.n_frames - 1)
        elif key == "n" and not marks.go_to_next():
            self.message = "no mark after this frame"
        elif key == "p" and not marks.go_to_previous():
            self.message = "no mark before this frame"
        if key == "space" or marks.cursor != before:  # else a mark while playing would cost time
            self._video_minus_clock_s = self.times_s[marks.cursor] - now_s
        self.is_playing = self.is_playing and marks.cursor < marks.n_frames - 1

    def _edit(self, key: str) -> None:
        marks = self.marks
        if key in ("m", "enter"):
            self.message = "marked" if marks.toggle() else "unmarked"
        elif key in ("x", "delete", "backspace"):
            near_frames = int(np.searchsorted(self.times_s, self.times_s[0] + _NEAR_S))
            self.message = "unmarked" if marks.unmark_near(near_frames) else "no mark near this frame"
        elif key in ("u", "r"):
            done = marks.undo() if key == "u" else marks.redo()
            word = {"u": "undo", "r": "redo"}[key]
            self.message = f"{word}: {len(marks.starts)} marks now" if done else f"nothing to {word}"
            self.is_playing = False
        elif key == "s":
            self._save()
        elif key == "q":
            self.is_playing = False
            self.is_over, self.is_asking = not marks.is_dirty, marks.is_dirty

    def _answer(self, key: str) -> None:
        self.is_asking = False
        if key == "s":
            self._save()
        self.is_over = key in ("s", "q")

    def _save(self) -> None:
        self.file.save(self.marks)
        self.message = f"saved: {len(self.marks.starts)} marks"

    def _go_to_time(self, time_s: float) -> None:
        """The last frame that begins by then."""
        self.marks.go_to(int(np.searchsorted(self.times_s, time_s + 1e-6, side="right")) - 1)
