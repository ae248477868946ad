"""Videos that are written and read back."""

import resource

import cv2
import pytest
from clips import grey
from programs import run_python

from wt_jax.video.reader import Video
from wt_jax.video.writer import VideoWriter


def write_video(path, n_frames=20, height=240, width=320, fps=29.97):
    with VideoWriter(path, fps, width, height) as writer:
        for i in range(n_frames):
            frame = grey(height, width, 10 * i)
            frame[..., 0] = 240  # red stays red
            writer.write(frame)


@pytest.mark.parametrize("fps", [10, 29.97, 24000 / 1001, 59.94005, 239.7654])
def test_a_written_video_reads_back(tmp_path, fps):
    write_video(tmp_path / "new" / "v.mp4", fps=fps)
    with Video(tmp_path / "new" / "v.mp4") as video:
        frames = [frame for _, frame in video]
        assert video.fps == pytest.approx(fps, rel=1e-3)
    assert len(frames) == 20
    red, green, _ = frames[5][120, 160]
    assert red > 220
    assert abs(int(green) - 50) < 12
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["v.mp4"]


def test_odd_sizes_lose_their_last_row_and_column(tmp_path):
    write_video(tmp_path / "v.mp4", height=241, width=321)
    with Video(tmp_path / "v.mp4") as video:
        assert (video.height_px, video.width_px) == (240, 320)


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"old")
    with pytest.raises(KeyError), VideoWriter(tmp_path / "v.mp4", 30, 320, 240) as writer:
        writer.write(grey())
        raise KeyError
    assert (tmp_path / "v.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "fps", "frame", "message"),
    [
        ("v.avi", 30, grey(), r"v\.avi: a video is written as \.mp4"),
        ("v.mp4", 0, grey(), "0 frames a second: must be above 0"),
        ("v.mp4", float("nan"), grey(), "nan frames a second"),
        ("v.mp4", 30, grey(10, 10), r"a frame of shape \(10, 10, 3\)"),
        ("v.mp4", 30, grey().astype(float), "float64"),
    ],
)
def test_what_is_no_video(tmp_path, name, fps, frame, message):
    with (
        pytest.raises(ValueError, match=message),
        VideoWriter(tmp_path / name, fps, 320, 240) as writer,
    ):
        writer.write(frame)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("is_file", [True, False])
def test_a_folder_that_cannot_be_written(tmp_path, is_file):
    if is_file:
        (tmp_path / "out").write_text("")
    else:
        (tmp_path / "out").mkdir(mode=0o555)
    writer = VideoWriter(tmp_path / "out" / "v.mp4", 30, 320, 240)
    with pytest.raises(ValueError, match="out: cannot be written: choose another folder"), writer:
        pass
    assert is_file or not any((tmp_path / "out").iterdir())


def test_a_codec_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", staticmethod(lambda *_: 0x3F3F3F3F))
    with pytest.raises(ValueError, match=r"neither H\.264 nor MPEG-4"):
        VideoWriter(tmp_path / "v.mp4", 30, 320, 240).__enter__()
    assert not any(tmp_path.iterdir())


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    """No more than 100 kB may be written by this process, which to the writer is a full disk."""
    program = (
        "import resource, sys, numpy as np\n"
        "from wt_jax.video.writer import VideoWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "with VideoWriter(sys.argv[1], 30, 320, 240) as writer:\n"
        "    for i in range(60):\n"
        "        writer.write(np.random.default_rng(i).integers(0, 255, (240, 320, 3), np.uint8))\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    result = run_python(program, tmp_path / "v.mp4")
    assert "OSError" in result.stderr
    assert "cannot be written whole: is the disk full?" in result.stderr
    assert not any(tmp_path.iterdir())
