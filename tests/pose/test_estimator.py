import hashlib
import io
import urllib.error
import zipfile
from types import SimpleNamespace

import cv2
import mediapipe
import numpy as np
import pytest
from clips import MODEL, VIDEOS
from mediapipe.tasks.python import vision

from wt_jax.pose import estimator, model_file
from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.model_file import pose_model
from wt_jax.video.reader import Video

needs_model = pytest.mark.skipif(not MODEL.is_file(), reason=f"no pose model at {MODEL}")
needs_videos = pytest.mark.skipif(
    not (MODEL.is_file() and VIDEOS.is_dir()), reason="no shared model and videos beside the checkout"
)

PEOPLE = {"small": (0.2, 0.2), "large": (0.5, 0.6), "twin": (0.85, 0.6)}  # name -> x of the middle, height


def scene(*names):
    """A picture of these people: bright where their middle is."""
    frame = np.zeros((40, 100, 3), np.uint8)
    for name in names:
        frame[20, round(100 * PEOPLE[name][0])] = 255
    return frame


def seen(image):
    pixels = image.numpy_view()
    return [name for name, (x, _) in PEOPLE.items() if pixels[20, round(100 * x), 0]]


def body(name):
    x, height = PEOPLE[name]
    rng = np.random.default_rng(0)
    places = rng.uniform(-0.5, 0.5, (33, 2))
    places[[11, 12, 23, 24]] = [(-0.1, -0.3), (0.1, -0.3), (-0.1, 0.1), (0.1, 0.1)]
    return [
        SimpleNamespace(x=x + 0.1 * h * height, y=0.5 + v * height, z=0.0, visibility=1.0) for h, v in places
    ]


class Follower:
    """Stands for MediaPipe with one person: keeps to whom it has, after a loss takes the first it sees."""

    def __init__(self):
        self.person, self.times_ms = None, []

    def detect_for_video(self, image, time_ms):
        assert not self.times_ms or time_ms > self.times_ms[-1]
        self.times_ms.append(time_ms)
        had, there = self.person, seen(image)
        self.person = had if had in there else None if had else next(iter(there), None)
        return SimpleNamespace(pose_landmarks=[body(self.person)] if self.person else [])

    def close(self):
        pass


class Finder:
    def __init__(self):
        self.n_looks = 0

    def detect(self, image):
        self.n_looks += 1
        return SimpleNamespace(pose_landmarks=[body(name) for name in seen(image)])

    def close(self):
        pass


@pytest.fixture
def fakes(monkeypatch):
    fakes = SimpleNamespace(follower=Follower(), finder=Finder())
    monkeypatch.setattr(
        estimator, "_landmarker", lambda _, mode, n: fakes.follower if n == 1 else fakes.finder
    )
    return fakes


def who(landmarks_Lx4):
    x = landmarks_Lx4[:, 0].mean()
    return min(PEOPLE, key=lambda name: abs(PEOPLE[name][0] - x)) if np.isfinite(x) else None


def follow(*scenes):
    with PoseEstimator("a.task") as estimator:
        return [who(estimator(scene(*names), i / 30)) for i, names in enumerate(scenes)]


def test_nobody_is_nan(fakes):
    with PoseEstimator("a.task") as estimator:
        landmarks_Lx4 = estimator(scene(), 0.0)
    assert landmarks_Lx4.shape == (33, 4) and landmarks_Lx4.dtype == np.float32
    assert np.isnan(landmarks_Lx4).all()
    assert fakes.finder.n_looks == 0


def test_one_person_costs_one_look(fakes):
    assert follow(*[("small",)] * 9) == ["small"] * 9
    assert fakes.finder.n_looks == 1


def test_the_largest_begins(fakes):
    both = ("small", "large")
    assert follow((), both, both, both) == [None, "large", "large", "large"]
    assert fakes.finder.n_looks == 1


def test_the_track_goes_on_with_the_same_person(fakes):
    track = follow(("twin",), ("twin",), (), (), ("small", "large", "twin"), ("small", "large", "twin"))
    assert track == ["twin", "twin", None, None, "twin", "twin"]


def test_nobody_else_is_somebody(fakes):
    assert follow(("large",), (), ("small",), ("small",)) == ["large", None, "small", "small"]


