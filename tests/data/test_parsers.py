"""Whatever stands in the tables that people write is read, or refused with the file and the line."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wt_jax.data.csv_tables import recording_name
from wt_jax.data.labels import Span, read_segments, read_starts, write_starts
from wt_jax.data.splits import SPLITS, read_manifest
from wt_jax.skeleton import is_class_name

often = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
N_FRAMES = 50

ANY_CELL = st.one_of(
    st.sampled_from(["1e400", "1e308", "nan", "-1", "", " ", '"', "\n", "\0", "../x", "C:\\x", "frame"]),
    st.text(max_size=8),
)
FRAMES = st.sampled_from(["0", "7", "7.0", "12", "49", "50"])
LABELS = st.sampled_from(["0", "1", "1.0"])
FILES = st.sampled_from(["landmarks/dips/a.npz", "raw/squats/b.mp4", "dips/c", "dips", "dips/a/b.npz"])
GROUPS = st.sampled_from(["", "anna", "Ben"])
SPLIT_CELLS = st.sampled_from(["", "train", "TEST", "dev"])


def tables(**columns):
    """Bytes of a table: mostly with the right columns and what may stand in them, and sometimes anything."""
    head, cells = st.just(list(columns)), st.tuples(*columns.values())
    anything = st.lists(ANY_CELL, max_size=4)
    odd_cells = st.tuples(*(st.one_of(of_column, ANY_CELL) for of_column in columns.values()))
    tables = st.one_of(
        *[st.tuples(head, st.lists(cells, max_size=3))] * 4,
        st.tuples(head, st.lists(odd_cells, max_size=3)),
        st.tuples(head | anything, st.lists(anything, max_size=3)),
    )
    text = tables.map(lambda table: "\n".join(",".join(cells) for cells in [table[0], *table[1]]))
    encoded = text.map(lambda text: text.encode("utf-8", "surrogatepass"))
    return st.one_of(encoded, encoded, encoded, st.binary(max_size=60))


def refused_with_its_line(path, error):
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(error)), error
    assert "\n" not in str(error)


@often
@given(content=tables(frame=FRAMES, label=LABELS))
@example(content=b'"a\nb",label\n')
@example(content=b"frame,label\n1e308,1\n")
@example(content=b"frame,label\n50,1\n")
def test_any_label_file(tmp_path, content):
    path = tmp_path / "v.csv"
    path.write_bytes(content)
    try:
        starts = read_starts(path, N_FRAMES)
    except ValueError as error:
        refused_with_its_line(path, error)
        return
    assert starts.dtype == np.int32 and (np.diff(starts, prepend=-1) > 0).all()
    assert (starts < N_FRAMES).all()


@often
@given(starts=st.sets(st.integers(0, N_FRAMES - 1)), longer=st.integers(0, 20))
def test_written_labels_are_read_back(tmp_path, starts, longer):
    write_starts(tmp_path / "v.csv", np.array(sorted(starts)), N_FRAMES + longer)
    assert read_starts(tmp_path / "v.csv", N_FRAMES + longer).tolist() == sorted(starts)


@often
@given(
    labels=st.dictionaries(st.integers(0, N_FRAMES - 1), st.booleans(), max_size=8),
    columns=st.permutations(["frame", "label", "time", "note"]),
    frame_column=st.sampled_from(["frame", "Frame ", "frame_index", " FRAME_INDEX"]),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    number=st.sampled_from(["{}", "{}.0", " {} ", '"{}"', "+{}", "{}e0"]),
    note=st.text(st.characters(exclude_characters='",\r\n\0', exclude_categories=["Cs"]), max_size=5),
)
def test_label_files_as_programs_write_them(tmp_path, labels, columns, frame_column, end, mark, number, note):
    rows = [[frame_column if column == "frame" else column for column in columns]]
    for frame, label in labels.items():
        cells = {
            "frame": number.format(frame),
            "label": number.format(int(label)),
            "time": "9.9",
            "note": note,
        }
        rows.append([cells[column] for column in columns])
    text = mark + end.join(",".join(row) for row in rows)
    (tmp_path / "v.csv").write_text(text, encoding="utf-8", newline="")
    starts = sorted(frame for frame, label in labels.items() if label)
    assert read_starts(tmp_path / "v.csv", N_FRAMES).tolist() == starts


def leads_nowhere_else(root, name):
    class_name, video = name.split("/")
    path = root / "recordings" / f"{name}.npz"
    assert path.resolve().parent.parent == (root / "recordings").resolve() and class_name and video


@often
@given(content=tables(file=FILES, group=GROUPS, split=SPLIT_CELLS))
@example(content=b"file,group,split\ndips/a\0,,\n")
def test_any_manifest(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    try:
        rows = read_manifest(tmp_path)
    except ValueError as error:
        refused_with_its_line(tmp_path / "manifest.csv", error)
        return
    for name, row in rows.items():
        leads_nowhere_else(tmp_path, name)
        assert row.split in (*SPLITS, "")


@often
@given(content=tables(file=FILES, first=FRAMES, last=FRAMES))
def test_any_segments(tmp_path, content):
    (tmp_path / "segments.csv").write_bytes(content)
    try:
        spans = read_segments(tmp_path)
    except ValueError as error:
        refused_with_its_line(tmp_path / "segments.csv", error)
        return
    for name, of_name in spans.items():
        leads_nowhere_else(tmp_path, name)
        assert all(isinstance(span, Span) and 0 <= span.first <= span.last for span in of_name)


PARTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "landmarks", "raw", "~", "C:", "a.npz", "dips", "a.tar.gz", "...", "a\0"]
    ),
    st.text(max_size=6),
)


@often
@given(parts=st.lists(PARTS, min_size=1, max_size=5), by=st.sampled_from(["/", "\\", "//", "/./"]))
@example(parts=["dips", "..", "..", "..", "victim", "x.npz"], by="/")
@example(parts=["..", "victim.npz"], by="\\")
@example(parts=["dips", "a\0"], by="/")
@example(parts=["landmarks", "dips", "a", "b"], by="/")
def test_no_file_of_a_table_leads_elsewhere(parts, by):
    root = Path("/nowhere/data")
    try:
        name = recording_name(by.join(parts), "m:1")
    except ValueError as error:
        assert str(error).startswith("m:1: file=") and "\n" not in str(error)
        return
    folders = [part for part in re.split(r"[/\\]", by.join(parts)) if part not in ("", ".")]
    assert len(folders) - (folders[0] in ("landmarks", "raw", "labels")) == 2
    leads_nowhere_else(root, name)


@often
@given(
    class_name=st.sampled_from(["dips", "no_exercise", "jumping jacks", "kniebeugen_2"]),
    video=st.text(
        st.characters(categories=["L", "N", "P"], exclude_characters="/\\:"), min_size=1, max_size=20
    ),
    folder=st.sampled_from(["landmarks/", "raw/", "labels/", ""]),
    suffix=st.sampled_from([".npz", ".csv", ".mp4", ".MOV"]),
)
def test_files_of_a_data_root_keep_their_names(class_name, video, folder, suffix):
    if ".." in f"{video}{suffix}" or video.startswith("."):
        return
    expected = f"{'no-exercise' if class_name == 'no_exercise' else class_name}/{video}"
    assert recording_name(f"{folder}{class_name}/{video}{suffix}", "m:1") == expected


@often
@given(name=st.one_of(st.text(max_size=70), st.lists(PARTS, max_size=3).map("/".join)))
def test_a_class_is_a_folder_of_its_own(name):
    if is_class_name(name):
        path = Path("/nowhere") / name
        assert path.resolve().parent == Path("/nowhere") and path.name == name
        assert name.isprintable() and not name.startswith(".") and len(name.encode()) < 255


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a\\b", "../../victim", "/etc", ".git", "a..b", "a:b", "a\nb", "a\x1b[31m", "a\0",
     " a", "a ", "-rf", "a.", "x" * 61, "\udcff", "*", "a\u202eb"],
)  # fmt: skip
def test_no_class_may_be_called(name):
    assert not is_class_name(name)


@pytest.mark.parametrize(
    "name",
    ["squats", "no_exercise", "jumping jacks", "v1.2", "_x", "développé", "スクワット", "สควอท", "x" * 60],
)  # fmt: skip
def test_a_class_may_be_called(name):
    assert is_class_name(name)
