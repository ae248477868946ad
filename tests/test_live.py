"""Frames as they come, and the live command: without a screen, and in a window on a virtual one."""

import json
import re
import signal
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from clips import write_clip
from emulators import objects, put
from runs import POINTS, Walker, save_run, walking
from virtual_screen import until

from wt_jax import live
from wt_jax.inference import pretrained
from wt_jax.inference.live_session import LiveSession
from wt_jax.inference.predictor import Predictor
from wt_jax.pose.landmarks import Landmarks
from wt_jax.runtime import cli
from wt_jax.storage.bucket import Bucket
from wt_jax.video.live_feed import LiveFeed
from wt_jax.video.reader import Video

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("run"), POINTS)


class Camera:
    """A source of numbered frames, each there when somebody says so."""

    def __init__(self, source=0):
        self.source = source
        self.go = threading.Semaphore(0)
        self.n_read = 0

    def __iter__(self):
        for i in range(100):
            self.go.acquire()
            self.n_read += 1
            yield i / 10, np.full((2, 2, 3), i, np.uint8)

    def give(self, n):
        for _ in range(n):
            self.go.release()
        until(lambda: self.go._value == 0, 5)
        time.sleep(0.05)  # the last one is on its way into the slot


def taken(feed):
    time_s, frame = feed.take(1)
    return round(time_s, 6), int(frame[0, 0, 0])


def test_a_frame_not_taken_in_time_is_dropped_and_counted():
    camera = Camera()
    with LiveFeed(camera) as feed:
        camera.give(1)
        assert taken(feed) == (0.0, 0)
        assert feed.take(0.01) is None
        camera.give(4)
        assert taken(feed) == (0.4, 4)
        assert feed.n_dropped == 3
        camera.give(1)
        assert taken(feed) == (0.5, 5)
        assert feed.n_dropped == 3


def test_a_camera_in_a_pause_drops_nothing_and_its_time_stands_still():
    camera = Camera()
    with LiveFeed(camera) as feed:
        camera.give(2)
        taken(feed)
        feed.pause()
        camera.give(20)
        feed.resume()
        n_dropped = feed.n_dropped
        assert n_dropped == 1  # frame 0, before the pause
        camera.give(2)
        assert taken(feed) == (0.1 + 0.5, 23)
        camera.give(1)
        assert taken(feed) == (0.7, 24)


def test_every_frame_waits_and_drops_none():
    camera = Camera("file")
    with LiveFeed(camera, every_frame=True) as feed:
        for _ in range(100):
            camera.go.release()
        time.sleep(0.1)
        assert camera.n_read <= 2
        assert [taken(feed)[1] for _ in range(100)] == list(range(100))
        assert feed.take(0.2) is None
        assert feed.is_over
        assert feed.n_dropped == 0


def test_a_file_is_played_at_its_own_speed(tmp_path):
    with Video(write_clip(tmp_path / "a.mp4", 20, 20.0)) as video, LiveFeed(video) as feed:
        begun_s = time.monotonic()
        times_s = []
        while not feed.is_over:
            if one := feed.take(0.1):
                times_s.append(one[0])
                assert abs(time.monotonic() - begun_s - one[0]) < 0.4
    assert len(times_s) + feed.n_dropped == 20
    assert len(times_s) > 12


def test_a_file_waits_in_a_pause(tmp_path):
    with Video(write_clip(tmp_path / "a.mp4", 20, 20.0)) as video, LiveFeed(video) as feed:
        first_s, _ = feed.take(1)
        feed.pause()
        time.sleep(0.6)
        feed.resume()
        resumed_s = time.monotonic()
        while not feed.is_over:
            feed.take(0.1)
    assert first_s == 0
    assert time.monotonic() - resumed_s > 0.75  # of the 0.95 s that are left: it does not catch up


def test_what_goes_wrong_while_reading_is_told():
    def broken():
        yield 0.0, np.zeros((2, 2, 3), np.uint8)
        raise OSError("unplugged")

    class Broken:
        source = "x"

        def __iter__(self):
            return broken()

    with LiveFeed(Broken(), every_frame=True) as feed:
        feed.take(1)
        with pytest.raises(OSError, match="unplugged"):
            feed.take(1)


