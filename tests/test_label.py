"""The label command: where labels go, what it proposes, what it draws, and its window on a virtual screen."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import ANGLES, save_box

from wt_jax import label
from wt_jax.inference import pretrained
from wt_jax.labeling import proposals, view
from wt_jax.labeling.editor import KEYS, Editor
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.pose import extraction
from wt_jax.pose.landmarks import save_landmarks

REAL_CLIP = Path(__file__).resolve().parents[2] / "shared" / "videos" / "raw" / "squats" / "squat_17.mp4"
N_FRAMES, FPS = 100, 25


@pytest.mark.parametrize(
    ("video", "root", "class_name", "expected"),
    [
        ("/d/raw/squats/v.mp4", None, None, "/d/labels/squats/v.csv"),
        ("/d/raw/lunges/v.part1.MOV", None, None, "/d/labels/lunges/v.part1.csv"),
        ("/d/raw/squats/v.mp4", "mine", None, "mine/labels/squats/v.csv"),
        ("/d/raw/squats/v.mp4", None, "dips", "/d/labels/dips/v.csv"),
        ("/d/v.mp4", None, "dips", "data/labels/dips/v.csv"),
        ("/d/v.mp4", "mine", "dips", "mine/labels/dips/v.csv"),
    ],
)
def test_where_labels_go(video, root, class_name, expected):
    assert label.label_path(Path(video), root, class_name) == Path(expected)


def test_a_relative_path_inside_the_class_folder(tmp_path, monkeypatch):
    (tmp_path / "raw" / "dips").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "raw" / "dips")
    assert label.label_path(Path("v.mp4"), None, None) == tmp_path / "labels" / "dips" / "v.csv"


@pytest.mark.parametrize(
    ("video", "class_name", "message"),
    [
        ("/d/v.mp4", None, r"v\.mp4: not in raw/<class>/, so which exercise is it\? say --class NAME"),
        ("/d/raw/no_exercise/v.mp4", None, "no-exercise has no repetitions"),
        ("/d/v.mp4", "no-exercise", "no-exercise has no repetitions"),
        ("/d/v.mp4", "", "--class '': must be the name of a class"),
        ("/d/v.mp4", "../x", r"--class '\.\./x': must be"),
        ("/d/v.mp4", "..", r"--class '\.\.': must be"),
        ("/d/v.mp4", "a\nb", r"--class 'a\\nb': must be"),
        ("/d/raw/.hidden/v.mp4", None, r"v\.mp4: folder '\.hidden': must be the name of a class"),
    ],
)
def test_no_class(video, class_name, message):
    with pytest.raises(ValueError, match=message):
        label.label_path(Path(video), None, class_name)


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_proposals_are_frames_of_the_video(fps, squatting):
    starts = proposals.propose(squatting(4 * fps, fps), "squats")
    assert starts.dtype == np.int32
    np.testing.assert_allclose(starts / fps, [1.0, 2.4], atol=0.15)


def test_no_proposals_where_nothing_moves(squatting):
    assert proposals.propose(squatting(24), "squats").size == 0


@pytest.fixture
def session(tmp_path):
    file = MarkedStartsFile(tmp_path / "v.csv")
    return Editor(file.load(N_FRAMES), file, np.arange(N_FRAMES) / FPS)


def marks_seen(canvas):
    """Columns of the timeline's middle that are yellow, in frames."""
    yellow = np.flatnonzero((canvas[-30] == view._YELLOW).all(-1))
    middles = yellow[1::3] - view._MARGIN_PX
    return (middles / (view._WIDTH_PX - 2 * view._MARGIN_PX) * (N_FRAMES - 1)).round().tolist()


def test_the_timeline_shows_the_marks(session):
    picture = np.full((90, 160, 3), 90, np.uint8)
    assert marks_seen(view.draw(picture, session)) == []
    session.marks.replace([0, 40, 99])
    assert marks_seen(view.draw(picture, session)) == [0, 40, 99]


def test_a_marked_frame_has_a_frame_around_it(session):
    picture = np.full((90, 160, 3), 90, np.uint8)
    session.marks.replace([40])
    is_framed = []
    for cursor in (39, 40, 41):
        session.marks.go_to(cursor)
        is_framed.append(tuple(view.draw(picture, session)[300, 2]) == view._YELLOW)
    assert is_framed == [False, True, False]


