"""What keys do to the marks of a video, without a window. The clock is the test's own."""

import numpy as np
import pytest

from wt_jax.labeling.editor import Editor
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
