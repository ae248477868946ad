import os
import pickle
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from wt_jax.pose.landmarks import Landmarks, Provenance, load_landmarks, read_provenance, save_landmarks

GOOD = {"landmarks": np.full((4, 33, 4), 0.5, np.float32), "fps": 29.97, "width": 640, "height": 360}


def holding(value, frames=slice(None)):
    landmarks = GOOD["landmarks"].copy()
    landmarks[frames] = value
    return {"landmarks": landmarks}


def test_saved_landmarks_load_back(tmp_path):
    path = tmp_path / "dips" / "v.npz"
    landmarks = holding(np.nan, slice(1, 3))["landmarks"]  # nobody there in two frames
    save_landmarks(path, Landmarks(landmarks, 29.97, 640, 360))
    loaded = load_landmarks(path)
    np.testing.assert_array_equal(loaded.landmarks_FxLx4, landmarks)
    assert (loaded.fps, loaded.width_px, loaded.height_px) == (29.97, 640, 360)
    assert [file.name for file in path.parent.iterdir()] == ["v.npz"]


def test_times(tmp_path):
    path, constant_s = tmp_path / "v.npz", np.arange(4) / 25.0
    save_landmarks(path, Landmarks(GOOD["landmarks"], 25.0, 640, 360))
    np.testing.assert_array_equal(load_landmarks(path).times_s, constant_s)
    with np.load(path) as archive:
        assert set(archive.files) == {"landmarks", "fps", "width", "height"}
    save_landmarks(path, Landmarks(GOOD["landmarks"], 25.0, 640, 360, times_s=constant_s**2))
    np.testing.assert_array_equal(load_landmarks(path).times_s, constant_s**2)


def test_provenance(tmp_path):
    path = tmp_path / "v.npz"
    save_landmarks(
        path, Landmarks(GOOD["landmarks"], 25.0, 640, 360, provenance=Provenance("video", "model"))
    )
    assert load_landmarks(path).provenance == read_provenance(path) == Provenance("video", "model")
    np.savez(path, **GOOD)
    assert load_landmarks(path).provenance is None
    path.write_text("no npz")
    assert read_provenance(path) is None and read_provenance(tmp_path / "missing.npz") is None