def test_times_that_milliseconds_cannot_tell_apart(fakes):
    with PoseEstimator("a.task") as estimator:
        for i in range(5):
            estimator(scene("small"), i * 1e-4)
    assert fakes.follower.times_ms == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such pose model"),
        (b"", "not a pose model, or cut off"),
        (b"hello", "not a pose model, or cut off"),
        ({"face_detector.tflite": b"x"}, "a model of something else"),
        (dict.fromkeys(estimator._PARTS, b"junk"), "MediaPipe cannot use it"),
    ],
)
def test_wrong_model_files(tmp_path, content, message, capfd):
    path = tmp_path / "a.task"
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        PoseEstimator(path)
    assert str(path) in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv(model_file.ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "wt_jax"


def serve(monkeypatch, content):
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setitem(model_file._DIGESTS, "lite", (hashlib.sha256(b"a model").hexdigest(),))
    return asked


def test_a_named_model_is_used_as_it_is(tmp_path, cache, monkeypatch):
    asked = serve(monkeypatch, b"a model")
    mine, other = tmp_path / "mine.task", tmp_path / "other.task"
    mine.write_bytes(b"mine")
    other.write_bytes(b"other")
    monkeypatch.setenv(model_file.ENVIRONMENT, str(other))
    assert pose_model(str(mine)) == mine
    assert pose_model() == other
    assert not asked
    with pytest.raises(ValueError, match="--pose_model nowhere: no such file"):
        pose_model("nowhere")
    monkeypatch.setenv(model_file.ENVIRONMENT, "nowhere")
    with pytest.raises(ValueError, match="WT_JAX_POSE_MODEL nowhere: no such file"):
        pose_model()


def test_download_once(cache, monkeypatch):
    asked = serve(monkeypatch, b"a model")
    path = pose_model(size="lite")
    assert path == cache / "pose_landmarker_lite.task" and path.read_bytes() == b"a model"
    assert pose_model(size="lite") == path and len(asked) == 1
    assert asked[0].endswith("/pose_landmarker_lite/float16/1/pose_landmarker_lite.task")
    path.write_bytes(b"a mod")  # damaged since
    assert pose_model(size="lite").read_bytes() == b"a model"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a mod", "5 bytes of SHA-256 [0-9a-f]{64} came, not the expected ones"),
        (
            urllib.error.URLError("no route"),
            "cannot be downloaded .*no route.*name the file with --pose_model",
        ),
        (OSError(28, "No space left on device"), "cannot be downloaded .*No space left"),
    ],
)
def test_a_download_that_fails_leaves_nothing(cache, monkeypatch, content, message):
    serve(monkeypatch, content)
    with pytest.raises(ValueError, match=message):
        pose_model(size="lite")
    assert not cache.exists() or not any(cache.iterdir())


def test_sizes():
    with pytest.raises(ValueError, match="--pose_size huge: must be lite, full, heavy"):
        pose_model(size="huge")
    assert all(len(digest) == 64 for digests in model_file._DIGESTS.values() for digest in digests)


@needs_model
def test_mediapipe_says_nothing_in_between(capfd):
    with PoseEstimator(MODEL) as landmarks_of:
        assert np.isnan(landmarks_of(np.zeros((48, 64, 3), np.uint8), 0.0)).all()
    assert capfd.readouterr() == ("", "")


@needs_videos
def test_mediapipe_says_nothing_from_beginning_to_end(capfd):
    with Video(VIDEOS / "squats" / "squat_17.mp4") as clip:
        frames = [clip.frame(i) for i in range(3)]
    with PoseEstimator(MODEL) as estimate:
        people = [estimate(frame, i / 25) for i, frame in enumerate(frames)]
    assert np.isfinite(people).all()  # both networks were at work, and the finder was asked
    assert capfd.readouterr() == ("", "")


@needs_videos
def test_one_person_is_what_mediapipe_alone_gives():
    with Video(VIDEOS / "squats" / "squat_17.mp4") as clip:
        frames = [clip.frame(i) for i in range(30)]
    with PoseEstimator(MODEL) as estimate:
        ours = [estimate(frame, i / 25) for i, frame in enumerate(frames)]
    bare = estimator._landmarker(MODEL, vision.RunningMode.VIDEO, 1)
    for i, frame in enumerate(frames):
        (person,) = bare.detect_for_video(
            mediapipe.Image(mediapipe.ImageFormat.SRGB, frame), i * 40
        ).pose_landmarks
        np.testing.assert_array_equal(ours[i], estimator._as_array(person))
    bare.close()


@needs_videos
def test_the_larger_of_two_real_people():
    """Side by side: of these two MediaPipe alone takes the smaller."""
    with Video(VIDEOS / "dips" / "dips_8.mp4") as clip:
        large = cv2.resize(clip.frame(20)[44:720, 294:979], (607, 600))
    with Video(VIDEOS / "squats" / "squat_18.mp4") as clip:
        small = cv2.resize(clip.frame(20)[111:720, 360:766], (240, 360))
    frame = np.full((600, 607 + 40 + 240, 3), 128, np.uint8)
    frame[:, :607], frame[240:, -240:] = large, small
    alone = estimator._landmarker(MODEL, vision.RunningMode.VIDEO, 1)
    image = mediapipe.Image(mediapipe.ImageFormat.SRGB, frame)
    (person,) = alone.detect_for_video(image, 0).pose_landmarks
    alone.close()
    assert estimator._as_array(person)[:, 0].mean() * frame.shape[1] > 607 + 40
    with PoseEstimator(MODEL) as estimate:
        for i in range(4):
            assert estimate(frame, i / 25)[:, 0].mean() * frame.shape[1] < 607
