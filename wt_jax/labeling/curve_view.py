"""The lower part of the labelling window: the curves around the cursor, and beneath them the whole video.

Marks and the cursor stand in both. All boxes are in pixels of the window.
"""

from typing import NamedTuple

import numpy as np

from wt_jax.labeling.curves import Curves
from wt_jax.labeling.editor import Editor, Place
from wt_jax.visualization.drawing import Colour, draw_curve, draw_text, text_width

WIDTH_PX = 1280
YELLOW, RED, WHITE, GREY, DARK = (255, 210, 0), (255, 92, 72), (255, 255, 255), (160, 160, 160), (32, 32, 32)
_CURVE_COLOURS = ((96, 190, 255), (140, 200, 120))  # the joint angle, the body's travel
_BEHIND, _DONE, _GRID, _SHOWN = (48, 48, 48), (72, 72, 72), (66, 66, 66), (200, 200, 200)
_GRAB_PX = 7  # from a mark: the mouse takes it along


class Box(NamedTuple):
    """Where something is drawn, right and bottom outside."""

    left: int
    top: int
    right: int
    bottom: int


CURVES = Box(24, 524, WIDTH_PX - 24, 662)
OVERVIEW = Box(24, 672, WIDTH_PX - 24, 704)
BOXES = {"curves": CURVES, "overview": OVERVIEW}


class Scale(NamedTuple):
    """A stretch of the video, in seconds, over the width of a box."""

    first_s: float
    last_s: float
    box: Box

    def x(self, time_s: float) -> int:
        """The column of a time."""
        share = (time_s - self.first_s) / (self.last_s - self.first_s)
        return self.box.left + round(share * (self.box.right - 1 - self.box.left))

    def time_s(self, x: float) -> float:
        """The time of a column; of one beside the box, that of its nearest end."""
        share = (x - self.box.left) / (self.box.right - 1 - self.box.left)
        return self.first_s + min(max(share, 0.0), 1.0) * (self.last_s - self.first_s)


def scale_of(box: str, editor: Editor) -> Scale:
    """What a box shows now."""
    if box == "curves":
        return Scale(*editor.shown_s, CURVES)
    first_s, last_s = float(editor.times_s[0]), float(editor.times_s[-1])
    return Scale(first_s, max(last_s, first_s + 1e-3), OVERVIEW)


def place_at(x: int, y: int, editor: Editor) -> Place | None:
    """What the mouse means at a pixel of the window: while it drags, still the box that it began in."""
    for name, box in BOXES.items():
        if editor.dragging == name or (editor.dragging is None and _is_in(x, y, box)):
            scale = scale_of(name, editor)
            near_s = _GRAB_PX * (scale.last_s - scale.first_s) / (box.right - box.left)
            return Place(name, scale.time_s(x), near_s)
    return None


def draw_timeline(canvas: np.ndarray, editor: Editor, curves: Curves | None, why_none: str = "") -> None:
    """Draws both boxes into the window; without curves a line says why, and how to get them."""
    close = set(editor.too_close)
    _draw_curves(canvas, editor, curves, why_none)
    scale, overview = scale_of("overview", editor), OVERVIEW
    canvas[overview.top : overview.bottom, overview.left : overview.right] = _BEHIND
    canvas[overview.top : overview.bottom, overview.left : scale.x(editor.now_s)] = _DONE
    for start in editor.starts:
        _line(canvas, scale.x(editor.times_s[start]), overview, RED if start in close else YELLOW)
    first, last = (scale.x(time_s) for time_s in editor.shown_s)
    for y in (overview.top, overview.bottom - 1):
        canvas[y - 1 : y + 1, first : last + 1] = _SHOWN
    for x in (first, last):
        canvas[overview.top : overview.bottom, x - 1 : x + 1] = _SHOWN
    _line(canvas, scale.x(editor.now_s), overview, WHITE, beyond_px=3)


def draw_legend(canvas: np.ndarray, curves: Curves | None, right_px: int, base_px: int) -> None:
    """The names of the curves in their colours, to the left of `right_px`."""
    names = list(curves.shares) if curves else []
    for name, colour in reversed(list(zip(names, _CURVE_COLOURS, strict=False))):
        right_px -= text_width(name, 20) + 24
        draw_text(canvas, name, (right_px, base_px), 20, colour)


def _draw_curves(canvas: np.ndarray, editor: Editor, curves: Curves | None, why_none: str) -> None:
    scale, box = scale_of("curves", editor), CURVES
    inside = canvas[box.top : box.bottom, box.left : box.right]
    inside[:] = _BEHIND
    _draw_seconds(canvas, scale)
    if curves is None:
        draw_text(canvas, why_none, (box.left + 12, (box.top + box.bottom) // 2 + 4), 20, GREY)
    else:
        shown = np.flatnonzero((curves.times_s > scale.first_s - 0.1) & (curves.times_s < scale.last_s + 0.1))
        high, low = box.top + 16, box.bottom - 22
        for share_F, colour in zip(curves.shares.values(), _CURVE_COLOURS, strict=True):
            x_N = [scale.x(time_s) - box.left for time_s in curves.times_s[shown]]
            y_N = low - (low - high) * np.clip(share_F[shown], -0.12, 1.12) - box.top
            draw_curve(inside, x_N, y_N, curves.valid_F[shown], colour)
    close = set(editor.too_close)
    for start in editor.starts:
        if scale.first_s <= editor.times_s[start] <= scale.last_s:
            colour = RED if start in close else YELLOW
            x = scale.x(editor.times_s[start])
            _line(canvas, x, box, colour)
            canvas[box.top : box.top + 9, max(box.left, x - 5) : min(box.right, x + 6)] = colour  # to grab
    _line(canvas, scale.x(editor.now_s), box, WHITE, beyond_px=5)


def _draw_seconds(canvas: np.ndarray, scale: Scale) -> None:
    """A line every half, whole, fifth or tenth second, with its time."""
    span_s = scale.last_s - scale.first_s
    step_s = next(step for step in (0.5, 1, 5, 10) if span_s / step <= 14 or step == 10)
    for k in range(int(np.ceil(scale.first_s / step_s)), int(scale.last_s / step_s) + 1):
        x = scale.x(k * step_s)
        canvas[scale.box.top : scale.box.bottom, x] = _GRID
        if x < scale.box.right - 60:
            draw_text(canvas, f"{k * step_s:g} s", (x + 4, scale.box.bottom - 6), 14, GREY)


def _line(canvas: np.ndarray, x: int, box: Box, colour: Colour, beyond_px: int = 0) -> None:
    canvas[box.top - beyond_px : box.bottom + beyond_px, max(0, x - 1) : x + 2] = colour


def _is_in(x: int, y: int, box: Box) -> bool:
    return box.left - 8 <= x < box.right + 8 and box.top - 6 <= y < box.bottom + 4
