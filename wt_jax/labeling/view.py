"""What the labelling window shows: what there is to know on the left, the picture, the timeline beneath."""

import numpy as np

from wt_jax.labeling.curve_view import (
    DARK,
    GREY,
    RED,
    WHITE,
    WIDTH_PX,
    YELLOW,
    Box,
    draw_legend,
    draw_timeline,
)
from wt_jax.labeling.curves import Curves
from wt_jax.labeling.editor import KEYS, Editor
from wt_jax.labeling.marked_starts import LEAST_S
from wt_jax.labeling.worklist import Worklist
from wt_jax.visualization.drawing import Colour, draw_text, fit, shortened, text_width, wrapped

_FLASH_S = 0.15  # for so long a mark shows while playing
_HEIGHT_PX = 720
_PICTURE = Box(420, 0, WIDTH_PX, 484)  # 16:9
_LEFT_PX, _INFO_PX = 24, 372  # of the column of words
_STATUS_PX = 510  # base line of the words between picture and curves
_GREEN = (150, 220, 150)
_N_LISTED = 9  # videos of a folder that are shown at once, where there is room


def draw(
    picture_HxWx3: np.ndarray,
    editor: Editor,
    curves: Curves | None = None,
    why_no_curves: str = "",
    worklist: Worklist | None = None,
) -> np.ndarray:
    """What the window shows, 1280 x 720, RGB, around a picture of `fit_picture`.

    Without curves a line says why there are none; with a worklist its videos are listed.
    """
    marks, times_s = editor.marks, editor.times_s
    canvas = np.full((_HEIGHT_PX, WIDTH_PX, 3), DARK, np.uint8)
    picture = canvas[_PICTURE.top : _PICTURE.bottom, _PICTURE.left : _PICTURE.right]
    picture[:] = picture_HxWx3
    flash_s = _FLASH_S if editor.is_playing else 0.0
    if any(0 <= editor.now_s - times_s[start] <= flash_s for start in editor.starts):
        _frame(picture, 6, YELLOW)
        tag = picture[6:48, -236:-6]
        tag[:] = DARK
        draw_text(tag, "repetition start", (14, 30), 25, YELLOW)
    _draw_info(canvas, editor, worklist)
    state = f"{'playing' if editor.is_playing else 'paused'}{', half speed' if editor.speed < 1 else ''}"
    where = f"{state}   {_clock(editor.now_s)} of {_clock(times_s[-1])}"
    frame = f"frame {marks.cursor}, the last is {marks.n_frames - 1}"
    draw_text(canvas, f"{where}   {frame}", (_LEFT_PX, _STATUS_PX), 22, WHITE)
    draw_legend(canvas, curves, WIDTH_PX - _LEFT_PX, _STATUS_PX)
    draw_timeline(canvas, editor, curves, why_no_curves)
    if editor.shows_help:
        _draw_help(canvas)
    return canvas


def fit_picture(frame_HxWx3: np.ndarray) -> np.ndarray:
    """A frame in the size that it is shown in, all of it."""
    return fit(frame_HxWx3, _PICTURE.right - _PICTURE.left, _PICTURE.bottom - _PICTURE.top)


def draw_notice(text: str) -> np.ndarray:
    """The window where there is no video to show: words alone."""
    canvas = np.full((_HEIGHT_PX, WIDTH_PX, 3), DARK, np.uint8)
    for i, line in enumerate(wrapped(text, 26, WIDTH_PX - 160)):
        draw_text(canvas, line, (80, 300 + 40 * i), 26, WHITE)
    return canvas


