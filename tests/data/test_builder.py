import dataclasses
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from wt_jax import build_dataset
from wt_jax.data import builder, recordings
from wt_jax.data.builder import build, fingerprint, has_data, recordings_folder
from wt_jax.data.recordings import load_recordings
from wt_jax.pose.joint_angles import joint_angles
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.skeleton import CLASSES

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no real landmarks at {CORPUS}")


def write_landmarks(root, name, n_frames=60, fps=30.0, seed=None):
    """Landmarks of a body that drifts, other in every file unless `seed` says so."""
    rng = np.random.default_rng(sum(name.encode()) if seed is None else seed)
    body = rng.uniform(0.2, 0.8, (33, 4)) + np.arange(n_frames)[:, None, None] * rng.uniform(
        -0.002, 0.002, (33, 4)
    )
    path = root / "landmarks" / f"{name}.npz"
    save_landmarks(path, Landmarks(body.astype(np.float32), fps, 640, 360))
    return path


def write_labels(root, name, *frames, label=1):
    path = root / "labels" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("frame,label\n" + "".join(f"{frame},{label}\n" for frame in frames))
    return path


@pytest.fixture
def root(tmp_path):
    """Two labelled dips at 25 and 30 fps, squats of unknown repetitions, and a rest."""
    write_landmarks(tmp_path, "dips/a", 51, 25.0)
    write_labels(tmp_path, "dips/a", 0, 3, 40)
    write_landmarks(tmp_path, "dips/b")
    write_labels(tmp_path, "dips/b", 5)
    write_landmarks(tmp_path, "squats/c")
    write_landmarks(tmp_path, "no_exercise/d")
    return tmp_path


def built(root, *classes, **options):
    return build(root, root / "recordings", classes or CLASSES, progress=False, **options)


def reasons(report, root):
    return {str(path.relative_to(root)): reason for path, reason in report.left_out}


def test_frames_left_in_files_are_those_of_recordings_held(root, tmp_path):
    """And the files are the same; so they are where a group changes, of which the manifest tells later."""
    for table in (None, "file,group,split\ndips/a.npz,anna,val\n"):
        if table:
            (root / "manifest.csv").write_text(table)
        filed = build(root, tmp_path / "filed", CLASSES, progress=False, in_files=True)
        held = build(root, tmp_path / "held", CLASSES, progress=False)
        assert {type(r).__name__ for r in filed.recordings} == {"FiledRecording"}
        assert (filed.built, filed.unchanged) == (held.built, held.unchanged)
        assert fingerprint(filed.recordings) == fingerprint(held.recordings)
        assert filed.table() == held.table()
        for path in (tmp_path / "held").rglob("*.npz"):
            assert (
                path.read_bytes() == (tmp_path / "filed" / path.relative_to(tmp_path / "held")).read_bytes()
            )


def test_recordings_of_a_root(root):
    report = built(root)
    assert (report.built, report.unchanged, report.left_out) == (4, 0, [])
    a, b, d, c = load_recordings(root / "recordings", CLASSES)
    assert [r.name for r in (a, b, d, c)] == ["dips/a", "dips/b", "no-exercise/d", "squats/c"]
    assert len(a) == 61  # 50/25 s = 60/30 s
    assert a.starts.tolist() == [0, 4, 48]  # 3.6 and 48
    assert a.source_fps == 25.0
    assert b.starts.tolist() == [5]
    assert c.starts is None
    assert d.starts.tolist() == []
    assert all(r.valid_F.all() and r.class_known_F.all() for r in (a, b, c, d))
    with np.load(root / "landmarks" / "dips" / "b.npz") as archive:
        np.testing.assert_array_equal(b.angles_FxJ, joint_angles(archive["landmarks"], 640, 360))
    assert fingerprint(report.recordings) == fingerprint([d, c, b, a])


def test_table(root):
    (root / "manifest.csv").write_text("file,group,split\nlandmarks/dips/a.npz,a,test\n")
    table = built(root).table().splitlines()
    assert table[0].split() == ["class", "split", "recordings", "seconds", "repetitions", "unknown"]
    rows = {tuple(line.split()[:-4]): [int(cell) for cell in line.split()[-4:]] for line in table[1:]}
    assert rows["dips", "test"] == [1, 2, 3, 0]
    assert rows["dips", "train"] == [1, 2, 1, 0]
    assert rows["dips", "val"] == [0, 0, 0, 0]
    assert rows["squats", "train"] == [1, 2, 0, 1]
    assert rows[("total",)] == [4, 8, 4, 1]
    assert len(rows) == 3 * 3 + 1


