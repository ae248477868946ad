"""What keys do to the marks of a video, without a window. The clock is the test's own."""

import numpy as np
import pytest

from wt_jax.labeling.editor import Editor, Place
from wt_jax.labeling.marked_starts import MarkedStartsFile

FPS = 25


@pytest.fixture
def session(tmp_path):
    file = MarkedStartsFile(tmp_path / "v.csv")
    return Editor(file.load(500), file, np.arange(500) / FPS)


def press(session, *keys, now_s=0.0):
    for key in keys:
        session.press(key, now_s)
    return session.marks.cursor


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["left"], 0),
        (["right", "right", "left"], 1),
        (["l"], 25),
        (["l", "l", "j"], 25),
        (["l", "j", "j"], 0),
        (["page down"], 250),
        (["page down", "page up"], 0),
        (["page down", "page down"], 499),
        (["end"], 499),
        (["end", "home"], 0),
        (["end", "right"], 499),
        (["l", "m", "home", "n"], 25),
        (["l", "m", "end", "p"], 25),
        (["z", "tab"], 0),
    ],
)
def test_moves(session, keys, cursor):
    assert press(session, *keys) == cursor


def test_a_second_back_undoes_a_second_forward_from_every_frame(session):
    """Though k/25 + 1 is often a rounding below (k + 25)/25."""
    for frame in range(25, 450):
        session.marks.go_to(frame)
        assert press(session, "l", "j", "j", "l") == frame


def test_marks_and_unmarks(session):
    press(session, "l", "m", "l", "enter")
    assert session.marks.starts == (25, 50)
    press(session, *["right"] * 12, "x")  # 12 frames are 0.48 s
    assert session.marks.starts == (25,)
    press(session, "l", "x")
    assert session.message == "no mark near this frame"
    press(session, "u")
    assert session.marks.starts == (25, 50)
    press(session, "r")
    assert session.marks.starts == (25,)
    press(session, "p", "m", "r")
    assert (session.marks.starts, session.message) == ((), "nothing to redo")


def test_the_draft_follows_every_edit(session):
    press(session, "l", "m")
    assert session.file.load(500).starts == (25,)
    press(session, "u")
    assert not session.file.is_there
    press(session, "r", "s")
    assert session.file.path.read_text().splitlines()[26] == "25,1"
    assert not session.file.draft.exists()


def test_saving_without_marks_says_that_there_are_none(session):
    press(session, "s")
    assert session.file.path.read_text().count(",0\n") == 500


def test_plays_by_the_clock_and_stops_at_the_end(session):
    press(session, "right", "space", now_s=100.0)
    cursors = []
    for now_s in (100.0, 100.03, 100.041, 101.0, 103.0):
        session.advance(now_s)
        cursors.append(session.marks.cursor)
    assert cursors == [1, 1, 2, 26, 76]
    assert session.wait_ms(103.02) in (19, 20)
    assert session.wait_ms(200.0) == 1
    press(session, "l", now_s=103.0)  # a jump goes on from there
    session.advance(103.04)
    assert (session.marks.cursor, session.is_playing) == (102, True)
    press(session, "m", now_s=103.05)  # marks what is shown, and goes on
    session.advance(103.08)
    assert (session.marks.starts, session.is_playing) == ((102,), True)
    session.advance(999.0)
    assert (session.marks.cursor, session.is_playing) == (499, False)
    press(session, "space", now_s=1000.0)  # from the start again
    assert (session.marks.cursor, session.is_playing) == (0, True)
    press(session, "space", now_s=1001.0)
    session.advance(1002.0)
    assert (session.marks.cursor, session.is_playing) == (0, False)


def test_marking_while_it_plays_loses_no_time(session):
    press(session, "space", now_s=10.0)
    for k in range(100):
        session.press("m", 10.0 + k / 100)
        session.advance(10.0 + k / 100)
    assert session.marks.cursor == 24  # 0.99 s


@pytest.mark.parametrize("key", ["left", "right", "u"])
def test_a_step_pauses(session, key):
    press(session, "l", "m", "space", key)
    assert not session.is_playing


def test_help_opens_and_closes(session):
    press(session, "h")
    assert session.shows_help
    press(session, "h")
    assert not session.shows_help
    press(session, "h", "right")
    assert (session.shows_help, session.marks.cursor) == (False, 1)


def test_quit_with_nothing_to_save(session):
    press(session, "q")
    assert session.is_over
    assert not session.file.is_there


def test_quit_asks_where_marks_are_not_saved(session):
    press(session, "m", "q")
    assert (session.is_asking, session.is_over) == (True, False)
    press(session, "right")
    assert (session.is_asking, session.is_over, session.marks.cursor) == (False, False, 0)
    press(session, "q", "q")
    assert session.is_over
    assert session.file.draft.exists()
    assert not session.file.path.exists()


def test_quit_and_save(session):
    press(session, "m", "q", "s")
    assert session.is_over
    assert session.file.load(500).starts == (0,)
    assert not session.file.draft.exists()


@pytest.mark.parametrize("keys", [["m"], ["s"], ["m", "q", "s"]])
def test_what_cannot_be_written_is_said_and_the_work_goes_on(session, monkeypatch, keys):
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    press(session, *keys)
    assert session.message.startswith("NOT SAVED: [Errno 28] No space left")
    assert not session.is_over
    monkeypatch.undo()
    press(session, "s")
    assert session.message.startswith("saved: ")


def test_half_speed_and_back(session):
    press(session, "space", now_s=10.0)
    session.advance(11.0)
    assert press(session, "v", now_s=11.0) == 25
    assert session.message == "half speed"
    session.advance(13.0)
    assert session.marks.cursor == 50
    assert session.wait_ms(13.06) in (19, 20)  # a frame lasts 0.08 s now
    press(session, "v", now_s=13.0)
    session.advance(14.0)
    assert session.marks.cursor == 75


