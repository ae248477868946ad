import os
from dataclasses import replace

import numpy as np
import pytest

from wt_jax.data.recordings import (
    RECORDING_VERSION,
    FiledRecording,
    Recording,
    load_recording,
    load_recordings,
    other_recordings,
    save_recording,
)
from wt_jax.runtime.files import is_writable

FIELDS = {
    "class_name": "dips",
    "group": "anna",
    "split": "val",
    "angles_FxJ": np.linspace(0, 1, 40 * 25, dtype=np.float32).reshape(40, 25),
    "valid_F": np.arange(40) != 7,
    "class_known_F": np.arange(40) < 30,
    "starts": np.array([3, 20], np.int32),
    "source_fps": 29.97,
    "digest": "d1",
}


def recording(name="dips/v", **changes):
    return Recording(**{"name": name, **FIELDS, "class_name": name.split("/")[0], **changes})


@pytest.mark.parametrize("starts", [np.array([3, 20], np.int32), np.zeros(0, np.int32), None])
def test_saved_recording_loads_back(tmp_path, starts):
    saved = recording(starts=starts)
    save_recording(tmp_path / "dips" / "v.npz", saved)
    loaded = load_recording(tmp_path / "dips" / "v.npz")
    for field in ("name", "class_name", "group", "split", "source_fps", "digest", "content"):
        assert getattr(loaded, field) == getattr(saved, field)
    for field in ("angles_FxJ", "valid_F", "class_known_F"):
        np.testing.assert_array_equal(getattr(loaded, field), getattr(saved, field))
        assert getattr(loaded, field).dtype == getattr(saved, field).dtype
    assert (loaded.starts is None) == (starts is None)
    assert starts is None or loaded.starts.tolist() == starts.tolist()
    assert len(loaded) == 40
    assert [path.name for path in (tmp_path / "dips").iterdir()] == ["v.npz"]


def test_a_recording_in_its_file_is_read_when_asked(tmp_path):
    path = tmp_path / "dips" / "v.npz"
    save_recording(path, recording())
    (filed,) = load_recordings(tmp_path, ("dips", "squats"), in_files=True)
    assert isinstance(filed, FiledRecording) and len(filed) == 40 and not filed.is_made
    np.testing.assert_array_equal(filed.class_known_F, FIELDS["class_known_F"])
    moved = replace(filed, split="train", starts=np.array([9], np.int32), source="synthetic")
    assert moved.is_made
    loaded = moved.load()
    assert loaded.load() is loaded
    assert (loaded.split, loaded.starts.tolist(), loaded.source) == ("train", [9], "synthetic")
    for name in ("name", "class_name", "group", "digest", "content"):
        assert getattr(loaded, name) == getattr(filed, name) == getattr(recording(), name)
    np.testing.assert_array_equal(loaded.angles_FxJ, FIELDS["angles_FxJ"])
    save_recording(path, recording(valid_F=np.ones(40, bool)))
    with pytest.raises(ValueError, match=r"v.npz: was changed after training had begun: start it again"):
        filed.load()
    path.unlink()
    with pytest.raises(ValueError, match=r"v.npz: no usable recording"):
        filed.load()


def test_content_is_that_of_the_angles_alone():
    assert recording("dips/a", group="b", digest="x").content == recording("dips/v").content
    assert recording(angles_FxJ=FIELDS["angles_FxJ"][::-1].copy()).content != recording().content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"angles_FxJ": np.zeros((40, 24), np.float32)}, r"angles of shape \(40, 24\)"),
        ({"angles_FxJ": np.full((40, 25), np.nan, np.float32)}, "angles outside 0..1"),
        ({"valid_F": np.ones(39, bool)}, "valid and angles of different lengths"),
        ({"class_known_F": np.ones(39, bool)}, "class_known and angles of different lengths"),
        ({"starts": np.array([20, 3], np.int32)}, "starts that are not sorted"),
        ({"starts": np.array([3, 3], np.int32)}, "starts that are not sorted"),
        ({"starts": np.array([-1], np.int32)}, "starts that are not sorted"),
        ({"starts": np.array([40], np.int32)}, "starts that are not sorted"),
        ({"class_name": "squats"}, "class and name that differ"),
        ({"name": "no-exercise/v", "class_name": "no-exercise"}, "repetitions in no-exercise"),
        (
            {"name": "no-exercise/v", "class_name": "no-exercise", "starts": None},
            "repetitions in no-exercise",
        ),
    ],
)
def test_fields_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(recording(), **changes)


