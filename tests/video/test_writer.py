"""Videos that are written and read back."""

import resource
import sys

import av
import cv2
import numpy as np
import pytest
from clips import grey
from programs import run_python

from wt_jax.video import encoders
from wt_jax.video.reader import Video
from wt_jax.video.writer import VideoWriter


@pytest.fixture(params=["H.264", "MPEG-4"])
def codec(request, monkeypatch):
    """What this machine can write: with PyAV, or without it."""
    if request.param == "MPEG-4":
        monkeypatch.setitem(sys.modules, "av", None)
        encoders._say_how_to_convert.cache_clear()
    return request.param


def write_video(path, n_frames=20, height=240, width=320, fps=29.97):
    with VideoWriter(path, fps, width, height) as writer:
        for i in range(n_frames):
            frame = grey(height, width, 10 * i)
            frame[..., 0] = 240  # red stays red
            writer.write(frame)


@pytest.mark.parametrize("fps", [10, 29.97, 24000 / 1001, 59.94005, 239.7654])
def test_a_written_video_reads_back(tmp_path, fps, codec):
    write_video(tmp_path / "new" / "v.mp4", fps=fps)
    with Video(tmp_path / "new" / "v.mp4") as video:
        frames = [frame for _, frame in video]
        assert video.fps == pytest.approx(fps, rel=1e-3)
    assert len(frames) == 20
    red, green, _ = frames[5][120, 160]
    assert red > 220
    assert abs(int(green) - 50) < 12
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["v.mp4"]


def test_browsers_and_phones_play_it(tmp_path, capfd):
    """H.264 of 4:2:0, its colours named, and its index first: a page shows it before all is there."""
    write_video(tmp_path / "v.mp4", fps=24000 / 1001)
    with av.open(str(tmp_path / "v.mp4")) as container:
        (stream,) = container.streams
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.frames) == ("h264", "yuv420p", 20)
        colours = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert colours == (1, 1, 1, 1)  # BT.709, in video's range
        assert float(stream.average_rate) == pytest.approx(24000 / 1001, rel=1e-6)
        decoded = list(container.decode(video=0))
    assert [float(frame.time) for frame in decoded] == pytest.approx([i * 1001 / 24000 for i in range(20)])
    written = (tmp_path / "v.mp4").read_bytes()
    assert 0 < written.index(b"moov") < written.index(b"mdat")
    assert capfd.readouterr() == ("", "")  # nor do libraries say anything


def test_frames_come_back_in_order_and_nearly_as_they_were(tmp_path, codec):
    """Soft shapes and drawn lines that move: no frame is missing, or in another's place."""
    y, x = np.mgrid[:240, :320]
    frames = []
    for i in range(60):
        frame = np.stack([x * 0.7, y + 0 * x, 128 + 90 * np.sin((x + y + 5 * i) / 40)], -1).astype(np.uint8)
        cv2.line(frame, (5 * i, 20), (320 - 5 * i, 220), (255, 140, 0), 3)
        frames.append(frame)
    with VideoWriter(tmp_path / "v.mp4", 30, 320, 240) as writer:
        for frame in frames:
            writer.write(frame)
    with Video(tmp_path / "v.mp4") as video:
        read = np.array([frame for _, frame in video], np.float64)
    assert len(read) == 60
    off = read - np.array(frames)
    assert np.abs(off.mean((0, 1, 2))).max() < 3  # red, green and blue, of 255
    luma = np.array([0.2126, 0.7152, 0.0722])  # colours are kept at half the size
    assert 10 * np.log10(255**2 / np.square(off @ luma).mean((1, 2))).min() > 38  # dB, signal to noise
    distance = np.array([[np.square(a - b).mean() for b in frames] for a in read[::7]])
    assert distance.argmin(1).tolist() == list(range(0, 60, 7))


@pytest.mark.parametrize("missing", ["PyAV", "x264"])
def test_a_machine_without_h264_says_once_how_to_convert(tmp_path, monkeypatch, capsys, missing):
    encoders._say_how_to_convert.cache_clear()
    if missing == "PyAV":
        monkeypatch.setitem(sys.modules, "av", None)
    else:
        monkeypatch.setattr(encoders, "_CODEC", "a codec that nobody has")
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", n_frames=3)
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("note: videos are written as MPEG-4, which browsers and phones do not play: pip")
    assert "ffmpeg -i OLD.mp4 -c:v libx264 -pix_fmt yuv420p" in line
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def test_odd_sizes_lose_their_last_row_and_column(tmp_path, codec):
    write_video(tmp_path / "v.mp4", height=241, width=321)
    with Video(tmp_path / "v.mp4") as video:
        assert (video.height_px, video.width_px) == (240, 320)


def test_an_error_in_the_block_leaves_the_old_file(tmp_path, codec):
    (tmp_path / "v.mp4").write_bytes(b"old")
    with pytest.raises(KeyError), VideoWriter(tmp_path / "v.mp4", 30, 320, 240) as writer:
        writer.write(grey())
        raise KeyError
    assert (tmp_path / "v.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_video_without_frames_is_written(tmp_path, codec):
    write_video(tmp_path / "v.mp4", n_frames=0)
    assert b"moov" in (tmp_path / "v.mp4").read_bytes()


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


def test_a_size_that_is_none(tmp_path):
    with pytest.raises(ValueError, match=r"v.mp4: a video of 320x1 pixels: must be 2x2 at least"):
        VideoWriter(tmp_path / "v.mp4", 30, 320, 1)


def test_a_size_that_nothing_can_write(tmp_path):
    with pytest.raises(ValueError, match=r"neither PyAV nor OpenCV can write a video of 320000x2 pixels"):
        VideoWriter(tmp_path / "v.mp4", 30, 320_000, 2).__enter__()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("prelude", ["", "sys.modules['av'] = None\n"], ids=["H.264", "MPEG-4"])
@pytest.mark.parametrize("n_frames", [2, 60])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, prelude, n_frames):
    """No more than 50 kB may be written by this process, which to the writer is a full disk.

    Two frames are still in the encoder when the block ends; of 60 some fail to be written before.
    """
    program = (
        f"import resource, sys, numpy as np\n{prelude}"
        "from wt_jax.video.writer import VideoWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "with VideoWriter(sys.argv[1], 30, 320, 240) as writer:\n"
        f"    for i in range({n_frames}):\n"
        "        writer.write(np.random.default_rng(i).integers(0, 255, (240, 320, 3), np.uint8))\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    result = run_python(program, tmp_path / "v.mp4")
    assert "OSError" in result.stderr
    assert "cannot be written whole: is the disk full?" in result.stderr.splitlines()[-1]
    assert not any(tmp_path.iterdir())