def test_help_question_and_message_are_drawn(session):
    picture = np.full((90, 160, 3), 90, np.uint8)
    plain = view.draw(picture, session)
    session.shows_help = True
    assert (view.draw(picture, session) != plain)[300].any()
    session.shows_help, session.message = False, "saved: 3 marks"
    with_message = view.draw(picture, session)
    assert (with_message != plain)[:100].any()
    session.is_asking = True
    assert (view.draw(picture, session) != with_message)[:100].any()


def test_help_lists_the_keys(capsys):
    with pytest.raises(SystemExit):
        label.main(["--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"{keys} +{what}", shown) for keys, what in KEYS)


def test_no_display(clip, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ValueError, match="no window: DISPLAY is not set"):
        label.main([str(clip)])
    assert not (clip.parents[2] / "labels").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clip: clip.write_bytes(b""), r"clip\.mp4: an empty file"),
        (lambda clip: clip.unlink(), r"clip\.mp4: no such file"),
        (lambda clip: clip.parents[2].chmod(0o555), r"labels/squats: cannot be written: say --data ROOT"),
        (lambda clip: write(clip, "frame,label\n100,1\n"), r"clip\.csv:2: frame=100 .* has 100 frames"),
    ],
)
def test_what_cannot_be_labelled(clip, monkeypatch, change, message):
    monkeypatch.setattr(label, "check_display", lambda: None)
    change(clip)
    with pytest.raises(ValueError, match=message):
        label.main([str(clip)])


def write(clip, text):
    path = clip.parents[2] / "labels" / "squats" / "clip.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_landmarks_of_another_video(clip, squatting, monkeypatch):
    monkeypatch.setattr(label, "check_display", lambda: None)
    save_landmarks(clip.parents[2] / "landmarks" / "squats" / "clip.npz", squatting(90))
    with pytest.raises(ValueError, match=r"clip\.npz: landmarks of 90 frames, but .*clip\.mp4 has 100"):
        label.main([str(clip), "--propose"])


@pytest.mark.parametrize(("options", "is_kept"), [([], True), (["--class", "lunges"], False)])
def test_landmarks_are_found_where_there_are_none(clip, squatting, monkeypatch, capsys, options, is_kept):
    """They are kept for build_dataset where it would look for them: not for a video of no folder in raw/."""
    asked = []
    monkeypatch.setattr(extraction, "extract", lambda *paths: asked.append(paths) or squatting())
    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", lambda *_: None)
    monkeypatch.setattr(label, "restore", lambda *_: (None, "the joint angle"))
    model = clip.parent / "a.task"
    model.touch()
    label.main([str(clip), "--propose", "--pose_model", str(model), *options])
    assert asked == [(clip, model)]
    assert "2 repetitions proposed by the joint angle: look at each" in capsys.readouterr().out
    kept = [path.relative_to(clip.parents[2]) for path in clip.parents[2].rglob("*.npz")]
    assert kept == ([Path("landmarks/squats/clip.npz")] if is_kept else [])


@pytest.mark.parametrize(
    ("class_name", "says"),
    [
        ("squats", r"note: pretrained, .*\n1 repetitions proposed by pretrained: look at each\n"),
        ("lunges", r"0 repetitions proposed by the joint angle \(the .* in the box knows no lunges\): .*\n"),
    ],
)
def test_the_checkpoint_in_the_box_proposes_where_it_knows_the_exercise(
    clip, squatting, tmp_path, monkeypatch, capsys, class_name, says
):
    monkeypatch.setattr(pretrained, "BOX", save_box(tmp_path, ANGLES))
    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", lambda *_: None)
    monkeypatch.setattr(label, "propose", lambda *given: np.arange(given[2] is not None))
    save_landmarks(clip.parents[2] / "landmarks" / class_name / "clip.npz", squatting())
    label.main([str(clip), "--propose", "--class", class_name])
    assert re.match(says, capsys.readouterr().out)


def test_marks_that_cannot_be_kept_are_printed(clip, monkeypatch):
    def person(video, session, title):
        session.marks.replace([7, 40])
        monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))

    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", person)
    with pytest.raises(ValueError, match=r"nothing saved .*No space left.*; the marks: 7 40"):
        label.main([str(clip)])