def test_a_table_is_as_wide_as_its_longest_class(make_recording):
    name = "single-leg-romanian-deadlifts"
    rows = builder.Report([make_recording(f"{name}/a")]).table().splitlines()
    assert rows[1].split() == [name, "train", "1", "2", "0", "0"]
    assert len({len(row) for row in rows}) == 1


def test_only_what_changed_is_built_again(root):
    built(root)
    report = built(root)
    assert (report.built, report.unchanged) == (0, 4)
    write_labels(root, "squats/c", 7)
    report = built(root)
    assert (report.built, report.unchanged) == (1, 3)
    assert {r.name: r for r in report.recordings}["squats/c"].starts.tolist() == [7]
    (root / "segments.csv").write_text("file,first,last\nlandmarks/dips/b.npz,10,19\n")
    report = built(root)
    assert (report.built, report.unchanged) == (1, 3)
    known = {r.name: r.class_known_F for r in report.recordings}
    assert np.flatnonzero(known["dips/b"]).tolist() == list(range(10, 20))
    assert known["dips/a"].all()
    (root / "manifest.csv").write_text("file,group,split\nlandmarks/dips/a.npz,anna,test\n")
    report = built(root)
    assert report.built == 1
    assert {r.name: (r.group, r.split) for r in report.recordings}["dips/a"] == ("anna", "test")
    (root / "recordings" / "dips" / "b.npz").write_bytes(b"broken")
    assert built(root).built == 1


def test_another_version_is_built_again(root, monkeypatch):
    built(root)
    monkeypatch.setattr(recordings, "RECORDING_VERSION", recordings.RECORDING_VERSION + 1)
    with pytest.raises(ValueError, match=r"version 2, this is version 3.*rebuild"):
        load_recordings(root / "recordings", CLASSES)
    assert built(root).built == 4
    assert len(load_recordings(root / "recordings", CLASSES)) == 4


def test_recordings_whose_source_is_gone(root):
    built(root)
    (root / "landmarks" / "dips" / "b.npz").unlink()
    (root / "labels" / "dips" / "b.csv").unlink()
    shutil.rmtree(root / "landmarks" / "squats")
    (root / "landmarks" / "no_exercise" / "d.npz").write_text("bad, but there: no reason to remove")
    gone = [root / "recordings" / "dips" / "b.npz", root / "recordings" / "squats" / "c.npz"]
    report = built(root)
    assert [r.name for r in report.recordings] == ["dips/a"]
    reason = "no source any more: python -m wt_jax.build_dataset removes it"
    assert report.left_out[1:] == [(path, reason) for path in gone]
    assert report.removed == []
    assert all(path.exists() for path in gone)
    report = built(root, remove=True)
    assert report.removed == gone
    assert [path for path, _ in report.left_out] == [root / "landmarks" / "no_exercise" / "d.npz"]
    assert sorted(path.stem for path in (root / "recordings").glob("*/*")) == ["a", "d"]


def test_a_file_too_large_for_the_memory_is_left_out(root, monkeypatch):
    def load(path, max_minutes):
        if path.stem == "b":
            raise MemoryError("Unable to allocate 9 TiB")
        return load_landmarks(path, max_minutes)

    monkeypatch.setattr(builder, "load_landmarks", load)
    report = built(root)
    assert "not enough memory (Unable to allocate 9 TiB)" in reasons(report, root)["landmarks/dips/b.npz"]
    assert len(report.recordings) == 3


