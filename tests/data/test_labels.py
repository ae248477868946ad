import os

import numpy as np
import pytest

from wt_jax import config
from wt_jax.data.csv_tables import recording_name
from wt_jax.data.labels import (
    KERNELS,
    Span,
    class_known,
    read_segments,
    read_starts,
    soft_targets,
    write_starts,
)


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frame,label\n0,0\n1,1\n2,0\n", [1]),
        ("frame,label\n0,0\n1,0\n", []),
        ("frame,label\n", []),
        ("time,frame_index,label,note\n9.9,3,1.0,top\n0.1,2,0.0,\n", [3]),  # `time` may be wrong
        ("frame_index,frame,label\n0,4,1\n", [4]),
        ("\ufeffFrame, Label\r\n5,1\r\n2.0,1\r\n\r\n", [2, 5]),
    ],
)
def test_label_files_in_the_wild(tmp_path, text, expected):
    starts = read_starts(write(tmp_path / "v.csv", text), 10)
    assert starts.tolist() == expected
    assert starts.dtype == np.int32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,label\n0,0\n1,2\n", r"v\.csv:3: label='2': must be 0, or 1"),
        ("frame,label\n0,yes\n", r"v\.csv:2: label='yes'"),
        ("frame,label\n0,nan\n", r"v\.csv:2: label='nan'"),
        ("frame,label\n0,\n", r"v\.csv:2: label=''"),
        ("frame,start\n0,0\n", r"v\.csv:1: no column 'label' \(found: frame, start\)"),
        ("time,label\n0,0\n", r"v\.csv:1: no column 'frame'"),
        ("", r"v\.csv:1: no column 'frame' \(found: nothing\)"),
        ("frame,label\n9,0\n10,0\n", r"v\.csv:3: frame=10 is beyond the last frame, 9"),
        ("frame,label\n-1,0\n", r"v\.csv:2: frame='-1': must be a whole number"),
        ("frame,label\n1.5,0\n", r"v\.csv:2: frame='1.5'"),
        ("frame,label\none,0\n", r"v\.csv:2: frame='one'"),
        ("frame,label\ninf,0\n", r"v\.csv:2: frame='inf'"),
        ("frame,label\n3,0\n4,0\n3,1\n", r"v\.csv:4: frame=3 is listed twice, first in .*v\.csv:2"),
        ("frame,label\n3\n", r"v\.csv:2: 1 cells where the header names 2"),
    ],
)
def test_bad_label_files(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_starts(write(tmp_path / "v.csv", text), 10)


def test_label_file_that_is_no_text(tmp_path):
    (tmp_path / "v.csv").write_bytes(b"frame,label\n\xff\xfe\n")
    with pytest.raises(ValueError, match=r"v\.csv:\d+: no CSV text in UTF-8"):
        read_starts(tmp_path / "v.csv", 10)


def test_written_labels_read_back(tmp_path):
    write_starts(tmp_path / "new" / "v.csv", np.array([2, 4]), 6)
    assert (tmp_path / "new" / "v.csv").read_text() == "frame,label\n0,0\n1,0\n2,1\n3,0\n4,1\n5,0\n"
    assert read_starts(tmp_path / "new" / "v.csv", 6).tolist() == [2, 4]
    with pytest.raises(ValueError, match=r"must lie in 0\.\.5"):
        write_starts(tmp_path / "new" / "v.csv", np.array([6]), 6)


def test_failed_write_keeps_the_old_labels(tmp_path, monkeypatch):
    write_starts(tmp_path / "v.csv", np.array([2]), 4)
    before = (tmp_path / "v.csv").read_text()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_starts(tmp_path / "v.csv", np.array([3]), 4)
    assert [path.name for path in tmp_path.iterdir()] == ["v.csv"]
    assert (tmp_path / "v.csv").read_text() == before


def test_segments(tmp_path):
    assert read_segments(tmp_path) == {}
    write(
        tmp_path / "segments.csv",
        "file,first,last\nlandmarks/dips/a.npz,6,60\nraw/dips/b.mp4,0,5\nlandmarks/dips/a.npz,70,70\n",
    )
    line = f"{tmp_path / 'segments.csv'}:"
    assert read_segments(tmp_path) == {
        "dips/a": [Span(6, 60, line + "2"), Span(70, 70, line + "4")],
        "dips/b": [Span(0, 5, line + "3")],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,first\n", r"segments\.csv:1: no column 'last'"),
        ("file,first,last\nlandmarks/dips/a.npz,9,3\n", r"segments\.csv:2: first=9 is after last=3"),
        ("file,first,last\nlandmarks/dips/a.npz,x,3\n", r"segments\.csv:2: first='x'"),
        ("file,first,last\n../a.npz,1,3\n", r"segments\.csv:2: file='../a.npz' leaves the data root"),
    ],
)
def test_bad_segments(tmp_path, text, message):
    write(tmp_path / "segments.csv", text)
    with pytest.raises(ValueError, match=message):
        read_segments(tmp_path)


