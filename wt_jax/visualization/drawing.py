"""Skeletons, text and panels, drawn into frames.

All frames are (H, W, 3) uint8 in RGB, and are drawn into in place. Letters: L landmarks (33).
"""

from collections.abc import Sequence

import cv2
import numpy as np

# Pairs of landmarks (skeleton.LANDMARKS): odd numbers are the left side, even ones the right.
_LEFT = ((11, 13), (13, 15), (15, 19), (23, 25), (25, 27), (27, 29), (29, 31), (27, 31))
_RIGHT = ((12, 14), (14, 16), (16, 20), (24, 26), (26, 28), (28, 30), (30, 32), (28, 32))
_TORSO = ((11, 12), (11, 23), (12, 24), (23, 24), (7, 0), (0, 8))

Colour = tuple[int, int, int]
_ORANGE, _BLUE, _WHITE, _BLACK = (255, 140, 0), (0, 170, 255), (255, 255, 255), (0, 0, 0)
_SIDES = ((_TORSO, _WHITE), (_LEFT, _ORANGE), (_RIGHT, _BLUE))
_FAR_PX = 30_000  # beyond any screen; OpenCV's lines overflow at 32 bits in units of 1/65536 pixel
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BOX = 0.65  # share of black in a panel's box
_LEADING = 1.3  # from one base line to the next, in lines


def draw_skeleton(frame: np.ndarray, landmarks_Lx4: np.ndarray) -> None:
    """Draws the body's lines: left orange, right blue, trunk and head white, each with a dark edge.

    `landmarks_Lx4` in shares of the image, as pose gives them; a line with an end that is NaN is left
    out, so nobody seen draws nothing.
    """
    height_px, width_px = frame.shape[:2]
    points_Lx2 = landmarks_Lx4[:, :2] * np.array([width_px, height_px], np.float64)
    is_seen_L = np.isfinite(points_Lx2).all(1)
    points = np.clip(np.where(is_seen_L[:, None], points_Lx2, 0), -_FAR_PX, _FAR_PX).round().astype(int)
    thick_px = max(2, round(min(height_px, width_px) / 160))
    lines = [(pair, colour) for pairs, colour in _SIDES for pair in pairs if is_seen_L[list(pair)].all()]
    for is_edge in (True, False):
        for (a, b), colour in lines:
            ends = tuple(map(int, points[a])), tuple(map(int, points[b]))
            thickness = thick_px + 2 if is_edge else thick_px
            cv2.line(frame, *ends, _BLACK if is_edge else colour, thickness, cv2.LINE_AA)


def draw_text(frame: np.ndarray, text: str, origin: tuple[int, int], line_px: float, colour: Colour) -> None:
    """Writes one line that begins at `origin`, (x, y) of its base line; a capital is 0.7 `line_px` high.

    ASCII alone can be drawn; other characters become `?`.
    """
    scale, thickness = _font_size(line_px)
    cv2.putText(frame, _drawable(text), origin, _FONT, scale, colour, thickness, cv2.LINE_AA)


def text_width(text: str, line_px: float) -> int:
    """Pixels that `draw_text` would take."""
    return cv2.getTextSize(_drawable(text), _FONT, *_font_size(line_px))[0][0]


def shortened(text: str, line_px: float, width_px: int) -> str:
    """The text, or what of its beginning and its end fits into `width_px`, with .. between them."""
    shorter, kept = text, len(text)
    while kept > 2 and text_width(shorter, line_px) > width_px:
        kept -= 1
        shorter = f"{text[: kept - kept // 2]}..{text[-(kept // 2) :]}"
    return shorter


def wrapped(text: str, line_px: float, width_px: int) -> list[str]:
    """The text in lines that fit into `width_px`, broken at spaces; a longer word is shortened."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, line_px) > width_px:
            lines.append(shortened(word, line_px, width_px))
        else:
            lines[-1] = shortened(longer, line_px, width_px)
    return lines


def draw_curve(
    frame: np.ndarray, x_N: Sequence[float], y_N: Sequence[float], seen_N: np.ndarray, colour: Colour
) -> None:
    """Draws a line through points, in pixels, broken where `seen_N` is False."""
    points_Nx2 = np.stack([x_N, y_N], 1).round().astype(np.int32)
    for run in np.split(np.arange(len(seen_N)), np.flatnonzero(np.diff(seen_N)) + 1):
        if run.size and seen_N[run[0]]:
            cv2.polylines(frame, [points_Nx2[run]], False, colour, 2, cv2.LINE_AA)


def _font_size(line_px: float) -> tuple[float, int]:
    scale = line_px / 30  # at scale 1 the font's capitals are 21 pixels high
    return scale, max(1, round(scale * 1.8))


def _drawable(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def draw_panel(frame: np.ndarray, lines: Sequence[tuple[str, float]]) -> None:
    """Writes lines, each with its size, into a dark translucent box in the upper left corner.

    Size 1 is a twenty-fourth of the frame's shorter side, 14 pixels at least; a panel that is too large
    for the frame is made smaller as a whole.
    """
    height_px, width_px = frame.shape[:2]
    line_px = max(14.0, min(height_px, width_px) / 24)
    tall = sum(size for _, size in lines) * _LEADING + 0.5  # in lines, as is wide
    wide = max((text_width(text, 30 * size) / 30 for text, size in lines), default=0.0) + 1.0
    line_px = min(line_px, height_px / tall, width_px / wide)
    box = frame[: round(tall * line_px), : round(wide * line_px)]
    box[:] = (box * (1 - _BOX)).astype(np.uint8)
    y_px = 0.25 * line_px
    for text, size in lines:
        y_px += _LEADING * size * line_px
        base_px = round(y_px - 0.35 * size * line_px)
        draw_text(frame, text, (round(line_px / 2), base_px), size * line_px, _WHITE)


def fit(frame: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """A new frame of that size, with all of `frame` in its middle, in its own shape, on black."""
    share = min(width_px / frame.shape[1], height_px / frame.shape[0])
    size = max(1, round(frame.shape[1] * share)), max(1, round(frame.shape[0] * share))
    scaled = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((height_px, width_px, 3), np.uint8)
    left, top = (width_px - size[0]) // 2, (height_px - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = scaled
    return canvas