def test_one_bad_file_never_stops_the_others(root):
    (root / "landmarks" / "dips" / "bad.npz").write_text("no archive")
    (root / "landmarks" / "dips" / "notes.txt").write_text("")
    (root / "landmarks" / "dips" / "more").mkdir()
    (root / "landmarks" / "stray.npz").write_text("")
    write_landmarks(root, "dips/wrong")
    write_labels(root, "dips/wrong", 0, 1, label=3)
    write_landmarks(root, "dips/longer")
    write_labels(root, "dips/longer", 60)
    write_landmarks(root, "dips/short", 29)
    write_landmarks(root, "dips/slow", 40, 60.0)
    write_landmarks(root, "pushups/e")
    write_landmarks(root, "lunges/e")
    write_labels(root, "dips/orphan", 3)
    write_labels(root, "no-exercise/d", 3)
    write_landmarks(root, "squats/still")
    flat = np.full((40, 33, 4), 0.5, np.float32)
    save_landmarks(root / "landmarks" / "squats" / "flat.npz", Landmarks(flat, 30.0, 640, 360))
    (root / "manifest.csv").write_text("file,group,split\nlandmarks/dips/lost.npz,,\n")
    (root / "segments.csv").write_text(
        "file,first,last\nlandmarks/dips/gone.npz,0,9\nlandmarks/squats/still.npz,0,60\n"
    )
    expected = {
        "landmarks/dips/bad.npz": "bad.npz: no npz archive",
        "landmarks/dips/notes.txt": "no .npz file: expected raw/<class>/<video>.mp4 or landmarks/<class>/",
        "landmarks/dips/more": "no .npz file",
        "landmarks/stray.npz": "in no class folder",
        "landmarks/dips/wrong.npz": "labels/dips/wrong.csv:2: label='3': must be 0, or 1",
        "landmarks/dips/longer.npz": "labels/dips/longer.csv:2: frame=60 is beyond the last frame, 59",
        "landmarks/dips/short.npz": "29 frames at 30 fps, shorter than a window of 30",
        "landmarks/dips/slow.npz": "20 frames at 30 fps",
        "landmarks/pushups": "unknown class 'pushups': did you mean push-ups? or add it to data.classes",
        "landmarks/lunges": "unknown class 'lunges': add it to data.classes",
        "labels/dips/orphan.csv": "labels without landmarks or a video",
        "landmarks/no_exercise/d.npz": "d.csv: 1 repetitions in no-exercise",
        "landmarks/squats/still.npz": f"{root}/segments.csv:3: span 0..60 goes beyond the last frame, 59",
        "landmarks/squats/flat.npz": "no frame with all 25 angles",
        "manifest.csv": "dips/lost: no such file",
        "segments.csv": "dips/gone: no such file",
    }
    report = built(root)
    found = reasons(report, root)
    assert found.keys() == expected.keys()
    for path, reason in expected.items():
        assert reason in found[path], path
    assert [r.name for r in report.recordings] == ["dips/a", "dips/b", "squats/c"]
    with_lunges = built(root, *CLASSES, "lunges")
    assert "lunges/e" in [r.name for r in with_lunges.recordings]


@pytest.mark.parametrize("second", ["labels/no_exercise/d.csv", "labels/no-exercise/d.CSV"])
def test_two_label_files_for_one_video(root, second):
    write_labels(root, "no-exercise/d")
    (root / second).parent.mkdir(exist_ok=True)
    (root / second).write_text("frame,label\n")
    report = built(root)
    reason = reasons(report, root)["landmarks/no_exercise/d.npz"]
    assert "two files for one video" in reason
    assert str(root / second) in reason
    assert len(report.recordings) == 3


def test_two_landmark_files_for_one_name(root):
    write_landmarks(root, "no-exercise/d", seed=5)
    assert "two files for one video" in reasons(built(root), root)["landmarks/no-exercise/d.npz"]


