"""Editing the marks of one video: what a key, the mouse and time do to them. Without a window."""

from typing import NamedTuple

import numpy as np

from wt_jax.labeling.marked_starts import MarkedStarts, MarkedStartsFile, too_close

KEYS = (
    ("space", "play, pause"),
    ("v", "half speed, full speed"),
    ("left, right", "one frame back, forward; held down it goes on"),
    ("j, l", "one second back, forward"),
    ("page up, page down", "ten seconds back, forward"),
    ("home, end", "first frame, last frame"),
    ("p, n", "previous mark, next mark"),
    ("m, enter", "mark this frame as a repetition start, or unmark it"),
    ("t", "take the nearest mark here, from up to two seconds away"),
    ("x, delete", "unmark the nearest mark, up to half a second away"),
    ("u, r", "undo, redo"),
    ("mouse", "click or drag in the curves: go there; drag a mark: move it"),
    ("up, down", "zoom the curves in, out"),
    ("s", "save"),
    ("f, b", "next video, previous video of a folder"),
    ("g", "save, and go to the next video that is not done"),
    ("q", "quit"),
    ("h", "these keys"),
)
_SECONDS = {"j": -1.0, "l": 1.0, "page up": -10.0, "page down": 10.0}
_FRAMES = {"left": -1, "right": 1}
_NEAR_S = 0.5  # of a mark that "x" takes away
_REACH_S = 2.0  # of a mark that "t" takes along
_IDLE_MS = 30
_SPANS_S = (2.5, 5.0, 10.0, 20.0, 40.0, 80.0)  # that the curves may show, of a video that is as long
_MARGIN = 0.1  # of the stretch that is shown: the cursor in it turns the page


class Place(NamedTuple):
    """Where the mouse is: in which box, "curves" or "overview", at which time of the video, and how many
    seconds from there are near enough to be meant."""

    box: str
    time_s: float
    near_s: float


