import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from wt_jax.data.recordings import Recording
from wt_jax.data.splits import assign_splits, audit, derive_group, read_manifest


def recording(name, *, content=None, known=True, group="", split=""):
    """One with angles of its own, or those of every other of the same `content`."""
    seed = sum(ord(c) * 131**i for i, c in enumerate(content or name)) % 2**32
    return Recording(
        name=name,
        class_name=name.split("/")[0],
        group=group,
        split=split,
        angles_FxJ=np.random.default_rng(seed).random((30, 25), np.float32),
        valid_F=np.ones(30, bool),
        class_known_F=np.ones(30, bool),
        starts=np.zeros(0, np.int32) if known else None,
        source_fps=30.0,
        digest="",
    )


def manifest(tmp_path, *rows, header="file,class,group,split"):
    (tmp_path / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return read_manifest(tmp_path)


def test_manifest(tmp_path):
    assert read_manifest(tmp_path) == {}
    rows = manifest(tmp_path, "landmarks/dips/a.npz,dips,anna,Train", "raw/no_exercise/b.mp4,,,")
    assert [(name, row.group, row.split) for name, row in rows.items()] == [
        ("dips/a", "anna", "train"),
        ("no-exercise/b", "", ""),
    ]
    assert rows["no-exercise/b"].where == f"{tmp_path / 'manifest.csv'}:3"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "../../etc/x.npz,dips,g,train",
            r"manifest\.csv:3: file='\.\./\.\./etc/x\.npz' leaves the data root",
        ),
        ("/etc/dips/x.npz,dips,g,train", r"manifest\.csv:3: file='/etc/dips/x\.npz' leaves the data root"),
        ("landmarks/dips/../../../x/y.npz,dips,g,train", r"manifest\.csv:3: .*leaves the data root"),
        ("x.npz,dips,g,train", r"manifest\.csv:3: file='x\.npz': must be landmarks/<class>/<video>\.npz"),
        ("landmarks/dips/b.npz,dips,g,dev", r"manifest\.csv:3: split='dev': must be one of train, val, test"),
        (
            "landmarks/dips/a.npz,dips,g,train",
            r"manifest\.csv:3: landmarks/dips/a\.npz is listed twice, first in",
        ),
        (
            "landmarks/dips/b.npz,dips,anna,test",
            r"manifest\.csv:3: group 'anna' is in split test here and in train",
        ),
        ("landmarks/dips/b.npz", r"manifest\.csv:3: 1 cells"),
    ],
)
def test_bad_manifest_rows(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        manifest(tmp_path, "landmarks/dips/a.npz,dips,anna,train", row)


@pytest.mark.parametrize("source", ["synthetic", "mocap"])
def test_no_recording_of_a_person_is_taken_for_synthetic(tmp_path, source):
    """Those have a share of the training windows, and are in no other split."""
    (tmp_path / "manifest.csv").write_text(
        f"file,group,split,source\nlandmarks/dips/a.npz,anna,val,{source}\n"
    )
    with pytest.raises(ValueError, match=rf"manifest\.csv:2: source='{source}': says that nobody was filmed"):
        read_manifest(tmp_path)


def test_a_group_in_another_case_is_the_same_group(tmp_path):
    with pytest.raises(
        ValueError, match=r"csv:3: group 'anna' is in split test here and in train in .*csv:2"
    ):
        manifest(tmp_path, "landmarks/dips/a.npz,,Anna,train", "landmarks/dips/b.npz,,anna,test")
    rows = manifest(
        tmp_path,
        "landmarks/dips/a.npz,,Straße,test",
        "landmarks/dips/b.npz,,STRASSE,",
        "landmarks/dips/c.npz,,Ben,val",
    )
    recordings = [recording(f"dips/{name}") for name in ("a", "b", "c", "strasse_part2", "BEN", "z")]
    assigned = assign_splits(recordings, rows)
    audit(assigned)
    assert [(r.group, r.split) for r in assigned] == [
        ("Straße", "test"),
        ("Straße", "test"),
        ("Ben", "val"),
        ("Straße", "test"),
        ("Ben", "val"),
        ("z", "train"),
    ]


def test_siblings_of_a_named_piece_follow_it(tmp_path):
    rows = manifest(
        tmp_path,
        "landmarks/dips/IMG_7_part1.npz,,Anna,test",
        "landmarks/dips/x_part1.npz,,Carl,",
        "landmarks/dips/x_part2.npz,,Dora,val",  # named otherwise: no sibling
    )
    names = ("dips/IMG_7_part1", "dips/IMG_7_part2", "squats/img_7", "dips/x_part1", "dips/x_part2")
    for order in (1, -1):
        assigned = assign_splits([recording(name) for name in names][::order], rows)
        audit(assigned)
        assert {r.name: (r.group, r.split) for r in assigned} == {
            "dips/IMG_7_part1": ("Anna", "test"),
            "dips/IMG_7_part2": ("Anna", "test"),
            "squats/img_7": ("Anna", "test"),
            "dips/x_part1": ("Carl", "train"),
            "dips/x_part2": ("Dora", "val"),
        }


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (
            ("Ben", "test"),
            "belong together by way of dips/v_part3: dips/v_part1 and dips/v_part3 are both of 'v' by their "
            "names; dips/v_part3 and dips/v_part2 are both of 'v' by their names: give them one split, or "
            "name the group of each, in manifest.csv",
        ),
        (("", "test"), "are both of 'v' by their names: one split for both, in manifest.csv, or scores are"),
    ],
)
def test_a_sibling_of_two_splits_is_refused(tmp_path, last, message):
    rows = manifest(
        tmp_path,
        "landmarks/dips/v_part1.npz,,Anna,train",
        f"landmarks/dips/v_part2.npz,,{','.join(last)}",
    )
    recordings = [recording(f"dips/v_part{i}") for i in (1, 2, 3)]
    with pytest.raises(
        ValueError, match=re.escape(f"dips/v_part1 (train) and dips/v_part2 (test) {message}")
    ):
        assign_splits(recordings, rows)