def test_videos_without_landmarks_are_named(root):
    for name in ("raw/dips/a.mp4", "raw/dips/new.MOV", "raw/no_exercise/d.avi", "raw/no_exercise/e.webm"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    write_labels(root, "dips/new", 3)
    found = reasons(built(root), root)
    assert found.keys() == {"raw/dips/new.MOV", "raw/no_exercise/e.webm"}
    extract = f"no landmarks yet: python -m wt_jax.build_dataset --data {root} extracts them"
    assert found["raw/dips/new.MOV"] == extract
    report = built(root, not_extracted={root / "raw/dips/new.MOV": "cut off"})
    assert reasons(report, root) == {"raw/dips/new.MOV": "cut off", "raw/no_exercise/e.webm": extract}


def test_labels_go_by_the_times_of_the_frames(root):
    path = write_landmarks(root, "dips/b", 61)
    landmarks = load_landmarks(path)
    times_s = np.concatenate([np.arange(31) / 30, 1 + np.arange(1, 31) / 15])  # half as fast from 1 s on
    save_landmarks(path, dataclasses.replace(landmarks, times_s=times_s))
    write_labels(root, "dips/b", 10, 30, 45)
    (root / "segments.csv").write_text("file,first,last\nlandmarks/dips/b.npz,30,60\n")
    (recording,) = [r for r in built(root).recordings if r.name == "dips/b"]
    assert len(recording) == 91
    assert recording.starts.tolist() == [10, 30, 60]
    assert np.flatnonzero(recording.class_known_F).tolist() == list(range(30, 91))
    still = joint_angles(landmarks.landmarks_FxLx4, 640, 360)
    np.testing.assert_allclose(recording.angles_FxJ[[30, 32, 60]], still[[30, 31, 45]], atol=1e-6)


def test_a_duplicate_in_two_splits_is_refused_and_nothing_is_lost(root):
    built(root)
    shutil.copy(root / "landmarks" / "dips" / "b.npz", root / "landmarks" / "dips" / "b2.npz")
    (root / "manifest.csv").write_text(
        "file,group,split\nlandmarks/dips/b.npz,p,train\nlandmarks/dips/b2.npz,q,test\n"
    )
    before = {path: path.read_bytes() for path in root.rglob("*.npz")}
    with pytest.raises(ValueError, match=r"dips/b \(train\) and dips/b2 \(test\) are the same recording"):
        built(root)
    assert {path: path.read_bytes() for path in root.rglob("*.npz")} == before


def test_nothing_usable(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"no data there: expected raw/<class>/<video>\.mp4 or landmarks/<class>/<video>\.npz",
    ):
        built(tmp_path)
    with pytest.raises(ValueError, match="no data there"):
        built(tmp_path / "missing")
    write_landmarks(tmp_path, "lunges/a")
    with pytest.raises(
        ValueError, match=r"nothing usable: expected .*1 left out: .*lunges: unknown class 'lunges'"
    ):
        built(tmp_path)


def test_where_recordings_go(root):
    assert recordings_folder(root, "elsewhere") == Path("elsewhere")
    assert recordings_folder(root, None) == root / "recordings"
    root.chmod(0o555)
    assert recordings_folder(root, "", root / "fallback") == root / "fallback"
    with pytest.raises(ValueError, match=r"cannot be written: .*data\.recordings or --output DIR"):
        recordings_folder(root, None)
    with pytest.raises(ValueError, match=r"recordings: cannot be written"):
        built(root)
    root.chmod(0o755)
    for folder in (root / "landmarks", root / "landmarks" / "dips"):
        with pytest.raises(ValueError, match="never into them"):
            build(root, folder, CLASSES)


def test_recordings_that_cannot_be_written(root):
    folder = root / "recordings"
    built(root)
    folder.chmod(0o555)
    assert recordings_folder(root, None, root / "fallback") == root / "fallback"
    assert recordings_folder(root, None) == folder  # to be read
    report = built(root)
    assert (report.built, report.unchanged) == (0, 4)
    (root / "landmarks" / "squats" / "c.npz").unlink()
    assert built(root).unchanged == 3
    with pytest.raises(ValueError, match="recordings: cannot be written"):
        built(root, remove=True)
    assert (folder / "squats" / "c.npz").exists()
    (root / "manifest.csv").write_text("file,group,split\nlandmarks/dips/a.npz,a,test\n")
    with pytest.raises(ValueError, match="recordings: cannot be written"):
        built(root)
    (root / "manifest.csv").unlink()
    write_labels(root, "dips/a", 3)
    with pytest.raises(ValueError, match="recordings: cannot be written"):
        built(root)
    folder.chmod(0o755)


def test_a_moved_root_is_not_built_again(root, tmp_path_factory):
    (root / "segments.csv").write_text("file,first,last\nlandmarks/dips/b.npz,10,19\n")
    built(root)
    (root / "segments.csv").write_text("file,first,last\n\nlandmarks/dips/b.npz,10,19\n")
    moved = shutil.copytree(root, tmp_path_factory.mktemp("moved") / "data")
    assert built(moved).unchanged == 4


def test_has_data(tmp_path):
    assert not has_data(tmp_path)
    (tmp_path / "README.md").write_text("")
    (tmp_path / "raw" / "dips").mkdir(parents=True)
    assert not has_data(tmp_path)
    (tmp_path / "raw" / "dips" / "a.mp4").write_text("")
    assert has_data(tmp_path)
    write_landmarks(tmp_path / "one", "dips/a")
    assert has_data(tmp_path / "one")
    build(tmp_path / "one", tmp_path / "out", CLASSES)
    assert has_data(tmp_path / "nothing", tmp_path / "out")


def test_fingerprint_changes_with_what_training_sees(root):
    one = built(root).recordings
    prints = {fingerprint(one), fingerprint(one[1:])}
    write_labels(root, "squats/c")
    prints.add(fingerprint(built(root).recordings))
    (root / "segments.csv").write_text("file,first,last\nlandmarks/dips/b.npz,10,19\n")
    prints.add(fingerprint(built(root).recordings))
    (root / "manifest.csv").write_text("file,group,split\nlandmarks/dips/a.npz,a,test\n")
    prints.add(fingerprint(built(root).recordings))
    assert len(prints) == 5


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "wt_jax.build_dataset", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )


