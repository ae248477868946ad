"""The videos of a folder: which are done, where one goes next, and what is counted."""

from pathlib import Path

import numpy as np
import pytest

from wt_jax.data.labels import write_starts
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.labeling.worklist import Worklist

NAMES = ("dips/a", "squats/b", "squats/c", "squats/d")


@pytest.fixture
def files(tmp_path):
    return [MarkedStartsFile(tmp_path / f"{name}.csv") for name in NAMES]


def worklist_of(files):
    return Worklist([Path(f"{name}.mp4") for name in NAMES], files)


def label(path, n_marks):
    write_starts(path, np.arange(n_marks), 10)


def test_it_begins_with_the_first_that_is_left(files):
    assert worklist_of(files).at == 0
    label(files[0].path, 3)
    label(files[1].path, 0)
    worklist = worklist_of(files)
    assert (worklist.at, worklist.n_done) == (2, 2)
    assert [video.name for video in worklist.left] == ["c.mp4", "d.mp4"]
    assert worklist.counts == {"dips": 3, "squats": 0}
    assert [worklist.n_marks(i) for i in range(4)] == [3, 0, None, None]


def test_a_draft_is_not_done(files):
    label(files[0].path, 3)
    label(files[0].draft, 4)
    worklist = worklist_of(files)
    assert (worklist.at, worklist.n_done, worklist.counts["dips"]) == (0, 0, 3)


def test_there_and_back_and_around(files):
    worklist = worklist_of(files)
    places = []
    for by in (1, 1, 1, 1, -1):
        worklist.go(by)
        places.append(worklist.at)
    assert places == [1, 2, 3, 0, 3]


def test_on_to_what_is_left(files):
    worklist = worklist_of(files)
    label(files[0].path, 1)
    label(files[2].path, 2)
    worklist.note()
    assert (worklist.n_done, worklist.counts) == (1, {"dips": 1, "squats": 0})  # c: by somebody else
    worklist.failed[worklist.videos[1]] = "an empty file"
    worklist.go(2)
    worklist.note()
    worklist.go_to_next_left()
    assert (worklist.at, worklist.counts) == (3, {"dips": 1, "squats": 2})
    label(files[3].path, 0)
    worklist.note()
    worklist.go_to_next_left()
    assert worklist.at == 3  # b cannot be opened: nowhere to go
    assert worklist.left == [worklist.videos[1]]


def test_a_label_file_that_cannot_be_read_is_not_done(files):
    files[0].path.parent.mkdir()
    files[0].path.write_text("frame,label\n0,7\n")
    assert worklist_of(files).n_done == 0


def test_two_videos_of_one_name(files):
    with pytest.raises(ValueError, match=r"a\.mp4 and a\.mov: two videos of one name: rename one"):
        Worklist([Path("dips/a.mp4"), Path("dips/a.mov")], [files[0], files[0]])
