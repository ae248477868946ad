"""The predict command on videos that it has seen before, and on names that are more than names."""

import json
import os
from pathlib import Path

import pytest
from clips import MODEL, VIDEOS, write_clip
from predicting import names, predict_command
from runs import ANGLES, POINTS, save_run, walking

from wt_jax import predict
from wt_jax.pose import estimator, extraction, poses
from wt_jax.pose.landmarks import Landmarks, save_landmarks
from wt_jax.video.reader import Video

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("run"), POINTS)


@pytest.fixture
def command(run, tmp_path, monkeypatch):
    return predict_command(run, tmp_path, monkeypatch)


EVIL = "a\x1b[31m\n1 of 1 done $\\frac$ 12:30"
SAFE = r"a\x1b[31m\n1 of 1 done $\frac$ 12:30"


def test_names_of_files_are_only_names(command, tmp_path, capsys):
    """Nothing to a terminal, to FFmpeg, or to what writes formulas in pictures."""
    write_clip(tmp_path / "clip.mp4", 20).rename(tmp_path / f"{EVIL}.mp4")
    (tmp_path / f"{EVIL}.avi").write_text("no video")
    (tmp_path / "one.mp4").write_bytes(b"")
    assert command(tmp_path / f"{EVIL}.mp4", tmp_path / f"{EVIL}.avi", tmp_path / f"{EVIL}.mov") == 2
    out, err = capsys.readouterr()
    assert names(tmp_path / "out") == [f"{EVIL}_mp4{end}" for end in (".json", ".mp4", ".png")]
    assert out.splitlines()[1].startswith(f"{SAFE}_mp4")
    lines = err.splitlines()
    assert lines[0] == f"error: {tmp_path}/{SAFE}.mov: no such file or folder"
    assert f"error: {tmp_path}/{SAFE}.avi: not a video, or one of a kind" in err
    assert len(out.splitlines()) == 3 and not {"\x1b", "\r"} & {*out, *err}
    assert all(line.startswith(("error: ", "note: ")) for line in lines)


@pytest.mark.usefixtures("impatient")
def test_no_pipe_is_waited_for(command, tmp_path, capsys):
    for name in ("fifo.mp4", "fifo.npz"):
        os.mkfifo(tmp_path / name)
    clip = write_clip(tmp_path / "good.mp4", 20)
    assert command(tmp_path / "fifo.mp4", tmp_path / "fifo.npz", "/dev/zero", "x" * 300, clip) == 2
    err = capsys.readouterr().err
    for line in (
        "fifo.mp4: a pipe, not a video or a landmark file",
        "fifo.npz: a pipe, not a video or a landmark file",
        "/dev/zero: a device, not a video or a landmark file",
        "x: File name too long",
    ):
        assert line in err
    assert "good.json" in names(tmp_path / "out")
    assert command(tmp_path) == 0  # in a folder they are nobody's videos


def test_another_checkpoint_finds_the_poses_again(command, tmp_path, monkeypatch, capsys):
    other = save_run(tmp_path / "other", ANGLES)
    clips = [write_clip(tmp_path / "in" / f"{name}.mp4", n) for name, n in (("a", 40), ("b", 30))]
    save_landmarks(tmp_path / "in" / "c.npz", Landmarks(walking(50), 30.0, 64, 48))
    assert command(*clips, tmp_path / "in" / "c.npz", "--no_video") == 0
    assert "taken from" not in capsys.readouterr().err
    first = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in "ab"}

    def searching(*_):
        pytest.fail("poses are searched again")

    monkeypatch.setattr(extraction, "PoseEstimator", searching)
    monkeypatch.setattr(poses, "PoseEstimator", searching)
    assert command(*clips, "--no_video", output=tmp_path / "again") == 0
    folder = tmp_path / "cache" / "wt_jax" / "landmarks"
    lines = capsys.readouterr().err.splitlines()
    for clip, line in zip(clips, lines, strict=True):
        assert line.startswith(f"poses of {clip} taken from {folder}/")
    for name in "ab":
        assert json.loads((tmp_path / "again" / f"{name}.json").read_text()) == first[name]
    arguments = [str(clips[0]), "--checkpoint", str(other), "--pose_model", str(tmp_path / "model.task")]
    assert predict.main([*arguments, "--output", str(tmp_path / "other_out")]) == 0
    written = json.loads((tmp_path / "other_out" / "a.json").read_text())
    assert written["source"] == first["a"]["source"] and written["model"] != first["a"]["model"]
    (tmp_path / "model.task").write_bytes(b"another")
    with pytest.raises(pytest.fail.Exception):
        command(clips[0], "--no_video")


def test_what_is_kept_and_what_not(command, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "cache" / "wt_jax" / "landmarks"
    clip = write_clip(tmp_path / "a.mp4", 30)
    assert command(clip, "--no_video", "--no_cache") == 0
    assert not folder.exists()
    assert command(clip, "--no_video") == 0
    (kept,) = folder.iterdir()
    before = kept.read_bytes()
    kept.write_bytes(before[:-9])
    capsys.readouterr()
    assert command(clip, "--no_video") == 0  # damaged: made again
    assert kept.read_bytes() == before
    assert command(clip, "--no_video", "--no_cache") == 0
    assert "taken from" not in capsys.readouterr().err
    monkeypatch.setattr(
        Path, "write_bytes", lambda self, _: (_ for _ in ()).throw(OSError(28, "No space left", str(self)))
    )
    write_clip(clip, 25)
    assert command(clip, "--no_video") == 0
    assert (
        f"note: poses of {clip} not kept for another time: [Errno 28] No space left"
        in capsys.readouterr().err
    )


def test_what_is_odd_about_a_video_is_kept_with_its_poses(command, tmp_path, monkeypatch, capsys):
    clip = write_clip(tmp_path / "cut.mp4", 60)
    monkeypatch.setattr(Video, "n_frames", property(lambda _: 120, lambda *_: None), raising=False)
    command(clip, "--no_video")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert command(clip, "--no_video", output=tmp_path / "again") == 0
    said = [json.loads((tmp_path / folder / "cut.json").read_text())["remark"] for folder in ("out", "again")]
    assert said[0] == said[1] and "ends after 2.0 of 4.0 s" in said[0]


@pytest.mark.skipif(not (MODEL.is_file() and VIDEOS.is_dir()), reason="no shared videos beside the checkout")
def test_mediapipe_is_not_started_for_another_checkpoint(run, tmp_path, monkeypatch, capsys):
    """A real video and model: the first time MediaPipe is at work, the second time it is not there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clip = str(VIDEOS / "squats" / "squat_9.mp4")
    common = [clip, "--pose_model", str(MODEL), "--no_video", "--checkpoint"]
    assert predict.main([*common, str(run), "--output", str(tmp_path / "first")]) == 0
    other = save_run(tmp_path / "other", ANGLES)
    monkeypatch.setattr(
        estimator.vision.PoseLandmarker, "create_from_options", lambda _: pytest.fail("started")
    )
    capsys.readouterr()
    assert predict.main([*common, str(other), "--output", str(tmp_path / "second")]) == 0
    assert capsys.readouterr().err.startswith(f"poses of {clip} taken from {tmp_path}/cache/")
    sources = [
        json.loads((tmp_path / folder / "squat_9.json").read_text())["source"]
        for folder in ("first", "second")
    ]
    assert sources[0] == sources[1] and sources[0]["frames_with_person"] > 20
