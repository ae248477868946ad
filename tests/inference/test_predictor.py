"""Predictor: what it restores, what it takes, and that it says what evaluate would."""

import itertools
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from clips import MODEL, VIDEOS, write_clip
from runs import ANGLES, EVERYTHING, POINTS, said, save_run, walking

import wt_jax
from wt_jax.counting.decoding import count_repetitions
from wt_jax.counting.segments import find_segments
from wt_jax.counting.settings import Counting
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.sliding_window import Frames, make_timelines
from wt_jax.pose.extraction import extract
from wt_jax.pose.landmarks import Landmarks
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.training.checkpoint_meta import make_meta
from wt_jax.video.reader import Video

NAMES = {"angles": ANGLES, "points": POINTS}


@pytest.fixture(scope="module", params=NAMES)
def predictor(request, tmp_path_factory):
    workdir = save_run(tmp_path_factory.mktemp("run"), NAMES[request.param])
    return wt_jax.Predictor.restore(workdir)


def test_it_says_what_the_timeline_of_its_frames_says(predictor):
    from wt_jax.pose.joint_angles import angle_sequence, point_sequence

    landmarks = Landmarks(walking(200, 25.0), 25.0, 320, 240)
    args = (landmarks.landmarks_FxLx4, landmarks.times_s, 320, 240)
    frames = Frames(*angle_sequence(*args)[:1], point_sequence(*args), angle_sequence(*args)[1])
    (timeline,) = make_timelines(predictor.options)(predictor.params, [frames])
    prediction = predictor.predict(landmarks)
    np.testing.assert_array_equal(prediction.timeline.signal_F, timeline.signal_F)
    segments = find_segments(timeline, EVERYTHING)
    repetitions = count_repetitions(timeline, EVERYTHING, segments)
    assert [r.start_s for r in prediction.repetitions] == [r.frame / 30 for r in repetitions]
    assert [(s.start_s, s.end_s) for s in prediction.segments] == [
        (s.first / 30, (s.last + 1) / 30) for s in segments
    ]
    assert sum(prediction.counts.values()) == len(repetitions) > 2


def test_times_are_those_of_the_video(predictor):
    landmarks = walking(120)
    times_s = np.arange(120) / 30
    early, late = (
        predictor.predict(Landmarks(landmarks, 30.0, 320, 240, first_s + times_s)) for first_s in (0.0, 7.5)
    )
    assert [r.start_s + 7.5 for r in early.repetitions] == pytest.approx(
        [r.start_s for r in late.repetitions]
    )
    assert late.segments[0].start_s == 7.5
    assert late.segments[-1].end_s == pytest.approx(7.5 + 4)
    for first, prediction in ((0, early), (7.5, late)):
        last = prediction.repetitions[-1]
        assert sum(prediction.so_far(last.start_s)[1].values()) == len(prediction.repetitions)
        assert sum(prediction.so_far(last.start_s - 0.02)[1].values()) == len(prediction.repetitions) - 1
        assert prediction.so_far(first)[0] == prediction.segments[0].exercise
        assert prediction.so_far(first + 99)[0] == prediction.segments[-1].exercise


def test_shares_of_an_image_and_pixels_are_the_same(predictor):
    shares = walking(100)
    pixels = shares[..., :3] * np.array([640, 360, 640])
    of_shares = predictor.predict_landmarks(shares, 30, 640, 360)
    of_pixels = predictor.predict_landmarks(pixels, 30)
    of_metres = predictor.predict_landmarks(pixels / 30_000, 30)
    other = predictor.predict_landmarks(shares, 30)
    for same in (of_pixels, of_metres):
        np.testing.assert_allclose(same.timeline.signal_F, of_shares.timeline.signal_F, atol=2e-3)
    assert np.abs(other.timeline.signal_F - of_shares.timeline.signal_F).max() > 1e-2