class Keys:
    """A window in which these keys are pressed: {frame shown: key}."""

    def __init__(self, keys):
        self.keys, self.n_shown, self.frames, self.is_closed = keys, 0, [], False

    def show(self, frame):
        self.n_shown += 1
        self.frames.append(frame.copy())

    def key(self, wait_ms):
        return self.keys.pop(self.n_shown, None)


@pytest.fixture
def session(run, tmp_path):
    with Video(write_clip(tmp_path / "a.mp4", 120)) as video, LiveFeed(video, every_frame=True) as feed:
        yield LiveSession(video, Predictor.restore(run), feed, Walker(None))


STOP = SimpleNamespace(caught=None)


def test_a_session_counts_what_predict_counts(session, run):
    window = Keys({})
    session.run(window, None, None, STOP)
    expected = Predictor.restore(run).predict(Landmarks(walking(120), 30.0, 64, 48))
    assert session.stream.flush().document() == expected.document()
    assert (session.n_frames, session.n_seen, window.n_shown) == (120, 120, 120)
    assert session.own_ms > 0


def test_keys_reset_pause_and_quit(session):
    window = Keys({30: "r", 50: "space", 51: "space", 80: "q"})
    session.run(window, None, None, STOP)
    assert session.n_frames == 49  # frames 31 to 79; the window showed one more, "paused"
    prediction = session.stream.flush()
    assert prediction.first_s == pytest.approx(1.0)
    assert prediction.segments[0].start_s == pytest.approx(1.0)
    assert (window.frames[50] != window.frames[49]).any()


def test_a_closed_window_a_signal_and_enough_seconds_end_it(session):
    session.run(None, None, 0.5, STOP)
    assert session.last_s == pytest.approx(0.5)
    session.is_over = False
    session.run(None, None, None, SimpleNamespace(caught=signal.SIGINT))
    window = Keys({})
    window.is_closed = True
    session.run(window, None, None, STOP)
    assert session.n_frames == 17


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "0", "--every_frame"], "--every_frame: a camera does not wait"),
        (["--seconds", "soon"], "^--seconds soon: must be a number greater than 0$"),
        (["--seconds", "nan"], "--seconds nan: must be"),
        (["--seconds", "-1"], "--seconds -1: must be"),
        (["--source", "nowhere.mp4"], r"nowhere\.mp4: no such file"),
        (["--source", "77"], "camera 77: not there"),
        (["--source", "123456789"], "camera 123456789: not there"),
        (["--source", "99999999999999999999"], "^--source 99999999999999999999: no camera has this number"),
        (["--source", "9" * 5000], "no camera has this number"),
        (["--source", "rtsp://camera"], "rtsp://camera: must be a place on this machine"),
        (["--source", "/dev/null"], "/dev/null: a device, not a video"),
        (["--output", "a.avi"], r"--output a\.avi: one \.json, one \.mp4"),
        (["--output", "a.json", "b.json"], "one of each"),
        (["--output", "/proc/x/a.json"], "cannot be written"),
        (["--source", "a.mp4", "--output", "a.mp4"], "would write over the source"),
    ],
)
def test_what_cannot_be_done(run, arguments, message):
    with pytest.raises(ValueError, match=message):
        live.main([*arguments, "--headless", "--checkpoint", str(run)])


def test_no_display(run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ValueError, match=r"DISPLAY is not set.*--headless"):
        live.main(["--checkpoint", str(run)])


