"""The data root of a vandal: no file stops the others, leads out of its folder, or takes the memory."""

import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wt_jax import build_dataset
from wt_jax.data.builder import build
from wt_jax.data.recordings import (
    Recording,
    load_recording,
    load_recordings,
    other_recordings,
    save_recording,
)
from wt_jax.inference.input_files import find_input_files
from wt_jax.pose.folder_extraction import extract_folder, find_videos
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.skeleton import CLASSES

VICTIM = "../../victim"


def body(n_frames=60, seed=0):
    rng = np.random.default_rng(seed)
    drift = np.arange(n_frames)[:, None, None] * rng.uniform(-0.002, 0.002, (33, 4))
    return Landmarks((rng.uniform(0.2, 0.8, (33, 4)) + drift).astype(np.float32), 30.0, 640, 360)


@pytest.fixture
def root(tmp_path):
    """A good file among whatever the test adds."""
    save_landmarks(tmp_path / "landmarks" / "dips" / "good.npz", body())
    return tmp_path


def built(root, **options):
    """The report, if no warning was given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = build(root, root / "recordings", CLASSES, progress=False, **options)
    assert [recording.name for recording in report.recordings] == ["dips/good"]
    assert all("\n" not in reason for _, reason in report.left_out)
    return {path.relative_to(root).as_posix(): reason for path, reason in report.left_out}


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, compression, contents):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def test_damaged_archives_of_every_kind(root):
    folder = root / "landmarks" / "dips"
    good = members(folder / "good.npz")
    expected = {}
    for name, compression in (("lzma", 14), ("bzip2", 12), ("deflated", 8), ("stored", 0)):
        path = folder / f"{name}.npz"
        pack(path, compression, good)
        data = bytearray(path.read_bytes())
        at = data.index(b"landmarks.npy") + 200
        data[at : at + 300] = bytes(b ^ 0x55 for b in data[at : at + 300])
        path.write_bytes(data)
        expected[path.name] = "packed in another way" if compression > 8 else "unreadable or cut short"
    for key in ("landmarks", "fps"):
        pack(folder / f"no {key}.npz", 8, good | {f"{key}.npy": b"I am text"})
        expected[f"no {key}.npz"] = "unreadable or cut short (the magic string is not correct"
    np.savez(folder / "objects.npz", landmarks=np.array([{}]), fps=30.0, width=1, height=1)
    expected["objects.npz"] = "holds pickled objects, refused"
    left_out = built(root)
    assert left_out.keys() == {f"landmarks/dips/{name}" for name in expected}
    for name, reason in expected.items():
        assert reason in left_out[f"landmarks/dips/{name}"], name


def test_of_a_folder_predict_takes_what_holds_landmarks_or_cannot_be_read(root):
    folder = root / "landmarks" / "dips"
    (folder / "damaged.npz").write_bytes((folder / "good.npz").read_bytes()[:-100])
    np.savez(folder / "other.npz", angles=np.zeros(3))
    np.save(folder / "array", np.zeros(3))
    (folder / "array.npy").rename(folder / "array.npz")
    os.mkfifo(folder / "pipe.npz")
    found, failed = find_input_files([folder], root / "out")
    assert [path.stem for path in found] == ["array", "damaged", "good"] and not failed
    for path in found[:2]:
        with pytest.raises(ValueError, match=r"\.npz: (no npz archive|unreadable or cut short)") as error:
            load_landmarks(path)
        assert "\n" not in str(error.value)


def test_names_of_files(root):
    folder = root / "landmarks" / "dips"
    long, longest_fine = "x" * 241, "y" * 226
    for name in (long, "a\x1b[31mb", "a\nb", os.fsdecode(b"caf\xe9")):
        (folder / f"{name}.npz").write_bytes((folder / "good.npz").read_bytes())
    (root / "labels" / "dips").mkdir(parents=True)
    (root / "labels" / "dips" / f"{long}.csv").write_text("frame,label\n")
    os.mkfifo(folder / "pipe.npz")
    (folder / "circle.npz").symlink_to(folder / "circle.npz")
    left_out = built(root)
    assert left_out.pop(f"landmarks/dips/{long}.npz").startswith(
        "a name of 245 bytes, 230 at most: rename it"
    )
    assert left_out.pop(f"labels/dips/{long}.csv").startswith("a name of 245 bytes")
    for name in ("pipe", "circle"):
        assert left_out.pop(f"landmarks/dips/{name}.npz").startswith("no .npz file")
    assert len(left_out) == 3
    assert all("control characters, or bytes that are no UTF-8" in reason for reason in left_out.values())

    save_landmarks(folder / f"{longest_fine}.npz", body(seed=1))
    report = build(root, root / "recordings", CLASSES, progress=False)
    assert len(report.recordings) == 2 and (root / "recordings" / "dips" / f"{longest_fine}.npz").exists()


def test_names_of_class_folders(root):
    for name in ("sit&ups", "a..b", "-x"):
        save_landmarks(root / "landmarks" / name / "v.npz", body())
    left_out = built(root)
    assert left_out.keys() == {"landmarks/sit&ups", "landmarks/a..b", "landmarks/-x"}
    assert all(
        reason.startswith("no class may be called that: rename it: 1 to") for reason in left_out.values()
    )


def test_landmarks_that_nobody_has(root):
    folder = root / "landmarks" / "dips"
    for name, value in (("far", 1e30), ("infinite", np.inf), ("double", 1e300)):
        landmarks = body().landmarks_FxLx4.astype(np.float64)
        landmarks[7, 3, 1] = value
        np.savez(folder / f"{name}.npz", landmarks=landmarks, fps=30.0, width=640, height=360)
    np.savez(folder / "huge.npz", landmarks=body().landmarks_FxLx4, fps=30.0, width=1e300, height=360)
    left_out = built(root)
    assert left_out["landmarks/dips/far.npz"].endswith(
        "landmarks of 1e+30 in frame 7: write NaN where no person is seen"
    )
    assert "landmarks of 1e+300 in frame 7" in left_out["landmarks/dips/double.npz"]
    assert "infinite landmarks in frame 7" in left_out["landmarks/dips/infinite.npz"]
    assert "width=1e+300: must be one number, from 1 to 1e+06" in left_out["landmarks/dips/huge.npz"]


def test_longer_than_allowed(root):
    save_landmarks(root / "landmarks" / "dips" / "long.npz", body(120, seed=1))
    assert len(build(root, root / "recordings", CLASSES, progress=False, max_minutes=0.1).recordings) == 2
    for _ in range(2):  # what was built when it was allowed is not taken either
        reason = built(root, max_minutes=0.05)["landmarks/dips/long.npz"]
        assert "0.1 minutes of 120 frames: more than data.max_minutes=0.05, or the 180 frames" in reason
    with pytest.raises(ValueError, match=r"long\.npz: no usable recording \(0\.1 minutes of 120 frames"):
        load_recordings(root / "recordings", CLASSES, 0.05)


def test_the_command_says_what_is_longer(root, capsys):
    save_landmarks(root / "landmarks" / "dips" / "long.npz", body(120, seed=1))
    assert build_dataset.main(["--data", str(root), "--max_minutes", "0.05"]) == 0
    assert "long.npz: 0.1 minutes of 120 frames" in capsys.readouterr().out
    with pytest.raises(ValueError, match="--max_minutes -1: must be a number greater than 0"):
        build_dataset.main(["--data", str(root), "--max_minutes", "-1"])


@pytest.fixture
def victim(tmp_path):
    """A recording that is nobody's business: two folders above those of data/recordings."""
    path = tmp_path / "victim" / "theirs.npz"
    save_landmarks(tmp_path / "data" / "landmarks" / "squats" / "a.npz", body())
    save_recording(path, recording("victim/theirs"))
    return path