def test_the_nearest_mark_is_taken_here(session):
    session.marks.replace([100, 200])
    session.marks.go_to(130)
    press(session, "t")
    assert (session.marks.starts, session.message) == ((130, 200), "mark moved by +30 frames")
    assert session.file.load(500).starts == (130, 200)
    session.marks.go_to(300)
    press(session, "t")
    assert (session.marks.starts, session.message) == ((130, 200), "no mark up to 2 s away")
    press(session, "u")
    assert session.marks.starts == (100, 200)  # one edit


def in_curves(time_s):
    return Place("curves", time_s, 0.06)


def test_the_mouse_moves_the_cursor(session):
    press(session, "space")
    session.point("press", in_curves(4.019))
    assert (session.marks.cursor, session.is_playing) == (100, False)
    session.point("move", in_curves(6.021))
    assert session.marks.cursor == 151
    session.point("release", in_curves(6.0))
    assert (session.marks.cursor, session.marks.starts) == (150, ())
    session.point("move", in_curves(1.0))  # nothing is dragged any more
    session.point("press", None)
    assert session.marks.cursor == 150


def test_the_mouse_takes_a_mark_along(session):
    session.marks.replace([100, 150])
    session.point("press", in_curves(4.05))
    assert (session.marks.cursor, session.grabbed) == (100, 100)
    session.point("move", in_curves(4.45))  # by ten frames, wherever it was taken hold of
    assert (session.starts, session.marks.starts) == ((110, 150), (100, 150))
    assert not session.file.is_there
    session.point("release", in_curves(4.85))
    assert (session.marks.starts, session.message) == ((120, 150), "mark moved by +20 frames")
    assert session.file.load(500).starts == (120, 150)
    press(session, "u")
    assert session.marks.starts == (100, 150)  # one edit


def test_a_mark_is_not_dropped_on_another(session):
    session.marks.replace([100, 150])
    session.point("press", in_curves(4.0))
    session.point("release", in_curves(6.0))
    assert (session.marks.starts, session.message) == ((100, 150), "a mark is there already")


def test_a_click_on_a_mark_moves_nothing(session):
    session.marks.replace([100])
    session.point("press", in_curves(4.05))
    session.point("release", in_curves(4.05))
    assert (session.marks.starts, session.marks.cursor, session.message) == ((100,), 100, "")


def test_the_overview_takes_no_mark_along(session):
    session.marks.replace([100])
    session.point("press", Place("overview", 4.0, 0.3))
    session.point("move", Place("overview", 9.0, 0.3))
    session.point("release", Place("overview", 9.0, 0.3))
    assert (session.marks.starts, session.marks.cursor) == ((100,), 225)


def test_a_mark_that_was_moved_and_cannot_be_kept_is_said(session, monkeypatch):
    session.marks.replace([100])
    session.point("press", in_curves(4.0))
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    session.point("release", in_curves(5.0))
    assert session.message.startswith("NOT SAVED: [Errno 28] No space left")


def test_the_page_turns_where_the_cursor_comes_near_its_end(session):
    assert session.shown_s == (0.0, 10.0)
    press(session, *"lllllllll")
    assert session.shown_s == (0.0, 10.0)
    press(session, "right")
    assert session.shown_s == pytest.approx((4.04, 14.04))
    press(session, "end")
    assert session.shown_s == pytest.approx((9.96, 19.96))
    press(session, "home")
    assert session.shown_s == (0.0, 10.0)


def test_the_page_stays_under_the_mouse(session):
    session.point("press", in_curves(5.0))
    session.point("move", in_curves(9.9))
    assert session.shown_s == (0.0, 10.0)
    session.point("release", in_curves(9.9))
    assert session.shown_s[0] > 4


def test_the_curves_are_zoomed_around_the_cursor(session):
    session.marks.go_to(250)
    spans = [session.shown_s]
    for key in ("up", "up", "up", "down", "down", "down", "down", "down"):
        press(session, key)
        spans.append(session.shown_s)
    assert [round(last - first, 2) for first, last in spans] == [10, 5, 2.5, 2.5, 5, 10, 19.96, 19.96, 19.96]
    assert spans[2] == (8.75, 11.25)
    press(session, "up")
    assert session.shown_s == (5.0, 15.0)


def test_a_short_video_is_shown_whole(tmp_path):
    file = MarkedStartsFile(tmp_path / "v.csv")
    session = Editor(file.load(51), file, np.arange(51) / FPS)
    assert session.shown_s == (0.0, 2.0)
    assert Editor(file.load(1), file, np.zeros(1)).shown_s[0] == 0.0


@pytest.mark.parametrize("key", ["f", "b", "g"])
def test_one_video_alone_has_no_next(session, key):
    press(session, "m", key)
    assert not session.is_over
    assert session.message.startswith("one video alone")
    assert not session.file.path.exists()


@pytest.mark.parametrize(("key", "is_saved"), [("f", False), ("b", False), ("g", True)])
def test_from_one_video_to_another(tmp_path, key, is_saved):
    file = MarkedStartsFile(tmp_path / "v.csv")
    session = Editor(file.load(500), file, np.arange(500) / FPS, is_one_of_many=True)
    press(session, "g")
    assert (session.is_over, session.message[:11]) == (
        False,
        "no mark yet",
    )  # none would be saved
    press(session, "m", key)
    assert (session.is_over, session.way_on) == (True, key)
    assert (file.path.exists(), file.draft.exists()) == (is_saved, not is_saved)