def test_other_float_types_become_float32(tmp_path):
    np.savez(tmp_path / "v.npz", **GOOD | {"landmarks": GOOD["landmarks"].astype(np.float64), "more": 1})
    assert load_landmarks(tmp_path / "v.npz").landmarks_FxLx4.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": np.zeros((4, 17, 4), np.float32)}, r"shape \(4, 17, 4\): must be \(frames, 33, 4\)"),
        ({"landmarks": np.zeros((4, 33, 3), np.float32)}, r"shape \(4, 33, 3\)"),
        ({"landmarks": np.zeros((4, 132), np.float32)}, r"shape \(4, 132\)"),
        ({"landmarks": np.zeros((4, 33, 4), np.int32)}, "type int32: must be float32"),
        ({"landmarks": np.zeros((0, 33, 4), np.float32)}, "no frame at all"),
        (holding(np.nan), "no frame with all landmarks"),
        (holding(np.inf, slice(2, 3)), "infinite landmarks in frame 2"),
        (holding(-np.inf, slice(3, 4)), "infinite landmarks in frame 3"),
        (holding(1e30, slice(2, 3)), r"landmarks of 1e\+30 in frame 2: write NaN where no person is seen"),
        ({"landmarks": np.full((4, 33, 4), -1e300)}, r"landmarks of -1e\+300 in frame 0"),
        ({"landmarks": np.full((4, 33, 4), 0.5, np.longdouble)}, "type float128: must be float32"),
        (
            {"landmarks": np.full((4, 33, 4), 0.5 + 0j)},
            "landmarks of shape .*, type complex128: must hold numb",
        ),
        ({"fps": 0}, "fps=0: must be one number, from 1 to 1000, in frames a second"),
        ({"fps": 1e-6}, "fps=1e-06: must be one number, from 1 to 1000"),
        ({"fps": 0.99}, "fps=0.99"),
        ({"fps": 1000.1}, "fps=1000.1"),
        ({"fps": np.nan}, "fps=nan"),
        ({"fps": -30.0}, "fps=-30.0"),
        ({"fps": np.inf}, "fps=inf"),
        ({"fps": "30"}, "fps=30: must be one number"),
        ({"fps": np.array([30.0, 30.0])}, r"fps=array of shape \(2,\)"),
        ({"width": 0}, r"width=0: must be one number, from 1 to 1e\+06, in pixels"),
        ({"width": 0.6}, "width=0.6"),  # normalised, not pixels
        ({"height": 0.4}, "height=0.4: must be one number, from 1 to"),
        ({"height": 1e300}, r"height=1e\+300: must be one number"),
        ({"width": np.zeros((100, 100))}, r"width of shape \(100, 100\), type float64: 80,000 bytes"),
        ({"width": "x" * 1000}, "width=x{40}: must be one number"),
        ({"height": np.inf}, "height=inf"),
        ({"height": -1}, "height=-1"),
        ({"landmarks": np.array([{"a": 1}])}, "holds pickled objects, refused"),
        ({"times_s": np.arange(3) / 30}, r"times_s of shape \(3,\), type float64: must be 4 numbers"),
        ({"times_s": np.array([0.0, 0.1, 0.1, 0.2])}, "times_s must be finite and strictly increasing"),
        ({"times_s": np.array([0.0, 0.1, np.nan, 0.2])}, "times_s must be finite"),
        ({"times_s": np.array([0.0, 0.1, 0.2, np.inf])}, "times_s must be finite"),
        ({"times_s": np.array([-1e308, 0.1, 0.2, 1e308])}, "times_s must be finite"),
        ({"times_s": np.arange(4) * 5e-324}, "times_s with inf frames a second"),
        ({"times_s": np.arange(4) * 33.3}, "times_s with 0.03003 frames a second: .*is it in seconds"),
        ({"fps": np.array(object())}, "holds pickled objects, refused"),
    ],
)
def test_bad_content(tmp_path, changes, message):
    np.savez(tmp_path / "v.npz", **GOOD | changes)
    with pytest.raises(ValueError, match=rf"v\.npz: .*{message}") as error, warnings.catch_warnings():
        warnings.simplefilter("error")
        load_landmarks(tmp_path / "v.npz")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fps", [1, 1000.0])
def test_slowest_and_fastest(tmp_path, fps):
    np.savez(tmp_path / "v.npz", **GOOD | {"fps": fps, "width": 1, "height": 1})
    assert load_landmarks(tmp_path / "v.npz").fps == fps


@pytest.mark.parametrize(
    ("n_frames", "fps", "times_s", "message"),
    [
        (3601, 60.0, None, r"1\.0 minutes of 3601 frames: more than data\.max_minutes=1, or the 3600 frames"),
        (3601, 500.0, None, r"0\.1 minutes of 3601 frames: more than"),
        (61, 1.0, None, r"1\.0 minutes of 61 frames"),
        (62, 30.0, np.arange(62) * 1.0, r"1\.0 minutes of 62 frames"),  # 61 s from the first to the last
        (3600, 60.0, None, None),
        (60, 1.0, np.arange(60) * 1.0, None),
    ],
)
def test_longer_than_allowed(tmp_path, n_frames, fps, times_s, message):
    times = {} if times_s is None else {"times_s": times_s}
    landmarks = np.zeros((n_frames, 33, 4), np.float32)
    np.savez_compressed(tmp_path / "v.npz", **GOOD | {"landmarks": landmarks, "fps": fps} | times)
    if message is None:
        assert len(load_landmarks(tmp_path / "v.npz", 1.0).times_s) == n_frames
        return
    with pytest.raises(ValueError, match=rf"v\.npz: {message}.*cut it into parts"):
        load_landmarks(tmp_path / "v.npz", 1.0)
    assert len(load_landmarks(tmp_path / "v.npz", 2.0).times_s) == n_frames


