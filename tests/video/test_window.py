"""A window where there is none to be had, and its keys."""

import sys

import pytest
from programs import run_python

from wt_jax.video import window


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are X11's on Linux alone")
@pytest.mark.parametrize(
    ("display", "message"),
    [
        (None, "no window: DISPLAY is not set"),
        ("", "no window: DISPLAY is not set"),
        (":4711", "no window on DISPLAY=:4711: "),
    ],
)
def test_no_display_is_an_error_and_no_crash(display, message):
    result = run_python("from wt_jax.video import window; window.Window('x')", DISPLAY=display)
    assert result.returncode == 1
    assert f"ValueError: {message}" in result.stderr


def test_a_headless_opencv(monkeypatch):
    monkeypatch.setattr(window.cv2, "currentUIFramework", lambda: "")
    with pytest.raises(ValueError, match="headless build: pip uninstall opencv-python-headless"):
        window.check_display()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-1, None), (32, "space"), (27, "escape"), (13, "enter"), (109, "m"), (77, "m"), (63, "?"),
        (65361, "left"), (0x11FF53, "right"), (0x10006D, "m"), (63273, "home"), (0x230000, "end"),
        (65365, "page up"), (65505, None), (8, "backspace"),
    ],
)  # fmt: skip
def test_keys_of_all_toolkits(monkeypatch, code, name):
    """Qt's and GTK's with Num Lock, Cocoa's, Windows'."""
    monkeypatch.setattr(window.cv2, "waitKeyEx", lambda wait_ms: code)
    shown = window.Window.__new__(window.Window)
    assert shown.key(10) == name


def test_the_mouse(monkeypatch):
    """Of moves in a row the last, and none without the button; what another button does is not heard."""
    heard = {}
    monkeypatch.setattr(window, "check_display", lambda: None)
    monkeypatch.setattr(window.cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(window.cv2, "setMouseCallback", lambda title, hear: heard.update(hear=hear))
    shown, cv2 = window.Window("x"), window.cv2
    for event, x, flags in [
        (cv2.EVENT_MOUSEMOVE, 1, 0),
        (cv2.EVENT_LBUTTONDOWN, 2, cv2.EVENT_FLAG_LBUTTON),
        (cv2.EVENT_MOUSEMOVE, 3, cv2.EVENT_FLAG_LBUTTON),
        (cv2.EVENT_MOUSEMOVE, 4, cv2.EVENT_FLAG_LBUTTON),
        (cv2.EVENT_LBUTTONUP, 5, 0),
        (cv2.EVENT_RBUTTONDOWN, 6, 0),
        (cv2.EVENT_LBUTTONDBLCLK, 7, 0),
    ]:
        heard["hear"](event, x, 10 * x, flags, None)
    expected = [("press", 2, 20), ("move", 4, 40), ("release", 5, 50), ("press", 7, 70)]
    assert shown.mouse() == expected
    assert shown.mouse() == []
