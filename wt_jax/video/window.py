"""What a person sees: the skeleton and text drawn into frames, a window with keys, and video files.

All frames are (H, W, 3) uint8 in RGB, and are drawn into in place.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from wt_jax.data.recordings import is_writable
from wt_jax.runtime.cli import quiet
from wt_jax.runtime.files import written_beside

# Pairs of landmarks (skeleton.LANDMARKS): odd numbers are the left side, even ones the right.
_LEFT = ((11, 13), (13, 15), (15, 19), (23, 25), (25, 27), (27, 29), (29, 31), (27, 31))
_RIGHT = ((12, 14), (14, 16), (16, 20), (24, 26), (26, 28), (28, 30), (30, 32), (28, 32))
_TORSO = ((11, 12), (11, 23), (12, 24), (23, 24), (7, 0), (0, 8))
_ORANGE, _BLUE, _WHITE, _BLACK = (255, 140, 0), (0, 170, 255), (255, 255, 255), (0, 0, 0)
_FAR_PX = 30_000  # beyond any screen; OpenCV's lines overflow at 32 bits in units of 1/65536 pixel

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BOX = 0.65  # share of black in a panel's box
_LEADING = 1.3  # from one base line to the next, in lines
_LARGEST_WINDOW_PX = (1280, 800)

# Codes of cv2.waitKeyEx, which differ by toolkit: Qt and GTK on Linux, Cocoa, Windows.
_KEYS = {
    "left": (65361, 63234, 0x250000), "right": (65363, 63235, 0x270000),
    "up": (65362, 63232, 0x260000), "down": (65364, 63233, 0x280000),
    "home": (65360, 63273, 0x240000), "end": (65367, 63275, 0x230000),
    "page up": (65365, 63276, 0x210000), "page down": (65366, 63277, 0x220000),
    "delete": (65535, 63272, 0x2E0000), "backspace": (8, 127), "enter": (10, 13), "escape": (27,),
    "space": (32,), "tab": (9,),
}  # fmt: skip
_KEY_NAMES = {code: name for name, codes in _KEYS.items() for code in codes}
_KEY_NAMES |= {code: chr(code).lower() for code in range(33, 127)}
_NO_SCREEN = "predict writes a video in place of a window, and live does with --headless"


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


_SIDES = ((_TORSO, _WHITE), (_LEFT, _ORANGE), (_RIGHT, _BLUE))


def draw_text(
    frame: np.ndarray, text: str, origin: tuple[int, int], line_px: float, colour: tuple[int, int, int]
) -> None:
    """Writes one line that begins at `origin`, (x, y) of its base line; a capital is 0.7 `line_px` high.

    ASCII alone can be drawn; other characters become `?`.
    """
    scale, thickness = _font_size(line_px)
    cv2.putText(frame, _drawable(text), origin, _FONT, scale, colour, thickness, cv2.LINE_AA)


def text_width(text: str, line_px: float) -> int:
    """Pixels that `draw_text` would take."""
    return cv2.getTextSize(_drawable(text), _FONT, *_font_size(line_px))[0][0]


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


class Window:
    """A window that shows frames and hears keys. A context manager: it closes on the way out.

    Raises ValueError, before any window is tried in this process, where none can be opened: the
    toolkits under OpenCV end the process that asks for a display which is not there.
    """

    def __init__(self, title: str):
        check_display()
        self.title = title
        self._is_sized = False
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, frame: np.ndarray) -> None:
        """Shows a frame; on the screen once `key` has been called."""
        if not self._is_sized:
            height_px, width_px = frame.shape[:2]
            share = min(1.0, _LARGEST_WINDOW_PX[0] / width_px, _LARGEST_WINDOW_PX[1] / height_px)
            cv2.resizeWindow(self.title, round(width_px * share), round(height_px * share))
            self._is_sized = True
        cv2.imshow(self.title, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def key(self, wait_ms: int) -> str | None:
        """The next key, waiting at most so long (1 ms at least), or None.

        A letter is its lower case, whatever Shift says (Qt does not tell); others are "space", "enter",
        "escape", "left", "right", "up", "down", "home", "end", "page up", "page down", "delete",
        "backspace", "tab". Keys with no name here are None.
        """
        code = cv2.waitKeyEx(max(1, wait_ms))
        if code > 0xFFFF and code & 0xFFFF:  # GTK: what Shift, Control and Num Lock are, in the upper half
            code &= 0xFFFF
        return _KEY_NAMES.get(code)

    @property
    def is_closed(self) -> bool:
        """Whether somebody has closed it; known after the next `key`."""
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # GTK: no such window any more
            return True

    def close(self) -> None:
        if not self.is_closed:
            cv2.destroyWindow(self.title)
            cv2.waitKey(1)  # some toolkits close only when they next hear of keys


def check_display() -> None:
    """Raises ValueError where a window cannot be opened; finds out in a process of its own."""
    if not cv2.currentUIFramework():
        raise ValueError(
            "no window: this OpenCV is a headless build: pip uninstall opencv-python-headless, then "
            f"pip install --force-reinstall opencv-contrib-python ({_NO_SCREEN})"
        )
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY")
    if not display:
        raise ValueError(f"no window: DISPLAY is not set, so there is no screen ({_NO_SCREEN})")
    trial = "import cv2; cv2.namedWindow('trial', cv2.WINDOW_NORMAL); cv2.destroyAllWindows()"
    tried = subprocess.run([sys.executable, "-c", trial], capture_output=True, text=True)
    if tried.returncode:
        lines = [line for line in tried.stderr.splitlines() if line.strip()]
        reason = lines[0] if lines else f"status {tried.returncode}"
        raise ValueError(f"no window on DISPLAY={display}: {reason} ({_NO_SCREEN})")


class VideoWriter:
    """Writes an mp4 of H.264 where this OpenCV can, else of MPEG-4. A context manager.

    Written beside `path` and renamed when the block ends, so `path` is whole or untouched; an error in
    the block leaves nothing. An odd last row or column is cut off, as both codecs want. Raises ValueError
    for a folder that cannot be written, a frame of another size, a rate that is no number, and an OpenCV
    that has neither codec; OSError for a full disk, found when the block ends.
    """

    def __init__(self, path: Path | str, fps: float, width_px: int, height_px: int):
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"{path}: a video is written as .mp4")
        if not 0 < fps <= 1000:
            raise ValueError(f"{path}: {fps} frames a second: must be above 0, and 1000 at most")
        self._fps = fps
        self._shape = (height_px, width_px, 3)
        self._stack = ExitStack()
        self.n_frames = 0

    def __enter__(self) -> "VideoWriter":
        if not is_writable(self.path.parent):
            raise ValueError(f"{self.path.parent}: cannot be written: choose another folder for the video")
        with ExitStack() as stack:
            self._beside = stack.enter_context(written_beside(self.path))
            self._beside.touch()  # OpenCV would only say that it could not, not why
            self._writer = _open_writer(self._beside, self._fps, self._shape)
            stack.callback(self._writer.release)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(
                f"{self.path}: a frame of shape {frame.shape}, {frame.dtype}: must be {self._shape}, uint8"
            )
        even = frame[: frame.shape[0] & ~1, : frame.shape[1] & ~1]
        self._writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
        self.n_frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._writer.release()
            self._check()

    def _check(self) -> None:
        """OpenCV says nothing of a write that fails: a file that cannot be read back tells."""
        with quiet():
            written = cv2.VideoCapture(str(self._beside))
            n_written = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
            written.release()
        if n_written < self.n_frames:
            raise OSError(f"{self.path}: cannot be written whole: is the disk full? nothing is left of it")


def _open_writer(path: Path, fps: float, shape: tuple[int, int, int]) -> cv2.VideoWriter:
    height_px, width_px = shape[0] & ~1, shape[1] & ~1
    for codec in ("avc1", "mp4v"):
        with quiet():
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width_px, height_px))
        if writer.isOpened():
            return writer
    raise ValueError(
        f"{path.parent}: OpenCV can write neither H.264 nor MPEG-4 of {width_px}x{height_px} pixels: "
        "pip install --force-reinstall opencv-contrib-python"
    )