def test_class_known_only_inside_spans():
    # At 15 fps source frame s stands at output frame 2 s.
    times_s = np.arange(7) / 15
    known = class_known([Span(2, 3, "s:2"), Span(5, 5, "s:3")], 14, times_s)
    assert np.flatnonzero(known).tolist() == [4, 5, 6, 10]
    assert class_known(None, 14, times_s).all()
    with pytest.raises(
        ValueError, match=r"^root/segments\.csv:7: span 5\.\.7 goes beyond the last frame, 6: "
    ):
        class_known([Span(2, 3, "s:2"), Span(5, 7, "root/segments.csv:7")], 14, times_s)
    uneven_s = 3.0 + np.array([0.0, 0.1, 0.3, 0.4])
    known = class_known([Span(1, 2, "s:2")], 13, uneven_s)
    assert np.flatnonzero(known).tolist() == [3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("landmarks/push-ups/anna.npz", "push-ups/anna"),
        ("raw/no_exercise/rest.MOV", "no-exercise/rest"),
        ("labels/dips/a.b.csv", "dips/a.b"),
        ("dips/a.b", "dips/a.b"),
    ],
)
def test_recording_name(file, name):
    assert recording_name(file, "m:1") == name


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "landmarks/../../x/y.npz", "..\\x\\y.npz", "C:/x/y.npz", "x.npz", ""]
)
def test_bad_recording_name(file):
    with pytest.raises(ValueError, match=r"^m:1: file=.*(leaves the data root|must be landmarks/)"):
        recording_name(file, "m:1")


@pytest.mark.parametrize(
    ("kernel", "at_2", "at_4", "at_12"),
    [("gaussian", 2**-0.25, 0.5, 2**-9), ("lorentzian", 0.8, 0.5, 0.1)],
)
def test_bump_by_hand(kernel, at_2, at_4, at_12):
    targets = soft_targets(np.array([20]), 41, kernel, 4.0)
    assert targets.dtype == np.float32
    assert targets[[20, 18, 22, 16, 24, 8, 32]] == pytest.approx([1, at_2, at_2, at_4, at_4, at_12, at_12])


def test_bumps_overlap_by_maximum_and_reach_over_the_ends():
    targets = soft_targets(np.array([10, 16]), 18, "lorentzian", 4.0)
    assert targets[[10, 12, 13, 14, 16, 17]] == pytest.approx([1, 0.8, 0.64, 0.8, 1, 1 / (1 + 1 / 16)])
    assert not soft_targets(np.zeros(0, np.int32), 5).any()
    assert soft_targets(np.array([0]), 0).shape == (0,)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_one_that_a_config_may_name(kernel):
    config.check(config.Config(labels=config.Labels(kernel=kernel)))


def test_a_config_may_name_no_other_kernel():
    with pytest.raises(ValueError, match=f"labels.kernel='box': must be {' or '.join(KERNELS)}$"):
        config.check(config.Config(labels=config.Labels(kernel="box")))
