"""Drawing, videos that are written and read back, and a window where there is none to be had."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from wt_jax.video import window
from wt_jax.video.reader import Video

NOBODY = np.full((33, 4), np.nan, np.float32)


def grey(height=240, width=320, value=120):
    return np.full((height, width, 3), value, np.uint8)


def colours_at(frame, x, y):
    return {tuple(map(int, pixel)) for pixel in frame[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)}


def body(**points):
    """Landmarks with only these seen: `_11=(x, y)`, in shares of the image."""
    landmarks = NOBODY.copy()
    for name, (x, y) in points.items():
        landmarks[int(name[1:])] = x, y, 0, 1
    return landmarks


def test_nobody_seen_draws_nothing():
    frame = grey()
    window.draw_skeleton(frame, NOBODY)
    assert (frame == 120).all()


@pytest.mark.parametrize(
    ("ends", "colour"),
    [((11, 13), (255, 140, 0)), ((24, 26), (0, 170, 255)), ((11, 12), (255, 255, 255))],
)
def test_left_right_and_torso_have_their_colours(ends, colour):
    frame = grey()
    window.draw_skeleton(frame, body(**{f"_{ends[0]}": (0.25, 0.5), f"_{ends[1]}": (0.75, 0.5)}))
    assert colour in colours_at(frame, 160, 120)  # half way
    assert (frame[:100] == 120).all()
    assert (frame[140:] == 120).all()


def test_a_line_with_one_end_is_left_out():
    frame = grey()
    window.draw_skeleton(frame, body(_11=(0.25, 0.5), _15=(0.75, 0.5)))  # shoulder and wrist, no elbow
    assert (frame == 120).all()


def test_a_body_far_outside_the_image_is_cut_off_at_its_edge():
    frame = grey()
    window.draw_skeleton(frame, body(_11=(0.5, 0.5), _13=(1e6, 0.5), _23=(0.5, -1e30)))
    assert (255, 140, 0) in colours_at(frame, 300, 120)


def test_lines_are_thicker_in_a_larger_frame():
    drawn = []
    for size in (240, 2160):
        frame = grey(size, size)
        window.draw_skeleton(frame, body(_11=(0.1, 0.5), _13=(0.9, 0.5)))
        drawn.append(int((frame[:, size // 2] != 120).any(-1).sum()))
    assert drawn[0] < 10 < drawn[1] < 40


@pytest.mark.parametrize("value", [0, 120, 255])
@pytest.mark.parametrize("size", [(240, 320), (1080, 1920), (1920, 1080)])
def test_text_can_be_read_on_any_background(value, size):
    frame = grey(*size, value)
    window.draw_panel(frame, [("repetition 3", 1.0)])
    rows, columns = (np.flatnonzero((frame != value).any((axis, 2))) for axis in (1, 0))
    panel = frame[: rows[-1] + 1, : columns[-1] + 1]
    assert panel.max() >= 240  # the text is white
    assert np.median(panel) <= 90  # and what is behind it dark
    assert 0.02 < len(rows) / min(size) < 0.12
    assert columns[-1] < 0.6 * size[1]


@pytest.mark.parametrize("shape", [(90, 400), (300, 160)])
def test_a_panel_too_large_is_made_smaller_as_a_whole(shape):
    """The end of the last of its long lines is there to be seen."""
    text = []
    for end in ".#":
        frame = grey(*shape)
        window.draw_panel(frame, [("a long line in a small picture " + end, 1.0)] * 8)
        text.append(frame.min(-1) > 130)
    rows, columns = (np.flatnonzero((text[0] != text[1]).any(axis)) for axis in (1, 0))
    height, width = shape
    assert max(rows[-1] / height, columns[-1] / width) > 0.8
    assert rows[-1] < height - 2
    assert columns[-1] < width - 2


def test_other_scripts_do_not_stop_it():
    width_px = window.text_width("?????", 30)
    assert window.text_width("приве", 30) == width_px
    window.draw_panel(grey(), [("приседания", 1.2), ("3", 2.4)])


def test_a_panel_grows_with_its_lines():
    without, with_rate = grey(), grey()
    lines = [("squats", 1.2), ("12", 2.4)]
    window.draw_panel(without, lines)
    window.draw_panel(with_rate, [*lines, ("30 frames/s", 0.8)])
    lowest = [np.flatnonzero((frame != 120).any((1, 2))).max() for frame in (without, with_rate)]
    assert lowest[0] < lowest[1]


@pytest.mark.parametrize(
    ("shape", "inside"), [((100, 50), (50, 300, 250, 300)), ((50, 200), (250, 0, 50, 400))]
)
def test_fit_keeps_the_shape_of_the_picture(shape, inside):
    """A portrait picture is as high as the canvas and in its middle, a wide one as wide."""
    canvas = window.fit(grey(*shape, 200), 600, 600)
    rows = np.flatnonzero(canvas.any((1, 2)))
    columns = np.flatnonzero(canvas.any((0, 2)))
    height, width = shape
    scale = 600 / max(shape)
    assert (len(rows), len(columns)) == (round(height * scale), round(width * scale))
    assert rows[0] == (600 - len(rows)) // 2
    assert columns[0] == (600 - len(columns)) // 2


def write_video(path, n_frames=20, height=240, width=320, fps=29.97):
    with window.VideoWriter(path, fps, width, height) as writer:
        for i in range(n_frames):
            frame = grey(height, width, 10 * i)
            frame[..., 0] = 240  # red stays red
            writer.write(frame)


@pytest.mark.parametrize("fps", [10, 29.97, 24000 / 1001, 59.94005, 239.7654])
def test_a_written_video_reads_back(tmp_path, fps):
    write_video(tmp_path / "new" / "v.mp4", fps=fps)
    with Video(tmp_path / "new" / "v.mp4") as video:
        frames = [frame for _, frame in video]
        assert video.fps == pytest.approx(fps, rel=1e-3)
    assert len(frames) == 20
    red, green, _ = frames[5][120, 160]
    assert red > 220
    assert abs(int(green) - 50) < 12
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["v.mp4"]


def test_odd_sizes_lose_their_last_row_and_column(tmp_path):
    write_video(tmp_path / "v.mp4", height=241, width=321)
    with Video(tmp_path / "v.mp4") as video:
        assert (video.height_px, video.width_px) == (240, 320)


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"old")
    with pytest.raises(KeyError), window.VideoWriter(tmp_path / "v.mp4", 30, 320, 240) as writer:
        writer.write(grey())
        raise KeyError
    assert (tmp_path / "v.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "fps", "frame", "message"),
    [
        ("v.avi", 30, grey(), r"v\.avi: a video is written as \.mp4"),
        ("v.mp4", 0, grey(), "0 frames a second: must be above 0"),
        ("v.mp4", float("nan"), grey(), "nan frames a second"),
        ("v.mp4", 30, grey(10, 10), r"a frame of shape \(10, 10, 3\)"),
        ("v.mp4", 30, grey().astype(float), "float64"),
    ],
)
def test_what_is_no_video(tmp_path, name, fps, frame, message):
    with (
        pytest.raises(ValueError, match=message),
        window.VideoWriter(tmp_path / name, fps, 320, 240) as writer,
    ):
        writer.write(frame)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("is_file", [True, False])
def test_a_folder_that_cannot_be_written(tmp_path, is_file):
    if is_file:
        (tmp_path / "out").write_text("")
    else:
        (tmp_path / "out").mkdir(mode=0o555)
    writer = window.VideoWriter(tmp_path / "out" / "v.mp4", 30, 320, 240)
    with pytest.raises(ValueError, match="out: cannot be written: choose another folder"), writer:
        pass
    assert is_file or not any((tmp_path / "out").iterdir())


def test_a_codec_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(window.cv2.VideoWriter, "fourcc", staticmethod(lambda *_: 0x3F3F3F3F))
    with pytest.raises(ValueError, match=r"neither H\.264 nor MPEG-4"):
        window.VideoWriter(tmp_path / "v.mp4", 30, 320, 240).__enter__()
    assert not any(tmp_path.iterdir())


def run_python(program, *arguments, **changes):
    env = {**os.environ, **changes}
    env = {name: value for name, value in env.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        timeout=100,
    )


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    """No more than 100 kB may be written by this process, which to the writer is a full disk."""
    program = (
        "import resource, sys, numpy as np\n"
        "from wt_jax.video import window\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "with window.VideoWriter(sys.argv[1], 30, 320, 240) as writer:\n"
        "    for i in range(60):\n"
        "        writer.write(np.random.default_rng(i).integers(0, 255, (240, 320, 3), np.uint8))\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    result = run_python(program, tmp_path / "v.mp4")
    assert "OSError" in result.stderr
    assert "cannot be written whole: is the disk full?" in result.stderr
    assert not any(tmp_path.iterdir())


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
