"""MarkedStarts and their undo, the label file and the draft beside it."""

import numpy as np
import pytest

from wt_jax.data.builder import build
from wt_jax.labeling.marked_starts import MarkedStarts, MarkedStartsFile
from wt_jax.pose.landmarks import Landmarks, save_landmarks


def marked(n_frames, *frames, saved=()):
    marks = MarkedStarts(n_frames, saved)
    for frame in frames:
        marks.go_to(frame)
        marks.toggle()
    return marks


def test_marking_twice_takes_the_mark_away():
    marks = marked(100, 40, 7)
    assert marks.starts == (7, 40)
    assert not marks.toggle()
    assert marks.starts == (40,)
    assert marks.toggle()


def test_undo_and_redo_through_every_edit():
    marks = marked(100, 7, 40, 7)
    seen = [marks.starts]
    while marks.undo():
        seen.append(marks.starts)
    assert seen == [(40,), (7, 40), (7,), ()]
    assert not marks.undo()
    while marks.redo():
        seen.append(marks.starts)
    assert seen[4:] == [(7,), (7, 40), (40,)]
    assert not marks.redo()


def test_undo_moves_to_where_the_edit_was():
    marks = marked(100, 7, 40)
    marks.go_to(90)
    marks.undo()
    assert marks.cursor == 40
    marks.undo()
    assert marks.cursor == 7
    marks.redo()
    marks.redo()
    assert marks.cursor == 40


def test_an_edit_after_undo_forgets_what_was_undone():
    marks = marked(100, 7, 40)
    marks.undo()
    marks.go_to(50)
    marks.toggle()
    assert not marks.redo()
    assert marks.starts == (7, 50)
    marks.undo()
    assert marks.starts == (7,)


def test_the_same_marks_are_no_edit():
    marks = marked(100, 7, 40)
    marks.replace([40, 7, 7])
    marks.undo()
    assert marks.starts == (7,)


@pytest.mark.parametrize(("frame", "cursor"), [(-5, 0), (0, 0), (99, 99), (100, 99), (10**9, 99)])
def test_the_cursor_stays_in_the_video(frame, cursor):
    marks = MarkedStarts(100)
    marks.go_to(frame)
    assert marks.cursor == cursor


def test_next_and_previous_mark():
    marks = MarkedStarts(100, (10, 20))
    assert not marks.go_to_previous()
    assert [(marks.go_to_next(), marks.cursor) for _ in range(3)] == [(True, 10), (True, 20), (False, 20)]
    assert [(marks.go_to_previous(), marks.cursor) for _ in range(2)] == [(True, 10), (False, 10)]


@pytest.mark.parametrize(
    ("cursor", "left"),
    [(10, (20,)), (12, (20,)), (15, (20,)), (16, (10,)), (25, (10,)), (26, (10, 20)), (4, (10, 20))],
)
def test_unmark_the_nearest_within_five_frames(cursor, left):
    marks = MarkedStarts(100, (10, 20))
    marks.go_to(cursor)
    assert marks.unmark_near(5) == (left != (10, 20))
    assert marks.starts == left


def test_repetitions_started_at_the_cursor():
    marks = MarkedStarts(100, (10, 20))
    counts = []
    for frame in (9, 10, 19, 20, 99):
        marks.go_to(frame)
        counts.append(marks.n_before)
    assert counts == [0, 1, 1, 2, 2]


def test_dirty_is_what_the_file_does_not_have():
    marks = MarkedStarts(100, (10,))
    assert not marks.is_dirty
    marks.toggle()
    assert marks.is_dirty
    marks.note_saved()
    assert not marks.is_dirty
    marks.undo()
    assert marks.is_dirty  # the file has a mark too many
    marks.redo()
    assert not marks.is_dirty


@pytest.mark.parametrize("starts", [[-1], [100], [3, 100]])
def test_marks_outside_the_video(starts):
    with pytest.raises(ValueError, match=r"must lie in 0\.\.99"):
        MarkedStarts(100).replace(starts)


def test_saved_labels_come_back(tmp_path):
    file = MarkedStartsFile(tmp_path / "labels" / "squats" / "v.csv")
    assert not file.is_there
    file.save(marked(4, 2))
    assert file.path.read_text() == "frame,label\n0,0\n1,0\n2,1\n3,0\n"
    marks = file.load(4)
    assert (marks.starts, marks.is_dirty, marks.undo()) == ((2,), False, False)


def test_a_draft_goes_on_where_it_was_and_can_be_undone(tmp_path):
    file = MarkedStartsFile(tmp_path / "v.csv")
    marks = marked(50, 5)
    file.save(marks)
    marks.go_to(30)
    marks.toggle()
    file.keep(marks)
    assert MarkedStartsFile(tmp_path / "v.csv").is_there
    again = MarkedStartsFile(tmp_path / "v.csv").load(50)
    assert (again.starts, again.is_dirty) == ((5, 30), True)
    assert file.path.read_text().count(",1\n") == 1  # the label file knows nothing of it
    assert again.undo()
    assert (again.starts, again.is_dirty) == ((5,), False)
    file.keep(again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.csv"]


def test_saving_removes_the_draft(tmp_path):
    file = MarkedStartsFile(tmp_path / "v.csv")
    marks = marked(50, 5)
    file.keep(marks)
    file.save(marks)
    assert [path.name for path in tmp_path.iterdir()] == ["v.csv"]
    assert not marks.is_dirty


def test_a_failed_save_keeps_file_and_draft(tmp_path, monkeypatch):
    file = MarkedStartsFile(tmp_path / "v.csv")
    file.save(marked(50, 5))
    marks = marked(50, 6, saved=(5,))
    file.keep(marks)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        file.save(marks)
    monkeypatch.undo()
    assert marks.is_dirty
    assert file.load(50).starts == (5, 6)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["v.csv", ".v.draft.csv"])
def test_labels_of_a_longer_video(tmp_path, name):
    (tmp_path / name).write_text("frame,label\n80,1\n")
    with pytest.raises(ValueError, match=rf"{name}:2: frame=80 is beyond .*the video has 50 frames; move"):
        MarkedStartsFile(tmp_path / "v.csv").load(50)


def test_training_does_not_see_a_draft(tmp_path):
    body = np.random.default_rng(0).uniform(0.2, 0.8, (40, 33, 4))
    save_landmarks(tmp_path / "landmarks" / "squats" / "v.npz", Landmarks(body, 30.0, 100, 100))
    MarkedStartsFile(tmp_path / "labels" / "squats" / "v.csv").keep(marked(40, 5))
    report = build(tmp_path, tmp_path / "out", ["squats"], progress=False)
    assert report.recordings[0].starts is None
    assert not report.left_out


def test_what_another_window_saved_meanwhile_is_not_written_over(tmp_path):
    one, other = (MarkedStartsFile(tmp_path / "v.csv") for _ in range(2))
    mine, theirs = one.load(100), other.load(100)
    theirs.replace([70])
    other.save(theirs)
    mine.replace([10, 50])
    one.keep(mine)
    with pytest.raises(OSError, match=r"v.csv was changed meanwhile: these marks are in the draft"):
        one.save(mine)
    again = MarkedStartsFile(tmp_path / "v.csv").load(100)
    assert again.starts == (10, 50) and again.undo() and again.starts == (70,)
