"""A window that shows frames, (H, W, 3) uint8 in RGB, and hears keys and the mouse."""

import os
import subprocess
import sys
from typing import NamedTuple

import cv2
import numpy as np

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
_MOUSE = {  # of the left button; a double click is two
    cv2.EVENT_LBUTTONDOWN: "press", cv2.EVENT_LBUTTONDBLCLK: "press", cv2.EVENT_LBUTTONUP: "release",
}  # fmt: skip
_NO_SCREEN = "predict writes a video in place of a window, and live does with --headless"


class MouseEvent(NamedTuple):
    """What the left button does, "press", "move" (while it is down) or "release", and at which pixel of the
    frame that is shown."""

    kind: str
    x: int
    y: int


class Window:
    """A window that shows frames and hears keys and the mouse. A context manager: it closes on the way out.

    Raises ValueError, before any window is tried in this process, where none can be opened: the
    toolkits under OpenCV end the process that asks for a display which is not there.
    """

    def __init__(self, title: str):
        check_display()
        self.title = title
        self._is_sized = False
        self._mouse_events: list[MouseEvent] = []
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.setMouseCallback(title, self._note_mouse)

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

    def mouse(self) -> list[MouseEvent]:
        """What the mouse has done since the last time, up to the last `key`; of moves in a row the last."""
        events, self._mouse_events = self._mouse_events, []
        return events

    def _note_mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        if event == cv2.EVENT_MOUSEMOVE and flags & cv2.EVENT_FLAG_LBUTTON:
            if self._mouse_events and self._mouse_events[-1].kind == "move":
                self._mouse_events.pop()
            self._mouse_events.append(MouseEvent("move", x, y))
        elif event in _MOUSE:
            self._mouse_events.append(MouseEvent(_MOUSE[event], x, y))

    @property
    def is_closed(self) -> bool:
        """Whether somebody has closed it; known after the next `key`."""
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # GTK: no such window any more
            return True

    def close(self) -> None:
        """Closes it, if nobody has; the toolkit may need a moment."""
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
