import cv2
import numpy as np
import pytest
from clips import (
    VIDEOS,
    edit_box,
    noise,
    picture,
    shown,
    ticks_per_second,
    turn,
    vary_rate,
    write_clip,
    write_sound,
)

from wt_jax.video import reader
from wt_jax.video.reader import Video


def frames_of(path):
    with Video(path) as clip:
        times_s, frames = zip(*clip, strict=True)
    return np.array(times_s), frames


@pytest.mark.parametrize("fps", [10.0, 24.0, 30000 / 1001, 60.0, 120.0])
def test_constant_rate(tmp_path, fps):
    path = write_clip(tmp_path / "a.mp4", 12, fps)
    with Video(path) as clip:
        assert clip.fps == pytest.approx(fps, rel=1e-3)
        assert (clip.width_px, clip.height_px, clip.n_frames) == (64, 48, 12)
    times_s, frames = frames_of(path)
    np.testing.assert_allclose(times_s, np.arange(12) / fps, rtol=1e-3)
    assert frames[0].dtype == np.uint8 and frames[0].shape == (48, 64, 3)
    assert [shown(frame) for frame in frames] == list(range(12))


@pytest.mark.parametrize(("suffix", "code"), [("mp4", "mp4v"), ("mkv", "mp4v"), ("avi", "MJPG")])
@pytest.mark.parametrize("fps", [500.0, 600.0, 960.0, 1000.0])
def test_a_high_speed_camera(tmp_path, fps, suffix, code):
    """Its container's rate is no clock's: the timestamps say the same."""
    with Video(write_clip(tmp_path / f"a.{suffix}", 60, fps, code)) as clip:
        assert clip.fps == pytest.approx(fps, rel=1e-3)
        assert clip.promised_s == pytest.approx(60 / fps, rel=0.02)
        times_s = [time_s for time_s, _ in clip]
    np.testing.assert_allclose(times_s, np.arange(60) / fps, atol=1.1e-3)


