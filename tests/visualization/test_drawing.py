"""Skeletons, text and panels in frames."""

import numpy as np
import pytest
from clips import grey

from wt_jax.visualization import drawing

NOBODY = np.full((33, 4), np.nan, np.float32)


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
    drawing.draw_skeleton(frame, NOBODY)
    assert (frame == 120).all()


@pytest.mark.parametrize(
    ("ends", "colour"),
    [((11, 13), (255, 140, 0)), ((24, 26), (0, 170, 255)), ((11, 12), (255, 255, 255))],
)
def test_left_right_and_torso_have_their_colours(ends, colour):
    frame = grey()
    drawing.draw_skeleton(frame, body(**{f"_{ends[0]}": (0.25, 0.5), f"_{ends[1]}": (0.75, 0.5)}))
    assert colour in colours_at(frame, 160, 120)  # half way
    assert (frame[:100] == 120).all()
    assert (frame[140:] == 120).all()


def test_a_line_with_one_end_is_left_out():
    frame = grey()
    drawing.draw_skeleton(frame, body(_11=(0.25, 0.5), _15=(0.75, 0.5)))  # shoulder and wrist, no elbow
    assert (frame == 120).all()


def test_a_body_far_outside_the_image_is_cut_off_at_its_edge():
    frame = grey()
    drawing.draw_skeleton(frame, body(_11=(0.5, 0.5), _13=(1e6, 0.5), _23=(0.5, -1e30)))
    assert (255, 140, 0) in colours_at(frame, 300, 120)


def test_lines_are_thicker_in_a_larger_frame():
    drawn = []
    for size in (240, 2160):
        frame = grey(size, size)
        drawing.draw_skeleton(frame, body(_11=(0.1, 0.5), _13=(0.9, 0.5)))
        drawn.append(int((frame[:, size // 2] != 120).any(-1).sum()))
    assert drawn[0] < 10 < drawn[1] < 40


@pytest.mark.parametrize("value", [0, 120, 255])
@pytest.mark.parametrize("size", [(240, 320), (1080, 1920), (1920, 1080)])
def test_text_can_be_read_on_any_background(value, size):
    frame = grey(*size, value)
    drawing.draw_panel(frame, [("repetition 3", 1.0)])
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
        drawing.draw_panel(frame, [("a long line in a small picture " + end, 1.0)] * 8)
        text.append(frame.min(-1) > 130)
    rows, columns = (np.flatnonzero((text[0] != text[1]).any(axis)) for axis in (1, 0))
    height, width = shape
    assert max(rows[-1] / height, columns[-1] / width) > 0.8
    assert rows[-1] < height - 2
    assert columns[-1] < width - 2


def test_other_scripts_do_not_stop_it():
    width_px = drawing.text_width("?????", 30)
    assert drawing.text_width("приве", 30) == width_px
    drawing.draw_panel(grey(), [("приседания", 1.2), ("3", 2.4)])


def test_a_panel_grows_with_its_lines():
    without, with_rate = grey(), grey()
    lines = [("squats", 1.2), ("12", 2.4)]
    drawing.draw_panel(without, lines)
    drawing.draw_panel(with_rate, [*lines, ("30 frames/s", 0.8)])
    lowest = [np.flatnonzero((frame != 120).any((1, 2))).max() for frame in (without, with_rate)]
    assert lowest[0] < lowest[1]


@pytest.mark.parametrize(
    ("shape", "inside"), [((100, 50), (50, 300, 250, 300)), ((50, 200), (250, 0, 50, 400))]
)
def test_fit_keeps_the_shape_of_the_picture(shape, inside):
    """A portrait picture is as high as the canvas and in its middle, a wide one as wide."""
    canvas = drawing.fit(grey(*shape, 200), 600, 600)
    rows = np.flatnonzero(canvas.any((1, 2)))
    columns = np.flatnonzero(canvas.any((0, 2)))
    height, width = shape
    scale = 600 / max(shape)
    assert (len(rows), len(columns)) == (round(height * scale), round(width * scale))
    assert rows[0] == (600 - len(rows)) // 2
    assert columns[0] == (600 - len(columns)) // 2


def test_a_text_is_shortened_in_its_middle():
    name = "push-ups_in_the_garden_camera_2_part_14"
    shorter = drawing.shortened(name, 20, 200)
    assert drawing.text_width(shorter, 20) <= 200 < drawing.text_width(name, 20)
    assert shorter.startswith("push-ups")
    assert shorter.endswith("14")
    assert drawing.shortened(name, 20, 2000) == name


def test_a_text_is_wrapped_at_its_spaces():
    text = "no mark yet: s says that there is none, f goes on without " + "x" * 90
    lines = drawing.wrapped(text, 20, 240)
    assert len(lines) > 3
    assert max(drawing.text_width(line, 20) for line in lines) <= 240
    assert " ".join(lines[:-1]) == text[: text.index("x" * 90) - 1]


def test_a_curve_is_broken_where_nobody_is_seen():
    frame = grey(100, 100)
    seen = np.arange(100) % 50 < 40
    drawing.draw_curve(frame, range(100), np.full(100, 50.0), seen, (255, 0, 0))
    is_red = (frame == (255, 0, 0)).all(-1).any(0)
    assert is_red[[5, 30, 55, 80]].all()
    assert not is_red[[45, 95]].any()