@pytest.mark.parametrize("third", ["a", "q", "z"])  # before both, between them, after them
@pytest.mark.parametrize("third_split", ["test", ""])
def test_a_twin_in_two_splits_names_no_third(tmp_path, third, third_split):
    """Of Quinn's recordings one is Paul's as well, under another name: the rest of hers has no part in it."""
    rows = manifest(
        tmp_path,
        "landmarks/dips/p.npz,,Paul,train",
        "landmarks/dips/twin.npz,,Quinn,test",
        f"landmarks/dips/{third}.npz,,Quinn,{third_split}",
    )
    names = sorted(["p", "twin", third])
    recordings = [recording(f"dips/{name}", content="same" if name != third else None) for name in names]
    with pytest.raises(
        ValueError, match=r"^dips/p \(train\) and dips/twin \(test\) are the same recording: one split"
    ):
        assign_splits(recordings, rows)


def test_what_joins_two_splits_is_said_step_by_step(tmp_path):
    rows = manifest(
        tmp_path,
        "landmarks/dips/a.npz,,Anna,train",
        "landmarks/dips/twin.npz,,Ben,",
        "landmarks/dips/b.npz,,Ben,test",
        "landmarks/dips/c.npz,,Ben,test",
    )
    contents = {"a": "same", "b": None, "c": None, "twin": "same"}
    recordings = [recording(f"dips/{name}", content=content) for name, content in contents.items()]
    with pytest.raises(
        ValueError,
        match=r"^dips/a \(train\) and dips/b \(test\) belong together by way of dips/twin: dips/a and "
        r"dips/twin are the same recording; dips/twin and dips/b are both of group 'Ben': give them one",
    ):
        assign_splits(recordings, rows)


def test_manifest_without_a_column(tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.csv:1: no column 'split' \(found: file, group\)"):
        manifest(tmp_path, header="file,group")


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("push-ups/anna_part2", "anna"),
        ("push-ups/Anna-Clip-03", "anna"),
        ("push-ups/anna seg 4", "anna"),
        ("push-ups/anna_take1", "anna"),
        ("push-ups/anna copy", "anna"),
        ("push-ups/anna (2)", "anna"),
        ("push-ups/anna_part2_copy (3)", "anna"),
        ("push-ups/v_PushUps_g01_c02", "v_pushups_g01"),
        ("squats/video-1", "video-1"),  # a number alone may number people
        ("squats/video_c02", "video_c02"),
        ("squats/counterpart", "counterpart"),
        ("squats/part2", "part2"),
    ],
)
def test_derived_group(name, group):
    assert derive_group(name) == group


def splits_of(recordings, rows=None):
    return {r.name: r.split for r in assign_splits(recordings, rows or {})}


def test_pieces_of_one_video_stay_together_and_the_split_is_stable():
    recordings = [recording(f"dips/p{i}_part{j}") for i in range(20) for j in range(3)]
    assigned = assign_splits(recordings, {})
    by_group = defaultdict(set)
    for r in assigned:
        by_group[r.group].add(r.split)
    assert len(by_group) == 20
    assert all(len(splits) == 1 for splits in by_group.values())
    assert Counter(s for splits in by_group.values() for s in splits) == {"train": 14, "val": 3, "test": 3}
    audit(assigned)
    assert splits_of(recordings[::-1]) == splits_of(recordings)