class Editor:
    """Marks of one video being edited; `times_s` are those of its frames. The draft follows every edit.

    `is_asking`: it waits for what to do with marks that are not saved; `is_over`: the person is done, and
    `way_on` is the key that said so: "q", or of one video of many "f", "b" or "g". `dragging` is the box that
    the mouse drags in, `grabbed` the mark that it takes along.
    """

    def __init__(
        self,
        marks: MarkedStarts,
        file: MarkedStartsFile,
        times_s: np.ndarray,
        is_one_of_many: bool = False,
    ):
        self.marks = marks
        self.file = file
        self.times_s = times_s
        self.message = ""
        self.speed = 1.0
        self.is_playing = self.is_asking = self.is_over = self.shows_help = False
        self.way_on = "q"
        self.dragging: str | None = None
        self.grabbed: int | None = None
        self._is_one_of_many = is_one_of_many
        self._offset_s = 0.0  # from the mouse to the mark that it has grabbed
        self._since_s = (0.0, 0.0)  # by the clock and in the video, since when it plays
        self._span = 2  # of _SPANS_S
        self._first_s = float(times_s[0])

    @property
    def now_s(self) -> float:
        """The time of the frame at the cursor."""
        return float(self.times_s[self.marks.cursor])

    @property
    def shown_s(self) -> tuple[float, float]:
        """The stretch of the video that the curves show, in seconds: all of a short one."""
        first_s, last_s = float(self.times_s[0]), float(self.times_s[-1])
        span_s = min(_SPANS_S[self._span], max(last_s - first_s, 1e-3))
        first_s = max(first_s, min(self._first_s, last_s - span_s))
        return first_s, first_s + span_s

    @property
    def starts(self) -> tuple[int, ...]:
        """The marks as they are shown: one that is being dragged is where the cursor is."""
        if self.grabbed is None:
            return self.marks.starts
        return tuple(sorted((set(self.marks.starts) - {self.grabbed}) | {self.marks.cursor}))

    @property
    def too_close(self) -> list[int]:
        """Marks that come too soon after another: `marked_starts.too_close`."""
        return too_close(self.starts, self.times_s)

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
                self._leave(key)
            self._keep(before)
        except OSError as error:
            self.message = f"NOT SAVED: {error}"

    def point(self, event: str, place: Place | None) -> None:
        """Does what the mouse says: "press", "move" or "release", at `place`, None beside all boxes."""
        before = self.marks.starts
        try:
            if event == "press" and place and not self.is_asking:
                self.message, self.is_playing, self.shows_help = "", False, False
                self.dragging, self.grabbed = place.box, self._mark_at(place)
                self._offset_s = 0.0
                if self.grabbed is not None:
                    self._offset_s = float(self.times_s[self.grabbed]) - place.time_s
            if self.dragging and place:
                self._drag(place)
            if event == "release" and self.dragging:
                self._drop()
            self._keep(before)
        except OSError as error:
            self.message = f"NOT SAVED: {error}"

    def advance(self, now_s: float) -> None:
        """Moves the cursor to the frame that is due, if it plays; stops at the last one."""
        if self.is_playing:
            clock_s, video_s = self._since_s
            self._go_to_time(video_s + self.speed * (now_s - clock_s))
            self.is_playing = self.marks.cursor < self.marks.n_frames - 1

    def wait_ms(self, now_s: float) -> int:
        """How long until the next frame is due, 1 ms at least; a while where nothing plays."""
        if not self.is_playing:
            return _IDLE_MS
        clock_s, video_s = self._since_s
        due_s = clock_s + (self.times_s[self.marks.cursor + 1] - video_s) / self.speed
        return max(1, min(_IDLE_MS, int((due_s - now_s) * 1000)))

    def _move(self, key: str, now_s: float) -> None:
        marks, before = self.marks, self.marks.cursor
        if key == "space":
            if marks.cursor == marks.n_frames - 1:
                marks.go_to(0)
            self.is_playing = not self.is_playing and marks.n_frames > 1
        elif key == "v":
            self.speed = 1.5 - self.speed
            self.message = f"{'half' if self.speed < 1 else 'full'} speed"
        elif key in _FRAMES:
            self.is_playing = False
            marks.go_to(marks.cursor + _FRAMES[key])
        elif key in _SECONDS:
            self._go_to_time(self.now_s + _SECONDS[key])
        elif key in ("home", "end"):
            marks.go_to(0 if key == "home" else marks.n_frames - 1)
        elif key in ("up", "down"):
            self._zoom(1 if key == "down" else -1)
        elif key == "n" and not marks.go_to_next():
            self.message = "no mark after this frame"
        elif key == "p" and not marks.go_to_previous():
            self.message = "no mark before this frame"
        if key in ("space", "v") or marks.cursor != before:  # else a mark while playing would cost time
            self._since_s = now_s, self.now_s
        self._follow()
        self.is_playing = self.is_playing and marks.cursor < marks.n_frames - 1

    def _edit(self, key: str) -> None:
        marks = self.marks
        if key in ("m", "enter"):
            self.message = "marked" if marks.toggle() else "unmarked"
        elif key in ("x", "delete", "backspace"):
            self.message = (
                "unmarked" if marks.unmark_near(self._frames(_NEAR_S)) else "no mark near this frame"
            )
        elif key == "t":
            near = marks.nearest(marks.cursor, self._frames(_REACH_S))
            if near is None:
                self.message = f"no mark up to {_REACH_S:g} s away"
            elif near != marks.cursor and marks.move(near, marks.cursor):
                self.message = f"mark moved by {marks.cursor - near:+d} frames"
        elif key in ("u", "r"):
            done = marks.undo() if key == "u" else marks.redo()
            word = {"u": "undo", "r": "redo"}[key]
            self.message = f"{word}: {len(marks.starts)} marks now" if done else f"nothing to {word}"
            self.is_playing = False
            self._follow()
        elif key == "s":
            self._save()

    def _leave(self, key: str) -> None:
        if key == "q":
            self.is_playing = False
            self.is_over, self.is_asking = not self.marks.is_dirty, self.marks.is_dirty
        elif key in ("f", "b", "g") and not self._is_one_of_many:
            self.message = "one video alone: label its folder to go from one to the next"
        elif key == "g" and not self.marks.starts and not self.file.path.exists():
            self.message = "no mark yet: s says that there is none, f goes on without"
        elif key in ("f", "b", "g"):
            if key == "g":
                self._save()
            self.is_over, self.way_on = True, key

    def _answer(self, key: str) -> None:
        self.is_asking = False
        if key == "s":
            self._save()
        self.is_over = key in ("s", "q")

    def _save(self) -> None:
        self.file.save(self.marks)
        self.message = f"saved: {len(self.marks.starts)} marks"

    def _keep(self, before: tuple[int, ...]) -> None:
        if self.marks.starts != before:
            self.file.keep(self.marks)

    def _mark_at(self, place: Place) -> int | None:
        """The mark that the mouse means; in the overview none, where a frame is less than a pixel."""
        near = [start for start in self.marks.starts if self._distance(start, place) <= place.near_s]
        if place.box != "curves":
            return None
        return min(near, key=lambda start: self._distance(start, place), default=None)

    def _distance(self, start: int, place: Place) -> float:
        return abs(float(self.times_s[start]) - place.time_s)

    def _drag(self, place: Place) -> None:
        time_s = place.time_s + self._offset_s
        middles_s = (self.times_s[1:] + self.times_s[:-1]) / 2
        self.marks.go_to(int(np.searchsorted(middles_s, time_s)))
        if place.box == "overview":  # in the curves the page must not turn under the mouse
            self._follow()

    def _drop(self) -> None:
        start, cursor, self.dragging, self.grabbed = self.grabbed, self.marks.cursor, None, None
        if start is not None and start != cursor:
            is_moved = self.marks.move(start, cursor)
            self.message = (
                f"mark moved by {cursor - start:+d} frames" if is_moved else "a mark is there already"
            )
        self._follow()

    def _zoom(self, by: int) -> None:
        whole_s = self.times_s[-1] - self.times_s[0]
        useful = int(np.searchsorted(_SPANS_S[:-1], whole_s))  # the first that shows all of the video
        self._span = min(max(min(self._span, useful) + by, 0), useful)
        first_s, last_s = self.shown_s
        self._first_s = self.now_s - (last_s - first_s) / 2

    def _follow(self) -> None:
        """Turns the page where the cursor comes near an end of the stretch that is shown."""
        first_s, last_s = self.shown_s
        margin_s = _MARGIN * (last_s - first_s)
        if not first_s + margin_s <= self.now_s <= last_s - margin_s:
            self._first_s = self.now_s - (last_s - first_s) / 2

    def _frames(self, seconds: float) -> int:
        return int(np.searchsorted(self.times_s, self.times_s[0] + seconds))

    def _go_to_time(self, time_s: float) -> None:
        """The last frame that begins by then."""
        self.marks.go_to(int(np.searchsorted(self.times_s, time_s + 1e-6, side="right")) - 1)
        self._follow()