def damage(path, **changes):
    with np.load(path) as archive:
        arrays = {key: value for key, value in (dict(archive) | changes).items() if value is not None}
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recording_version": np.int64(RECORDING_VERSION + 1)}, "version 3, this is version 2"),
        ({"valid": None}, "valid"),
        ({"angles": np.zeros((40, 25))}, "angles of type float64 in place of float32"),
        ({"angles": np.zeros((40,), np.float32)}, "angles"),
        ({"starts": np.array([50], np.int32)}, "starts that are not sorted frames"),
        ({"name": np.array([{"a": 1}])}, "name holds pickled objects, refused"),
    ],
)
def test_bad_files(tmp_path, changes, message):
    save_recording(tmp_path / "v.npz", recording())
    damage(tmp_path / "v.npz", **changes)
    with pytest.raises(
        ValueError, match=rf"v\.npz: no usable recording \(.*{message}.*rebuild it with python -m"
    ):
        load_recording(tmp_path / "v.npz")


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated(tmp_path, share):
    save_recording(tmp_path / "v.npz", recording())
    data = (tmp_path / "v.npz").read_bytes()
    (tmp_path / "v.npz").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"v\.npz: no usable recording"):
        load_recording(tmp_path / "v.npz")


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    save_recording(tmp_path / "v.npz", recording())
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_recording(tmp_path / "v.npz", recording(group="ben"))
    assert load_recording(tmp_path / "v.npz").group == "anna"
    assert [path.name for path in tmp_path.iterdir()] == ["v.npz"]


def test_load_all_of_the_classes_sorted_by_name(tmp_path):
    for name in ("squats/b", "dips/c", "dips/a", "lunges/x"):
        save_recording(tmp_path / f"{name}.npz", recording(name))
    (tmp_path / "dips" / ".v.npz.12.tmp").write_text("an interrupted write")
    names = [r.name for r in load_recordings(tmp_path, ["squats", "dips", "no_exercise"])]
    assert names == ["dips/a", "dips/c", "squats/b"]
    with pytest.raises(ValueError, match=r"no recordings of pull-ups: .*build_dataset"):
        load_recordings(tmp_path, ["pull-ups"])
    (tmp_path / "dips" / "a.npz").rename(tmp_path / "squats" / "a.npz")
    with pytest.raises(ValueError, match=r"squats/a\.npz: holds the recording dips/a"):
        load_recordings(tmp_path, ["squats", "dips"])


def test_others_are_recordings_only(tmp_path):
    for name in ("dips/keep", "dips/gone", "lunges/other"):
        save_recording(tmp_path / f"{name}.npz", recording(name))
    np.savez(tmp_path / "dips" / "landmarks.npz", landmarks=np.zeros(3))
    (tmp_path / "dips" / "notes.npz").write_text("mine")
    found = other_recordings(tmp_path, ["dips", "push-ups"], {"dips/keep"})
    assert found == [tmp_path / "dips" / "gone.npz"]


def test_is_writable(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    assert is_writable(folder)
    assert is_writable(folder / "not" / "there" / "yet")
    folder.chmod(0o555)
    assert not is_writable(folder)  # even for root, who could
    assert not is_writable(folder / "recordings")
    folder.chmod(0o755)
    (folder / "file").write_text("")
    assert not is_writable(folder / "file")