@pytest.mark.parametrize(
    ("n_groups", "expected"),
    [
        (1, {"train": 1}),
        (2, {"train": 1, "val": 1}),
        (3, {"train": 1, "val": 1, "test": 1}),
        (10, {"train": 6, "val": 2, "test": 2}),
        (100, {"train": 70, "val": 15, "test": 15}),
    ],
)
def test_shares_of_a_class(n_groups, expected):
    assert Counter(splits_of([recording(f"dips/v{i}") for i in range(n_groups)]).values()) == expected


@pytest.mark.parametrize("n_known", [0, 1, 2, 3])
def test_class_of_three_groups_has_all_splits_whatever_is_known(n_known):
    splits = splits_of([recording(f"dips/v{i}", known=i < n_known) for i in range(3)])
    assert sorted(splits.values()) == ["test", "train", "val"]
    if n_known:
        assert "train" in [splits[f"dips/v{i}"] for i in range(n_known)]


def test_known_repetitions_are_split_on_their_own():
    recordings = [recording(f"dips/v{i}", known=i < 10) for i in range(40)]
    splits = splits_of(recordings)
    assert Counter(splits[f"dips/v{i}"] for i in range(10)) == {"train": 6, "val": 2, "test": 2}
    assert Counter(splits[f"dips/v{i}"] for i in range(10, 40)) == {"train": 22, "val": 4, "test": 4}


def test_one_person_in_two_classes_is_in_one_split():
    recordings = [recording(f"{c}/p{i}") for c in ("dips", "squats") for i in range(12)]
    splits = splits_of(recordings)
    assert all(splits[f"dips/p{i}"] == splits[f"squats/p{i}"] for i in range(12))


def test_same_content_joins_the_group_of_its_twin():
    recordings = [recording(f"dips/v{i}") for i in range(30)]
    twins = [recording(f"dips/w{i}", content=f"dips/v{i}") for i in range(30)]
    assigned = {r.name: r for r in assign_splits(recordings + twins, {})}
    for i in range(30):
        a, b = assigned[f"dips/v{i}"], assigned[f"dips/w{i}"]
        assert (a.group, a.split) == (b.group, b.split)
    audit(assigned.values())


def test_manifest_is_obeyed_and_what_it_leaves_open_follows(tmp_path):
    rows = manifest(
        tmp_path,
        "landmarks/dips/a_part1.npz,,anna,test",
        "landmarks/dips/a_part2.npz,,anna,",
        "landmarks/dips/b_part1.npz,,,val",
    )
    recordings = [
        recording(f"dips/{name}") for name in ("a_part1", "a_part2", "anna", "b_part1", "b_part2", "c")
    ]
    recordings.append(recording("dips/d", content="dips/a_part1"))
    assigned = {r.name[5:]: (r.group, r.split) for r in assign_splits(recordings, rows)}
    assert assigned == {
        "a_part1": ("anna", "test"),
        "a_part2": ("anna", "test"),
        "anna": ("anna", "test"),
        "b_part1": ("b", "val"),
        "b_part2": ("b", "val"),
        "c": ("c", "train"),
        "d": ("anna", "test"),
    }


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            {"group": "anna", "split": "train"},
            {"group": "anna", "split": "test"},
            r"dips/a \(train\) and dips/b \(test\) are both of group 'anna'",
        ),
        (
            {"group": "g", "split": "val", "content": "x"},
            {"group": "h", "split": "test", "content": "x"},
            r"dips/a \(val\) and dips/b \(test\) are the same recording",
        ),
        (
            {"group": "Anna", "split": "train"},
            {"group": " anna", "split": "test"},
            r"are both of group ' anna'",
        ),
        ({"split": "train"}, {"split": "dev"}, "dips/b: split='dev'"),
    ],
)
def test_audit_refuses(a, b, message):
    with pytest.raises(ValueError, match=message):
        audit([recording("dips/a", **a), recording("dips/b", **b)])


def test_audit_passes_twins_in_one_split():
    audit([recording(f"dips/{n}", group="g", split="val", content="x") for n in "ab"])


def test_data_is_split_as_earlier_versions_split_it():
    """Else a run that goes on after an update would be validated on what it was trained on."""
    twins = ("a1", "a2", "b1", "c1", "c2", "c3")
    recordings = [recording(f"squats/{name}", content=name[0]) for name in twins]
    recordings += [recording(f"squats/{name}_part1") for name in "defghij"]
    by_split = defaultdict(str)
    for name, split in sorted(splits_of(recordings).items()):
        by_split[split] += f"{name[7:9]} "
    assert by_split == {"val": "a1 a2 b1 ", "test": "c1 c2 c3 g_ ", "train": "d_ e_ f_ h_ i_ j_ "}
