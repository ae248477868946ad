import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import MODEL, VIDEOS, noise, ticks_per_second, turn, vary_rate, write_clip, write_sound
from emulators import objects, put

from wt_jax import build_dataset
from wt_jax.pose import extraction, folder_extraction
from wt_jax.pose.extraction import extract
from wt_jax.pose.folder_extraction import extract_folder, find_videos
from wt_jax.pose.landmarks import Landmarks, load_landmarks, read_provenance, save_landmarks
from wt_jax.runtime import progress
from wt_jax.skeleton import CLASSES
from wt_jax.storage.bucket import Bucket

REPOSITORY = Path(__file__).parents[2]
needs_videos = pytest.mark.skipif(
    not (MODEL.is_file() and VIDEOS.is_dir()), reason="no shared model and videos beside the checkout"
)


class Estimator:
    """Stands for MediaPipe: sees somebody wherever the picture is bright enough."""

    def __init__(self, model):
        if Path(model).read_bytes() == b"junk":
            raise ValueError(f"{model}: not a pose model")

    def __call__(self, frame, time_s):
        if frame.mean() < 25:
            return np.full((33, 4), np.nan, np.float32)
        return np.random.default_rng(int(frame[:9, :9].mean())).random((33, 4), np.float32)

    def close(self):
        pass

    __enter__ = lambda self: self  # noqa: E731
    __exit__ = lambda self, *_: None  # noqa: E731


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three videos and a model; extraction stays in this process."""
    monkeypatch.setattr(extraction, "PoseEstimator", Estimator)
    monkeypatch.setattr(folder_extraction, "PoseEstimator", Estimator)
    monkeypatch.setattr(
        folder_extraction,
        "on_this_machine",
        lambda work, jobs, *_: ((i, work(job)) for i, job in enumerate(jobs)),
    )
    (tmp_path / "model.task").write_bytes(b"model")
    for name in ("squats/a.mp4", "squats/b.avi", "no_exercise/c.mp4"):
        write_clip(tmp_path / "raw" / name, 40, code="MJPG" if name.endswith("avi") else "mp4v")
    return tmp_path


def extracted(root, **options):
    return extract_folder(root, CLASSES, lambda: root / "model.task", progress=False, **options)


def outcome(report):
    return report.extracted, report.unchanged, len(report.failed)


def failures(report):
    return {path.name: reason for path, reason in report.failed.items()}


def test_each_video_once(root):
    report = extracted(root)
    assert outcome(report) == (3, 0, 0) and report.n_frames == 120
    names = ["landmarks/no_exercise/c.npz", "landmarks/squats/a.npz", "landmarks/squats/b.npz"]
    assert sorted(str(path.relative_to(root)) for path in root.glob("landmarks/*/*")) == names
    before = {name: (root / name).stat().st_mtime_ns for name in names}
    assert outcome(extracted(root)) == (0, 3, 0)
    write_clip(root / "raw/squats/a.mp4", 50)  # edited
    assert outcome(extracted(root)) == (1, 2, 0)
    assert len(load_landmarks(root / names[1]).times_s) == 50
    assert {name for name in names if before[name] != (root / name).stat().st_mtime_ns} == {names[1]}


def test_without_new_videos_no_model_is_needed(root):
    extracted(root)
    assert outcome(extract_folder(root, CLASSES, lambda: pytest.fail("asked"), progress=False)) == (0, 3, 0)


def test_another_model_counts_where_it_is_named(root):
    extracted(root)
    (root / "model.task").write_bytes(b"another")
    assert outcome(extracted(root)) == (0, 3, 0)
    assert outcome(extracted(root, is_model_named=True)) == (3, 0, 0)
    assert outcome(extracted(root, is_model_named=True)) == (0, 3, 0)


def test_landmarks_of_ones_own_are_never_touched(root):
    mine = root / "landmarks/squats/a.npz"
    save_landmarks(mine, Landmarks(np.ones((40, 33, 4), np.float32), 30.0, 64, 48))
    alias = root / "landmarks/no-exercise/c.npz"  # the same class as raw/no_exercise
    alias.parent.mkdir()
    alias.write_text("something else that is mine")
    before = mine.read_bytes(), alias.read_bytes()
    assert outcome(extracted(root, is_model_named=True)) == (1, 2, 0)
    assert (mine.read_bytes(), alias.read_bytes()) == before


def test_what_cannot_be_used_is_listed_and_the_others_done(root):
    squats = root / "raw/squats"
    write_sound(squats / "sound.mp4")
    (squats / "empty.mp4").write_bytes(b"")
    (squats / "text.mov").write_text("hello")
    write_clip(squats / "d.mp4", 40)
    write_clip(squats / "d.mov", 30)
    cut = write_clip(squats / "cut.avi", noise(60), code="MJPG")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    report = extracted(root)
    reasons = failures(report)
    assert outcome(report) == (4, 0, 5)
    assert reasons["sound.mp4"] == "sound alone, no pictures"
    assert reasons["empty.mp4"].startswith("an empty file")
    assert reasons["text.mov"].startswith("not a video")
    assert reasons["d.mp4"] == reasons["d.mov"] and reasons["d.mov"].startswith("two videos of one name")
    assert {path.name for path in report.remarks} == {"cut.avi"}
    assert "of 2.0 s, and so do its landmarks: cut off" in report.remarks[cut]


def test_what_would_be_left_out_is_not_looked_at(root):
    """Longer than allowed, or of a name beside which nothing can be written: hours would be lost."""
    unnamed = root / "raw/squats" / f"{'x' * 241}.mp4"
    unnamed.write_bytes((root / "raw/squats/a.mp4").read_bytes())
    write_clip(root / "raw/dips/long.mp4", 80)
    report = extracted(root, max_minutes=60 / 30 / 60)
    assert outcome(report) == (3, 0, 2)
    assert failures(report)["long.mp4"].startswith("0.0 minutes of 80 frames: more than data.max_minutes=")
    assert failures(report)[unnamed.name].startswith("a name of 245 bytes")


def test_whatever_a_library_raises_is_one_line(root, monkeypatch):
    def broken(self, frame, time_s):
        raise RuntimeError("C++ says no" if time_s > 0.5 else "")

    monkeypatch.setattr(Estimator, "__call__", broken)
    assert set(failures(extracted(root)).values()) == {"RuntimeError"}


@pytest.mark.usefixtures("impatient")
def test_what_cannot_be_read_any_more_stops_no_other(root):
    """A pipe in the place of a video or of its landmarks, and a file that is not ours to read."""
    extracted(root)
    write_clip(root / "raw/squats/d.mp4", 40)
    for name in ("raw/squats/a.mp4", "landmarks/squats/b.npz"):
        (root / name).unlink()
        os.mkfifo(root / name)
    report = extracted(root)
    assert outcome(report) == (1, 2, 1)
    assert failures(report) == {"a.mp4": "a pipe, not a video"}
    with pytest.raises(ValueError, match=r"a\.mp4: a pipe, not a video"):
        extract(root / "raw/squats/a.mp4", root / "model.task")


def test_a_high_speed_camera_is_not_cut_off(root):
    clip = write_clip(root / "raw/squats/fast.mp4", 600, 1000.0)
    assert extracted(root).remarks == {}
    landmarks = load_landmarks(root / "landmarks/squats/fast.npz")
    assert landmarks.fps == 1000.0 and landmarks.is_constant
    clip.write_bytes(write_clip(root / "faster.mp4", 600, 2000.0).read_bytes())
    assert failures(extracted(root))["fast.mp4"].startswith("2000 frames a second: 1000 at most: convert it")


@pytest.mark.parametrize("fps", [10.0, 30000 / 1001, 120.0])
def test_constant_rates_need_no_times(root, fps):
    landmarks = extract(write_clip(root / "a.mp4", 40, fps), root / "model.task")
    assert landmarks.fps == pytest.approx(fps, rel=1e-5)
    assert landmarks.is_constant
    save_landmarks(root / "a.npz", landmarks)
    with np.load(root / "a.npz") as archive:
        assert "times_s" not in archive.files


def test_rounded_timestamps_are_a_constant_rate():
    exact_s = np.arange(300) / 29.97
    for container_fps in (29.97, 59.94):  # the second as wrong as some containers have it
        fps, times_s = extraction._rate(np.round(exact_s, 3), container_fps)
        assert fps == pytest.approx(29.97, rel=1e-3)
        np.testing.assert_allclose(times_s, np.arange(300) / fps, atol=0)


def test_a_variable_rate_keeps_its_times(root):
    path = write_clip(root / "a.mp4", 40)
    steps = np.where(np.arange(40) % 5 == 0, 4, 1)
    vary_rate(path, steps * (ticks_per_second(path) // 30))
    save_landmarks(root / "a.npz", extract(path, root / "model.task"))
    landmarks = load_landmarks(root / "a.npz")
    expected_s = np.concatenate([[0], np.cumsum(steps)[:-1]]) / 30
    np.testing.assert_allclose(landmarks.times_s, expected_s, atol=1e-3)
    assert landmarks.fps == pytest.approx(39 / expected_s[-1], rel=1e-3)


def test_portrait_with_rotation_one_frame_and_nobody(root):
    portrait = extract(turn(write_clip(root / "a.mp4", 3)), root / "model.task")
    assert (portrait.width_px, portrait.height_px) == (48, 64)
    one = extract(write_clip(root / "one.mp4", 1), root / "model.task")
    assert one.landmarks_FxLx4.shape == (1, 33, 4) and one.times_s.tolist() == [0.0]
    write_clip(root / "raw/squats/dark.mp4", np.zeros((40, 48, 64, 3), np.uint8))
    extracted(root)
    assert outcome(extracted(root)) == (0, 4, 0)  # that nobody is there is known now
    with pytest.raises(ValueError, match="is the person in the picture"):
        load_landmarks(root / "landmarks/squats/dark.npz")


def test_a_full_disk(root, monkeypatch):
    def savez(file, **arrays):
        file.write(b"half of it")
        if "b." in Path(file.name).name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        np.savez(file, **arrays)

    monkeypatch.setattr("wt_jax.pose.landmarks.np.savez_compressed", savez)
    report = extracted(root)
    assert outcome(report) == (2, 0, 1)
    said = failures(report)["b.avi"]
    assert "b.npz cannot be written ([Errno 28] No space left on device" in said and "make room" in said
    assert not [path for path in root.rglob("*.npz") if "b." in path.name]


def test_a_folder_that_cannot_be_written(root):
    (root / "landmarks").mkdir()
    (root / "landmarks").chmod(0o555)
    reasons = failures(extracted(root))
    assert len(reasons) == 3 and all("landmarks cannot be written: link raw/" in r for r in reasons.values())


def test_a_wrong_model_is_one_error(root):
    (root / "model.task").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"model\.task: not a pose model"):
        extracted(root)
    assert not (root / "landmarks").exists()


def test_find_videos(root):
    (root / "raw/squats/.hidden.mp4").write_bytes(b"")
    (root / "raw/squats/notes.txt").write_text("")
    write_clip(root / "raw/lunges/x.mp4", 1)
    assert [path.name for path in find_videos(root, CLASSES)] == ["c.mp4", "a.mp4", "b.avi"]


def test_the_command_says_what_failed_once(root, capsys):
    (root / "raw/squats/text.mov").write_text("hello")
    options = ["--data", str(root), "--pose_model", str(root / "model.task")]
    assert build_dataset.main(options) == 0
    said = capsys.readouterr().out
    assert "videos: 3 extracted (120 frames, " in said and " 0 unchanged, 1 failed" in said
    assert said.count("text.mov") == 1 and "left out: " in said and "no landmarks yet" not in said
    assert build_dataset.main(options) == 0
    assert "videos: 0 extracted, 3 unchanged, 1 failed" in capsys.readouterr().out
    for workers in ("0", "three", "1.5", ""):
        with pytest.raises(ValueError, match=f"^--workers {workers}: must be a whole number, 1 or more$"):
            build_dataset.main([*options, "--workers", workers])


def test_a_video_that_broke_since_keeps_its_older_landmarks(root, capsys):
    options = ["--data", str(root), "--pose_model", str(root / "model.task")]
    build_dataset.main(options)
    before = (root / "landmarks/squats/a.npz").read_bytes()
    (root / "raw/squats/a.mp4").write_bytes(b"")
    build_dataset.main(options)
    said = capsys.readouterr().out
    assert f"left as it was: {root}/raw/squats/a.mp4: an empty file (0 bytes)" in said
    assert said.count("older landmarks stay in use") == 1
    assert (root / "landmarks/squats/a.npz").read_bytes() == before


def test_a_log_hears_how_far_it_is(root, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    monkeypatch.setattr(
        folder_extraction, "on_this_machine",
        lambda work, jobs, _, tell: ((i, (work(job), tell(40))[0]) for i, job in enumerate(jobs)),
    )  # fmt: skip
    build_dataset.main(["--data", str(root), "--pose_model", str(root / "model.task")])
    lines = capsys.readouterr().err.splitlines()
    said = [line.split(",")[0] for line in lines]
    assert said[:3] == [f"looking for what is new: {n} of 3 videos" for n in (1, 2, 3)]
    assert said[3:6] == [f"extraction: {n} of 120 frames" for n in (40, 80, 120)]
    assert said[6:] == [f"building: {n} of 3 recordings" for n in (1, 2, 3)]


def test_jax_stays_out_of_the_workers():
    code = "import sys, wt_jax.build_dataset, wt_jax.pose.folder_extraction; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0


def start(root, *options):
    """The command in a process group of its own, as a terminal has it."""
    command = [sys.executable, "-m", "wt_jax.build_dataset", "--data", root, "--pose_model", MODEL, *options]
    to = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, **to)


@needs_videos
def test_interrupted_and_gone_on_with(tmp_path):
    # More than two workers have begun when the first is done, however fast the machine.
    of_copies = {"squat_9": "squat_9", "squat_18": "squat_18", "squat_17": "squat_17", "squat_99": "squat_18"}
    for copy, name in of_copies.items():
        path = tmp_path / "raw" / "squats" / f"{copy}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((VIDEOS / "squats" / f"{name}.mp4").read_bytes())
    process = start(tmp_path, "--workers", "2")
    while process.poll() is None and not list(tmp_path.glob("landmarks/*/[!.]*.npz")):
        time.sleep(0.05)
    stopped_s = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    *before, last = said.splitlines()
    assert (process.returncode, last) == (130, "interrupted")
    assert all(line.startswith("extraction: ") for line in before)  # on a slow machine
    assert time.monotonic() - stopped_s < 5
    n_done = len(list(tmp_path.glob("landmarks/*/*")))  # whole ones alone
    assert 1 <= n_done < 4

    process = start(tmp_path, "--workers", "1")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert f"videos: {4 - n_done} extracted" in said and f"{n_done} unchanged, 0 failed" in said
    ours = load_landmarks(tmp_path / "landmarks/squats/squat_9.npz")
    corpus = load_landmarks(VIDEOS.parents[1] / "corpus" / "landmarks" / "squats" / "calimiro-squat_9.npz")
    assert (ours.fps, ours.width_px, ours.height_px) == (corpus.fps, corpus.width_px, corpus.height_px)
    np.testing.assert_allclose(
        ours.landmarks_FxLx4[..., :2], corpus.landmarks_FxLx4[..., :2], atol=1e-4
    )  # rounded there
    provenance = read_provenance(tmp_path / "landmarks/squats/squat_9.npz")
    assert len(provenance.video_sha256) == len(provenance.model_sha256) == 64


def test_a_root_in_a_bucket(root, s3, monkeypatch, capsys):
    """Each version of a video is fetched once, whichever machine asks; landmarks and recordings go there."""
    data, fetched = f"{s3}/data", []
    put(root / "raw", f"{data}/raw")
    fetch = Bucket.fetch

    def noted(self, name, path):
        fetched.append(name)
        fetch(self, name, path)

    monkeypatch.setattr(Bucket, "fetch", noted)

    def built(machine):
        monkeypatch.setenv("WT_JAX_CACHE", str(root / machine))
        fetched.clear()
        arguments = ["--data", data, "--pose_model", str(root / "model.task")]
        build_dataset.main([*arguments, "--output", f"{s3}/recordings"])
        assert not [path for path in (root / machine).rglob("*.mp4") if path.stat().st_size]
        videos = sorted(name for name in fetched if name.endswith((".mp4", ".avi")))
        return videos, re.search(r"videos: (\d+) extracted.*, (\d+) unch", capsys.readouterr().out).groups()

    assert built("one") == (["a.mp4", "b.avi", "c.mp4"], ("3", "0"))
    names = ["no-exercise/c.npz", "squats/a.npz", "squats/b.npz"]
    assert objects(f"{s3}/recordings") == names
    assert objects(f"{data}/landmarks") == [name.replace("no-", "no_") for name in names]
    local = extract(root / "raw" / "squats" / "a.mp4", root / "model.task")
    (root / "a.npz").write_bytes(Bucket(data).read("landmarks/squats/a.npz"))
    assert load_landmarks(root / "a.npz").provenance == local.provenance
    assert built("other") == ([], ("0", "3"))
    put(write_clip(root / "new" / "a.mp4", 50).parent, f"{data}/raw/squats")
    assert built("other") == (["a.mp4", "a.mp4"], ("1", "2"))