@pytest.fixture
def walker(monkeypatch):
    monkeypatch.setattr(live, "PoseEstimator", Walker)
    monkeypatch.setattr(live, "pose_model", lambda path: path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_headless(run, walker, tmp_path, capsys):
    clip, outputs = (
        write_clip(tmp_path / "a.mp4", 90),
        [tmp_path / "out" / name for name in ("r.json", "r.mp4")],
    )
    common = ["--headless", "--checkpoint", str(run), "--source", str(clip)]
    assert live.main([*common, "--every_frame", "--output", *map(str, outputs)]) == 0
    written = json.loads(outputs[0].read_text())
    expected = Predictor.restore(run).predict(Landmarks(walking(90), 30.0, 64, 48)).document()
    assert {key: written[key] for key in expected} == expected
    assert written["live"]["dropped_frames"] == 0
    assert (written["source"]["frames"], written["source"]["duration_s"]) == (90, 3.0)
    with Video(outputs[1]) as video:
        assert len(list(video)) == 90
    shown = capsys.readouterr().out
    assert re.search(r"90 frames, 0 dropped; \d+\.\d ms a frame outside MediaPipe", shown)


def test_without_a_checkpoint_the_one_in_the_box_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "BOX", tmp_path / "box")
    with pytest.raises(
        ValueError, match=r"box/checkpoint\.json: cannot be read .*the checkpoint in the box is"
    ):
        live.main(["--headless", "--source", str(write_clip(tmp_path / "a.mp4", 5))])


def test_a_slow_machine_drops_frames_rather_than_lags(run, walker, tmp_path, monkeypatch):
    class Slow(Walker):
        def __call__(self, frame_HxWx3, time_s):
            time.sleep(0.1)
            return super().__call__(frame_HxWx3, time_s)

    monkeypatch.setattr(live, "PoseEstimator", Slow)
    clip = write_clip(tmp_path / "a.mp4", 60)
    common = ["--headless", "--checkpoint", str(run), "--source", str(clip)]
    assert live.main([*common, "--output", str(tmp_path / "r.json"), str(tmp_path / "r.mp4")]) == 0
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["live"]["dropped_frames"] >= 30
    assert written["live"]["dropped_frames"] + written["source"]["frames"] == 60
    with Video(tmp_path / "r.mp4") as video:  # each shown frame stays until the next
        assert len(list(video)) >= 54


def test_a_full_disk_loses_the_video_and_keeps_the_count(run, walker, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError("r.mp4: cannot be written whole: is the disk full?")

    monkeypatch.setattr("wt_jax.video.writer.VideoWriter._check", full)
    clip = write_clip(tmp_path / "a.mp4", 40)
    common = ["--headless", "--every_frame", "--checkpoint", str(run), "--source", str(clip)]
    with pytest.raises(OSError, match="is the disk full"):
        live.main([*common, "--output", str(tmp_path / "r.json"), str(tmp_path / "r.mp4")])
    assert json.loads((tmp_path / "r.json").read_text())["source"]["frames"] == 40
    assert "40 frames" in capsys.readouterr().out
    assert not (tmp_path / "r.mp4").exists()


def test_ctrl_c_writes_what_was_counted(run, walker, tmp_path, monkeypatch):
    class Interrupting(Walker):
        def __call__(self, frame_HxWx3, time_s):
            if time_s > 0.9:
                signal.raise_signal(signal.SIGINT)
            return super().__call__(frame_HxWx3, time_s)

    monkeypatch.setattr(live, "PoseEstimator", Interrupting)
    clip = write_clip(tmp_path / "a.mp4", 90)
    common = ["--headless", "--every_frame", "--checkpoint", str(run), "--source", str(clip)]
    assert live.main([*common, "--output", str(tmp_path / "r.json")]) == cli.INTERRUPTED
    assert json.loads((tmp_path / "r.json").read_text())["source"]["frames"] == 29


def test_a_video_of_a_bucket_and_results_that_go_there(run, walker, s3, tmp_path):
    write_clip(tmp_path / "clips" / "a.mp4", 30)
    source, workdir = f"{put(tmp_path / 'clips', s3)}/a.mp4", put(run, f"{s3}/run")
    common = ["--headless", "--every_frame", "--checkpoint", workdir, "--source", source]
    assert live.main([*common, "--output", f"{s3}/out/r.json", f"{s3}/out/r.mp4"]) == 0
    assert objects(f"{s3}/out") == ["r.json", "r.mp4"]
    written = json.loads(Bucket(f"{s3}/out").read("r.json"))
    assert (written["source"]["path"], written["source"]["frames"]) == (source, 30)
    assert written["model"]["checkpoint"] == workdir
    with pytest.raises(ValueError, match=f"--output {source}: would write over the source"):
        live.main([*common, "--output", source])
    with pytest.raises(ValueError, match="no bucket nowhere"):
        live.main([*common, "--output", "s3://nowhere/r.json"])
