"""What the labelling window shows."""

import numpy as np

from wt_jax.labeling.editor import KEYS, Editor
from wt_jax.visualization.drawing import draw_panel, draw_text, fit

_FLASH_S = 0.15  # for so long a mark shows while playing
_WIDTH_PX, _PICTURE_PX, _STRIP_PX = 1280, 632, 88  # of the window: together 1280 x 720
_MARGIN_PX = 24
_YELLOW, _WHITE, _GREY, _DARK = (255, 210, 0), (255, 255, 255), (160, 160, 160), (32, 32, 32)


def draw(picture_HxWx3: np.ndarray, editor: Editor) -> np.ndarray:
    """What the window shows: the picture, the timeline with its marks, and what there is to say."""
    marks, times_s = editor.marks, editor.times_s
    canvas = np.full((_PICTURE_PX + _STRIP_PX, _WIDTH_PX, 3), _DARK, np.uint8)
    canvas[:_PICTURE_PX] = fit(picture_HxWx3, _WIDTH_PX, _PICTURE_PX)
    now_s = times_s[marks.cursor]
    flash_s = _FLASH_S if editor.is_playing else 0.0
    if any(0 <= now_s - times_s[start] <= flash_s for start in marks.starts):
        _frame(canvas[:_PICTURE_PX], 6, _YELLOW)
        tag = canvas[6:58, _WIDTH_PX - 280 : _WIDTH_PX - 6]
        tag[:] = _DARK
        draw_text(tag, "repetition start", (18, 36), 30, _YELLOW)
    lines = [(f"repetition {marks.n_before} of {len(marks.starts)}", 1.0)]
    if editor.message:
        lines.append((editor.message, 0.8))
    if editor.is_asking:
        lines = [
            (f"{len(marks.starts)} marks are not saved.", 1.0),
            ("s: save and quit", 0.9),
            ("q: quit, and keep them as a draft", 0.9),
            ("any other key: back to work", 0.9),
        ]
    draw_panel(canvas, lines)
    if editor.shows_help:
        _draw_help(canvas)
    _draw_strip(canvas[_PICTURE_PX:], editor)
    return canvas


def _draw_strip(strip: np.ndarray, editor: Editor) -> None:
    marks, times_s = editor.marks, editor.times_s
    last = max(1, marks.n_frames - 1)
    track_px = _WIDTH_PX - 2 * _MARGIN_PX
    top, bottom = 44, 72
    strip[top:bottom, _MARGIN_PX : _MARGIN_PX + track_px] = (64, 64, 64)
    done_px = round(marks.cursor / last * track_px)
    strip[top:bottom, _MARGIN_PX : _MARGIN_PX + done_px] = (96, 96, 96)
    x = _MARGIN_PX + done_px
    strip[top - 8 : bottom + 8, x - 1 : x + 2] = _WHITE
    for start in marks.starts:
        x = _MARGIN_PX + round(start / last * track_px)
        strip[top:bottom, x - 1 : x + 2] = _YELLOW
    state = "playing" if editor.is_playing else "paused"
    where = f"{state}   {_clock(times_s[marks.cursor])} of {_clock(times_s[-1])}"
    draw_text(
        strip,
        f"{where}   frame {marks.cursor}, the last is {marks.n_frames - 1}",
        (_MARGIN_PX, 28),
        24,
        _WHITE,
    )
    draw_text(strip, "h: keys", (_WIDTH_PX - 360, 28), 24, _GREY)
    is_dirty = marks.is_dirty
    saved = "not saved yet" if is_dirty else "saved" if editor.file.path.exists() else "no labels yet"
    draw_text(strip, saved, (_WIDTH_PX - 200, 28), 24, _YELLOW if is_dirty else (150, 220, 150))


def _draw_help(canvas: np.ndarray) -> None:
    left, top, right, bottom = 140, 76, 1140, 76 + 40 * len(KEYS) + 28
    box = canvas[top:bottom, left:right]
    box[:] = (box * 0.12).astype(np.uint8)
    _frame(box, 2, _GREY)
    for i, (keys, what) in enumerate(KEYS):
        y = top + 44 + 40 * i
        draw_text(canvas, keys, (left + 28, y), 24, _YELLOW)
        draw_text(canvas, what, (left + 300, y), 24, _WHITE)


def _frame(box: np.ndarray, thick_px: int, colour: tuple[int, int, int]) -> None:
    box[:thick_px] = box[-thick_px:] = colour
    box[:, :thick_px] = box[:, -thick_px:] = colour


def _clock(time_s: float) -> str:
    return f"{int(time_s // 60)}:{time_s % 60:05.2f}"