@pytest.mark.parametrize("n_columns", [3, 4, 5])
def test_columns_after_z_are_not_read(predictor, n_columns):
    landmarks = np.full((40, 33, n_columns), 7.0)
    landmarks[..., :3] = walking(40)[..., :3]
    expected = predictor.predict_landmarks(walking(40), 30, 640, 360)
    assert said(predictor.predict_landmarks(landmarks, 30, 640, 360)) == said(expected)


@pytest.mark.skipif(
    not (MODEL.is_file() and VIDEOS.is_dir()), reason="no shared model and videos beside the checkout"
)
def test_a_video_is_its_landmarks(tmp_path, monkeypatch):
    """Of a real person: extracted and then predicted; the model is found as the commands find it."""
    predictor = Predictor.restore(save_run(tmp_path, POINTS))
    with Video(VIDEOS / "push-ups" / "push-up_14.mp4") as video:
        frames = [frame for _, frame in itertools.islice(video, 45)]
        clip = write_clip(tmp_path / "clip.mp4", frames, video.fps)
    landmarks = extract(clip, MODEL)
    assert landmarks.seen_F.sum() > 40
    expected = predictor.predict(landmarks)
    monkeypatch.setenv("WT_JAX_POSE_MODEL", str(MODEL))
    prediction = predictor.predict_video(str(clip))
    np.testing.assert_allclose(prediction.timeline.signal_F, expected.timeline.signal_F, atol=1e-6)
    assert said(prediction) == said(expected)
    assert prediction.segments[-1].end_s == pytest.approx(45 / video.fps, abs=0.05)


def test_what_is_no_video(predictor, tmp_path):
    (tmp_path / "model.task").write_bytes(b"junk")
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"--pose_model .*none\.task: no such file"):
        predictor.predict_video(tmp_path / "a.mp4", tmp_path / "none.task")
    with pytest.raises(ValueError, match=r"a\.mp4: an empty file"):
        predictor.predict_video(tmp_path / "a.mp4", tmp_path / "model.task")


def test_nobody_seen(predictor):
    prediction = predictor.predict_landmarks(np.full((50, 33, 4), np.nan), 30)
    assert prediction.exercise is None
    assert prediction.confidence == 0
    assert prediction.repetitions == []
    assert prediction.key_angle_F is None
    assert prediction.document()["exercise"] is None


def test_one_frame(predictor):
    prediction = predictor.predict_landmarks(walking(1), 30)
    assert len(prediction.timeline.signal_F) == 1
    assert prediction.exercise is not None


@pytest.mark.parametrize(
    ("landmarks", "fps", "size", "message"),
    [
        (np.zeros((5, 17, 4)), 30, (1, 1), r"shape \(5, 17, 4\): must be \(frames, 33, 3 or more\)"),
        (np.zeros((5, 33, 2)), 30, (1, 1), r"shape \(5, 33, 2\)"),
        (np.zeros((0, 33, 4)), 30, (1, 1), "one frame at least"),
        (np.full((5, 33, 4), np.inf), 30, (1, 1), "none beyond 1e\\+09 or infinite"),
        (np.full((5, 33, 4), 1e30), 30, (1, 1), "none beyond"),
        (np.full((5, 33, 4), np.inf, np.float16), 30, (1, 1), "none beyond"),
        (
            np.zeros((5, 33, 4)),
            30,
            (1e300, 1),
            r"an image of 1e\+300 x 1 pixels: must be above 0, 1e\+06 at most",
        ),
        (np.full((5, 33, 4), "x"), 30, (1, 1), "must be numbers"),
        (np.zeros((5, 33, 4)), 0, (1, 1), "fps=0: must be from 1 to 1000"),
        (np.zeros((5, 33, 4)), float("nan"), (1, 1), "fps=nan"),
        (np.zeros((5, 33, 4)), 30, (0, 1), "an image of 0 x 1 pixels"),
    ],
)
def test_bad_landmarks(predictor, landmarks, fps, size, message):
    with pytest.raises(ValueError, match=message):
        predictor.predict_landmarks(landmarks, fps, *size)