def test_an_archive_of_hours_takes_no_memory(tmp_path):
    """Three million frames in a megabyte: not the zeros themselves, which would take long to write, but what
    archive and header say of them."""
    path, n_bytes = tmp_path / "v.npz", 3_000_000 * 33 * 4 * 4 + 128
    np.savez_compressed(path, **GOOD)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in ("fps", "width", "height"):
            with archive.open(f"{key}.npy", "w") as member:
                np.save(member, np.asanyarray(GOOD[key]))
        with archive.open("landmarks.npy", "w") as member:
            about = {"descr": "<f4", "fortran_order": False, "shape": (3_000_000, 33, 4)}
            np.lib.format.write_array_header_1_0(member, about)
            member.write(bytes(2**20))
    written = (2**20 + 128).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(written, n_bytes.to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.raises(
            ValueError, match=r"v\.npz: .* of 3000000 frames: more than data\.max_minutes=240"
        ):
            load_landmarks(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_members_that_are_no_arrays(tmp_path):
    path = tmp_path / "v.npz"
    for key in ("landmarks", "fps", "video_sha256"):
        np.savez(path, **GOOD | {"video_sha256": np.str_("v"), "model_sha256": np.str_("m")})
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, b"not an array" if name == f"{key}.npy" else content)
        with pytest.raises(
            ValueError, match=r"v\.npz: unreadable or cut short \(.*: extract or copy it again; "
        ):
            load_landmarks(path)
        assert (read_provenance(path) is None) == (key == "video_sha256")


def test_missing_keys(tmp_path):
    np.savez(tmp_path / "v.npz", landmarks=GOOD["landmarks"], rate=30)
    with pytest.raises(ValueError, match=r"v\.npz: no fps, width, height \(found: landmarks, rate\)"):
        load_landmarks(tmp_path / "v.npz")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, share):
    path = tmp_path / "v.npz"
    np.savez_compressed(
        path, **GOOD | {"landmarks": np.random.default_rng(0).random((50, 33, 4), np.float32)}
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"v\.npz: (unreadable or cut short|no npz archive)"):
        load_landmarks(path)


def test_damaged_inside(tmp_path):
    path = tmp_path / "v.npz"
    np.savez_compressed(
        path, **GOOD | {"landmarks": np.random.default_rng(0).random((50, 33, 4), np.float32)}
    )
    data = bytearray(path.read_bytes())
    data[2000:2100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"v\.npz: unreadable or cut short"):
        load_landmarks(path)


def test_other_files_named_npz(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        load_landmarks(tmp_path / "v.npz")
    (tmp_path / "v.npz").write_text("hello, I am no archive")
    with pytest.raises(ValueError, match=r"v\.npz: no npz archive"):
        load_landmarks(tmp_path / "v.npz")
    with (tmp_path / "v.npz").open("wb") as file:
        np.save(file, GOOD["landmarks"])
    with pytest.raises(ValueError, match="no npz archive"):
        load_landmarks(tmp_path / "v.npz")

    (tmp_path / "v.npz").write_bytes(pickle.dumps({"landmarks": 1}))
    with pytest.raises(ValueError, match="no npz archive"):
        load_landmarks(tmp_path / "v.npz")


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    np.savez(tmp_path / "v.npz", **GOOD | {"landmarks": np.array([Bomb()], object)})
    with pytest.raises(ValueError, match="refused"):
        load_landmarks(tmp_path / "v.npz")
    assert not (tmp_path / "exploded").exists()


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "v.npz"
    save_landmarks(path, Landmarks(GOOD["landmarks"], 30.0, 640, 360))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_landmarks(path, Landmarks(GOOD["landmarks"], 25.0, 640, 360))
    assert load_landmarks(path).fps == 30.0
    assert [file.name for file in tmp_path.iterdir()] == ["v.npz"]