def test_the_command(root):
    (root / "landmarks" / "dips" / "bad.npz").write_text("no archive")
    done = command("--data", root)
    assert done.returncode == 0, done.stderr
    assert "repetitions" in done.stdout
    assert f"4 built, 0 unchanged, in {root / 'recordings'}; 1 left out" in done.stdout
    assert f"left out: {root / 'landmarks' / 'dips' / 'bad.npz'}: " in done.stdout
    done = command("--data", root, "--output", root / "other", "--classes", "dips")
    assert sorted(path.name for path in (root / "other").iterdir()) == ["dips"]


def test_the_command_names_what_it_removes(root, capsys):
    for i in range(6):
        write_landmarks(root, f"squats/c{i}")
    built(root)
    shutil.rmtree(root / "landmarks" / "squats")
    assert build_dataset.main(["--data", str(root)]) == 0
    shown = ", ".join(f"squats/{name}" for name in ("c", "c0", "c1", "c2", "c3"))
    assert f"removed 7 recordings without a source: {shown}, ...\n" in capsys.readouterr().out
    assert not any((root / "recordings" / "squats").iterdir())
    assert build_dataset.main(["--data", str(root)]) == 0
    assert "removed" not in capsys.readouterr().out


def test_the_readme_on_another_class(root, capsys):
    readme = (Path(__file__).parents[2] / "data" / "README.md").read_text()
    (line,) = (line for line in readme.splitlines() if "--classes " in line)
    arguments = line.split("wt_jax.build_dataset ")[1].replace("--data data", f"--data {root}").split()
    write_landmarks(root, f"{arguments[-1]}/e")
    assert build_dataset.main(arguments) == 0
    assert "5 built, 0 unchanged" in capsys.readouterr().out


def test_the_command_on_a_mistake(tmp_path):
    done = command("--data", tmp_path / "missing")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@needs_corpus
def test_a_few_real_files(tmp_path):
    for name in (
        "dips/calimiro-dips_8",
        "pull-ups/repcount-stu1_36",
        "no-exercise/hannesvgel-kaggle-bench_press_0",
    ):
        for path in (CORPUS / "landmarks" / f"{name}.npz", CORPUS / "labels" / f"{name}.csv"):
            if path.exists():
                target = tmp_path / path.relative_to(CORPUS)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    rows = [line for line in (CORPUS / "segments.csv").read_text().splitlines() if "stu1_36" in line]
    (tmp_path / "segments.csv").write_text("\n".join(["file,first,last", *rows]))
    report = built(tmp_path)
    assert report.left_out == []
    dips, rest, pull_ups = report.recordings
    assert len(dips.starts) == 2
    assert dips.source_fps == pytest.approx(29.97, abs=1e-3)
    assert rest.starts.size == 0
    assert 0 < pull_ups.class_known_F.mean() < 1
    assert pull_ups.valid_F.mean() > 0.9


@needs_corpus
def test_the_whole_corpus(tmp_path):
    report = build(CORPUS, tmp_path, CLASSES)
    assert report.left_out == []
    assert len(report.recordings) == 637
    known = [r for r in report.recordings if r.starts is not None and r.class_name != "no-exercise"]
    assert len(known) == 315
    repetitions = Counter()
    for r in known:
        repetitions[r.class_name, r.split] += len(r.starts)
    assert repetitions == {  # the corpus' own README
        ("dips", "train"): 7,
        ("dips", "val"): 2,
        ("pull-ups", "train"): 303,
        ("pull-ups", "val"): 48,
        ("pull-ups", "test"): 55,
        ("push-ups", "train"): 635,
        ("push-ups", "val"): 61,
        ("push-ups", "test"): 80,
        ("squats", "train"): 181,
        ("squats", "val"): 47,
        ("squats", "test"): 47,
    }
    split_off = builder.assign_splits(report.recordings, {})  # without its manifest
    builder.audit(split_off)
    for class_name in set(CLASSES) - {"dips"}:
        assert {r.split for r in split_off if r.class_name == class_name} == {"train", "val", "test"}