def _draw_info(canvas: np.ndarray, editor: Editor, worklist: Worklist | None) -> None:
    """The column beside the picture, from above: which video, the count, what is wrong, what was said."""
    marks, path = editor.marks, editor.file.path
    lines: list[tuple[str, float, Colour]] = [
        (path.parent.name, 22, GREY),
        (shortened(path.stem, 26, _INFO_PX), 26, WHITE),
        ("", 10, WHITE),
        (f"repetition {marks.n_before} of {len(editor.starts)}", 30, WHITE),
    ]
    if marks.is_dirty:
        lines.append(("not saved yet", 20, YELLOW))
    else:
        lines.append(("saved", 20, _GREEN) if path.exists() else ("no labels yet", 20, GREY))
    said: list[tuple[str, Colour]] = []
    if close := editor.too_close:
        said.append((f"marks under {LEAST_S:g} s apart, at {_clock(editor.times_s[close[0]])}", RED))
    if editor.is_asking:
        said += [
            (f"{len(marks.starts)} marks are not saved.", WHITE),
            ("s: save and quit", YELLOW),
            ("q: quit, and keep them as a draft", YELLOW),
            ("any other key: back to work", YELLOW),
        ]
    elif editor.message:
        said.append((editor.message, WHITE))
    for text, colour in said:
        lines.append(("", 8, WHITE))
        lines += [(line, 21, colour) for line in wrapped(text, 21, _INFO_PX)]
    y = 12.0
    for text, line_px, colour in lines:
        y += 1.35 * line_px
        draw_text(canvas, text, (_LEFT_PX, round(y)), line_px, colour)
    if worklist:
        _draw_worklist(canvas, worklist, round(y) + 16)
    draw_text(canvas, "h: keys", (_LEFT_PX, _PICTURE.bottom - 8), 18, GREY)


def _draw_worklist(canvas: np.ndarray, worklist: Worklist, top_px: int) -> None:
    """Where one is in the folder, the sums, and the videos around that one with their repetitions."""
    n = len(worklist.videos)
    counts = [f"{name} {count}" for name, count in worklist.counts.items()]
    head = wrapped("labelled: " + ", ".join(counts), 18, _INFO_PX)[:3]
    room = (_PICTURE.bottom - 38 - top_px) // 24 - len(head) - 1
    n_listed = max(1, min(_N_LISTED, room, n))
    first = min(max(0, worklist.at - n_listed // 2), n - n_listed)
    shown = range(first, first + n_listed)
    y = _PICTURE.bottom - 38 - 24 * (n_listed + len(head))
    draw_text(canvas, f"{worklist.at + 1} of {n}, {worklist.n_done} done", (_LEFT_PX, y), 24, WHITE)
    for line in head:
        y += 24
        draw_text(canvas, line, (_LEFT_PX, y), 18, _GREEN)
    for i in shown:
        y += 24
        n_marks, is_draft = worklist.n_marks(i), worklist.files[i].draft.exists()
        state = "draft" if is_draft else "-" if n_marks is None else f"{n_marks}"
        state = "cannot be opened" if worklist.videos[i] in worklist.failed else state
        colour = _GREEN if worklist.is_done(i) else YELLOW if is_draft else GREY
        wide = text_width(state, 18)
        name = shortened(worklist.videos[i].stem, 18, _INFO_PX - wide - 40)
        if i == worklist.at:
            canvas[y - 18 : y + 6, _LEFT_PX - 8 : _LEFT_PX + _INFO_PX] = (64, 64, 64)
        draw_text(canvas, name, (_LEFT_PX, y), 18, WHITE if i == worklist.at else colour)
        draw_text(canvas, state, (_LEFT_PX + _INFO_PX - wide - 8, y), 18, colour)


def _draw_help(canvas: np.ndarray) -> None:
    canvas[:] = (canvas * 0.1).astype(np.uint8)
    pitch_px = (_HEIGHT_PX - 40) / len(KEYS)
    for i, (keys, what) in enumerate(KEYS):
        y = round(20 + pitch_px * (i + 0.65))
        draw_text(canvas, keys, (160, y), 22, YELLOW)
        draw_text(canvas, what, (430, y), 22, WHITE)


def _frame(box: np.ndarray, thick_px: int, colour: Colour) -> None:
    box[:thick_px] = box[-thick_px:] = colour
    box[:, :thick_px] = box[:, -thick_px:] = colour


def _clock(time_s: float) -> str:
    return f"{int(time_s // 60)}:{time_s % 60:05.2f}"