def test_colours_are_rgb(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    _, frames = frames_of(write_clip(tmp_path / "a.avi", [red] * 3, code="MJPG"))
    assert frames[0].reshape(-1, 3).mean(0) == pytest.approx([200, 0, 0], abs=8)


def test_times_of_a_variable_rate(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 8, 30.0)
    steps = np.array([1, 1, 4, 1, 2, 3, 1, 1])
    vary_rate(path, steps * (ticks_per_second(path) // 30))
    times_s, frames = frames_of(path)
    np.testing.assert_allclose(times_s, np.concatenate([[0], np.cumsum(steps)[:-1]]) / 30, atol=1e-3)
    assert [shown(frame) for frame in frames] == list(range(8))


def test_rotation_is_obeyed(tmp_path):
    upright = np.rot90(picture(9), -1)  # what somebody should see
    path = turn(write_clip(tmp_path / "a.mp4", [picture(9)] * 3))
    with Video(path) as clip:
        assert (clip.width_px, clip.height_px) == (48, 64)
        for frame in (clip.frame(1), next(iter(clip))[1]):
            assert frame.shape == (64, 48, 3)
            assert np.abs(frame.astype(int) - upright).mean() < 4


@pytest.mark.parametrize(
    ("raw_ms", "expected_s"),
    [
        ([0, 33, 67, 100], [0, 0.033, 0.067, 0.1]),
        ([500, 533, 567], [0, 0.033, 0.067]),  # from 0 at the first frame
        ([0, 0, 0, 0], [0, 0.04, 0.08, 0.12]),  # none: at the container's 25 a second
        ([0, 100, 200, 0, 400, 500], [0, 0.1, 0.2, 0.3, 0.4, 0.5]),  # one missing
        ([0, 100, 200, 200, 400], [0, 0.1, 0.2, 0.3, 0.4]),  # one twice
        ([0, 100, 200, 0, 50, 250], [0, 0.1, 0.2, 0.3, 0.35, 0.55]),  # starts over, and goes on from there
        ([0, 100, 200, 9e9, 400], [0, 0.1, 0.2, 0.3, 0.4]),  # one absurd
        ([0, 100, 200, 9e9, 9e9 + 50, 9e9 + 250], [0, 0.1, 0.2, 0.3, 0.35, 0.55]),  # a leap that stays
        ([0, 100, 5100, 5200], [0, 0.1, 5.1, 5.2]),  # a camera that waited
    ],
)
def test_clock(raw_ms, expected_s):
    clock = reader._Clock(25.0)
    assert [clock.tell(ms) for ms in raw_ms] == pytest.approx(expected_s, abs=1e-6)


def test_a_container_without_a_rate(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", 12, 10.0)

    class WithoutRate:
        def __init__(self, *arguments):
            self.capture = cv2.VideoCapture(*arguments)

        def __getattr__(self, name):
            return getattr(self.capture, name)

        def get(self, key):
            return 90000.0 if key == cv2.CAP_PROP_FPS else self.capture.get(key)

    monkeypatch.setattr(reader, "open_source", lambda source: WithoutRate(str(source), cv2.CAP_FFMPEG))
    with Video(path) as clip:
        assert clip.fps == pytest.approx(10.0, rel=1e-3)
        assert shown(clip.frame(2)) == 2  # measuring it lost no frame
        assert clip.promised_s == pytest.approx(12 / 90000)
        monkeypatch.setattr(WithoutRate, "get", lambda self, key: 0.0)
    with Video(path) as clip:
        assert (clip.fps, clip.n_frames, clip.promised_s) == (30.0, 0, 0.0)
        assert [time_s for time_s, _ in clip] == pytest.approx(np.arange(12) / 30)


@pytest.mark.parametrize("seek_back_s", [0.5, 1e-3])  # the second lands too late at times
def test_any_frame_is_the_one_that_iteration_gives(tmp_path, monkeypatch, seek_back_s):
    monkeypatch.setattr(reader, "_SEEK_BACK_S", seek_back_s)
    path = write_clip(tmp_path / "a.mp4", 90, 30.0)
    steps = np.random.default_rng(0).integers(1, 5, 90)
    vary_rate(path, steps * (ticks_per_second(path) // 30))
    _, frames = frames_of(path)
    with Video(path) as clip:
        order = [0, 89, 3, 3, 4, 88, 45, 44, 43, 0, *np.random.default_rng(1).integers(0, 90, 20)]
        for i in order:
            np.testing.assert_array_equal(clip.frame(int(i)), frames[i])
        it = iter(clip)  # and reading along is not disturbed by it
        for i in range(3):
            np.testing.assert_array_equal(next(it)[1], frames[i])
            clip.frame(50)
        with pytest.raises(IndexError, match="frame 90: it has 90 frames"):
            clip.frame(90)
        with pytest.raises(IndexError, match="counted from 0"):
            clip.frame(-1)


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="no shared videos beside the checkout")
def test_any_frame_of_a_real_video():
    path = VIDEOS / "squats" / "squat_9.mp4"  # H.264, with frames that refer to later ones
    _, frames = frames_of(path)
    with Video(path) as clip:
        for i in (60, 20, 21, 5, 71, 0):
            np.testing.assert_array_equal(clip.frame(i), frames[i])


@pytest.mark.parametrize("same", [range(40), [20, 22]])
def test_timestamps_that_come_twice_are_no_guide(tmp_path, same):
    path = write_clip(tmp_path / "a.mp4", 40)
    with Video(path) as clip:
        expected = [clip.frame(i) for i in range(40)]
    with Video(path) as clip:
        clip.frame(39)
        for i in same:
            clip._raw_ms[i] = clip._raw_ms[20]
        np.testing.assert_array_equal(clip.frame(35), expected[35])


BROKEN = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "a folder, not a video"),
    "empty": (lambda path: path.write_bytes(b""), r"an empty file \(0 bytes\)"),
    "text": (lambda path: path.write_text("hello " * 50), "not a video"),
    "sound": (write_sound, "sound alone, no pictures"),
    "sound in mp4": (
        lambda path: edit_box(
            write_clip(path), ("moov", "trak", "mdia", "hdlr"), lambda box: box.replace(b"vide", b"soun")
        ),
        "sound alone, no pictures",
    ),
    "cut mp4": (
        lambda path: path.write_bytes(write_clip(path, noise(20)).read_bytes()[:9000]),
        "cut off: its index",
    ),
    "cut avi": (
        lambda path: path.write_bytes(write_clip(path.with_suffix(".avi"), code="MJPG").read_bytes()[:100]),
        "cut off, damaged, or sound alone",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_no_picture_to_be_had(tmp_path, kind, capfd):
    make, message = BROKEN[kind]
    path = tmp_path / "a.mp4"
    make(path)
    with pytest.raises(ValueError, match=message) as error:
        Video(path)
    assert str(error.value).startswith(f"{path}: ")
    assert capfd.readouterr() == ("", "")  # nothing from FFmpeg and OpenCV between our lines


def test_one_frame(tmp_path):
    times_s, frames = frames_of(write_clip(tmp_path / "a.mp4", 1))
    assert times_s.tolist() == [0.0] and len(frames) == 1


def test_cut_in_the_middle_gives_what_is_there(tmp_path):
    path = write_clip(tmp_path / "a.avi", noise(40), code="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    times_s, _ = frames_of(path)
    assert 10 < len(times_s) < 30


class Camera:
    """Stands for a camera: three frames, then it is unplugged."""

    def __init__(self, number):
        self.left = 3 if number == 0 else 0

    def isOpened(self):
        return True

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, picture(0)

    def read(self):
        return self.grab(), picture(0)

    def get(self, key):
        return 0.0

    def release(self):
        pass


def test_camera(monkeypatch):
    with pytest.raises(ValueError, match="camera 99: not there"):
        Video(99)
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with Video(0) as camera:
        assert (camera.fps, camera.n_frames, camera.width_px) == (30.0, 0, 64)
        times_s = [time_s for time_s, _ in camera]
        assert len(times_s) == 3 and times_s[0] == 0 and (np.diff(times_s) > 0).all()
        with pytest.raises(ValueError, match="its frames come once"):
            camera.frame(0)
    with pytest.raises(ValueError, match="camera 1: gives no picture"):
        Video(1)