def recording(name):
    class_name = name.split("/")[0]
    angles, known = np.full((40, 25), 0.5, np.float32), np.ones(40, bool)
    return Recording(name, class_name, "g", "train", angles, known, known, None, 30.0, "")


def test_no_class_leads_out_of_the_folder(victim, tmp_path):
    data, output = tmp_path / "data", tmp_path / "data" / "recordings"
    assert (output / VICTIM / "theirs.npz").resolve() == victim
    for name in (VICTIM, "../victim", str(victim.parent), "..", "", "squats/../../../victim"):
        for use in (
            lambda name: build(data, output, ["squats", name], progress=False, remove=True),
            lambda name: build_dataset.main(["--data", str(data), "--classes", "squats", name]),
            lambda name: load_recordings(output, [name]),
            lambda name: other_recordings(output, [name], ()),
            lambda name: find_videos(data, [name]),
            lambda name: extract_folder(data, [name], lambda: pytest.fail("no model is asked for")),
        ):
            with pytest.raises(
                ValueError, match=r"(class|--classes) '.*': must be the name of a class, such as"
            ):
                use(name)
    assert victim.exists() and not output.exists()


def test_the_command_that_deleted_a_recording(victim, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "wt_jax.build_dataset",
            "--data",
            tmp_path / "data",
            "--classes",
            "squats",
            VICTIM,
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"error: --classes '{VICTIM}': must be the name of a class, such as squats: 1 to"
    )
    assert done.stderr.count("\n") == 1 and victim.exists()


@pytest.mark.parametrize(
    "name", ["../../x", "dips/../x", "dips", "dips/", "dips/a/b", "di\nps/a", "dips/a\n", "/x"]
)
def test_no_recording_is_called(name):
    with pytest.raises(ValueError, match=r"has a name other than <class>/<video>"):
        recording(name)


def test_a_recording_with_the_name_of_another_place(tmp_path):
    save_recording(tmp_path / "v.npz", recording("dips/v"))
    contents = members(tmp_path / "v.npz")
    np.save(tmp_path / "name.npy", np.str_("../../victim"))
    contents["name.npy"] = (tmp_path / "name.npy").read_bytes()
    pack(tmp_path / "v.npz", 0, contents)
    with pytest.raises(
        ValueError, match=r"v\.npz: no usable recording \(.*a name other than <class>/<video>\)"
    ):
        load_recording(tmp_path / "v.npz")


def test_damaged_recordings_are_built_again(root):
    built(root)
    path = root / "recordings" / "dips" / "good.npz"
    whole = members(path)
    for changes, compression in (
        ({"angles.npy": b"no array"}, 0),
        ({"name.npy": b""}, 8),
        ({"valid.npy": whole["angles.npy"]}, 14),
    ):
        pack(path, compression, whole | changes)
        with pytest.raises(ValueError, match=r"good\.npz: no usable recording .* rebuild it"):
            load_recording(path)
        assert built(root) == {} and members(path) == whole
    path.unlink()
    os.mkfifo(path)
    assert built(root) == {} and members(path) == whole


def test_a_disk_without_room_names_the_file(root, monkeypatch):
    monkeypatch.setattr(
        os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(
        ValueError, match=r"dips/good\.npz: cannot be written \(.*No space left.*\): make room"
    ):
        built(root)