@pytest.mark.parametrize("value", [1e9, 1e30, np.inf, 1e300])
def test_frames_that_nobody_can_be_in_are_left_out(predictor, value):
    """Of landmarks from elsewhere than a file, where they would be refused: without a word of NumPy's."""
    landmarks = walking(60).astype(np.float64)
    landmarks[20:40, 24, 0] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = Landmarks(landmarks, 30.0, 320, 240)
        prediction = predictor.predict(said)
    is_there_F = (np.arange(60) < 20) | (np.arange(60) >= 40) | (value <= 1e9)
    np.testing.assert_array_equal(said.seen_F, is_there_F)
    np.testing.assert_array_equal(prediction.timeline.valid_F, is_there_F)


def test_starts_of_a_known_exercise(predictor):
    prediction = predictor.predict_landmarks(walking(200), 30, 640, 360)
    starts_s = prediction.starts_as("squats")
    assert len(starts_s) >= len(prediction.repetitions) > 0
    assert (np.diff(starts_s) > 0).all()
    np.testing.assert_allclose(starts_s * 30, np.round(starts_s * 30), atol=1e-6)


def test_the_exercise_is_the_one_done_longest():
    from wt_jax.counting.prediction import read_timeline
    from wt_jax.counting.timeline import Timeline

    classes = ("push-ups", "squats", NO_EXERCISE)
    which = np.repeat([2, 0, 2, 1, 2], [300, 90, 300, 60, 300])
    probabilities = np.eye(3, dtype=np.float32)[which] * 0.8 + 0.1 * np.float32(1)
    signal = np.zeros(len(which), np.float32)
    signal[[320, 360, 700]] = 1
    raw = Counting(smoothing_frames=0, class_smoothing_frames=0, min_segment_frames=30)
    prediction = read_timeline(Timeline(classes, probabilities, signal, np.ones(len(which), bool)), raw, 1.0)
    assert prediction.exercise == "push-ups"
    assert prediction.confidence == pytest.approx(0.9)
    assert prediction.counts == {"push-ups": 2, "squats": 1}
    assert [s.repetitions for s in prediction.segments] == [0, 2, 0, 1, 0]
    assert [r.start_s for r in prediction.repetitions] == pytest.approx([1 + f / 30 for f in (320, 360, 700)])
    document = prediction.document()
    assert document["segments"][1] == {
        "exercise": "push-ups", "start_s": 11.0, "end_s": 14.0, "confidence": 0.9, "repetitions": 2,
        "unknown_repetitions": 0,
    }  # fmt: skip


def test_no_thresholds_is_said(tmp_path, capsys):
    predictor = Predictor.restore(save_run(tmp_path, ANGLES, None))
    assert capsys.readouterr().out == (
        f"note: {tmp_path}: no thresholds were chosen, the defaults are used: its training is not over (1 of "
        "250 epochs): they are chosen at its end; the command that began it goes on with it\n"
    )
    assert predictor.counting == Counting()
    assert predictor.identity["is_calibrated"] is False


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoints; give the workdir"):
        Predictor.restore(tmp_path)
    other = make_meta(ANGLES)["angles"][::-1]
    save_run(tmp_path / "other", ANGLES, angles=other)
    with pytest.raises(ValueError, match="trained on other joint angles"):
        Predictor.restore(tmp_path / "other")
    save_run(tmp_path / "damaged", ANGLES)
    for path in (tmp_path / "damaged" / "checkpoints" / "0" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(ValueError, match="_METADATA: not as it was written"):
        Predictor.restore(tmp_path / "damaged")


def test_the_example_in_the_documentation_runs(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "predict.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    save_run(tmp_path / "checkpoints" / "mine", POINTS)
    np.save(tmp_path / "landmarks.npy", walking(90))
    monkeypatch.chdir(tmp_path)
    shown = []
    exec(program, {"print": lambda *line: shown.append(" ".join(map(str, line)))})
    assert len(shown) > 1
    assert shown[0].split()[0] in POINTS.data.classes
