"""The label command: where labels go, what it proposes, what it draws, and its window on a virtual screen."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from emulators import objects, put
from runs import ANGLES, save_box

from wt_jax import label
from wt_jax.check_labels import command_for
from wt_jax.inference import pretrained
from wt_jax.labeling import curve_view, proposals, session, view
from wt_jax.labeling.curves import make_curves
from wt_jax.labeling.editor import KEYS, Editor
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.labeling.worklist import Worklist
from wt_jax.pose import extraction
from wt_jax.pose.landmarks import save_landmarks
from wt_jax.storage.bucket import Bucket

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
        ("/d/landmarks/dips/v.npz", None, None, "/d/labels/dips/v.csv"),
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


PICTURE = view.fit_picture(np.full((90, 160, 3), 90, np.uint8))


@pytest.fixture
def editor(tmp_path):
    file = MarkedStartsFile(tmp_path / "squats" / "v.csv")
    return Editor(file.load(N_FRAMES), file, np.arange(N_FRAMES) / FPS)


def frames_of(box, canvas, colour):
    """Where lines of this colour stand in a box of the timeline, in frames: all of the video is shown."""
    row = canvas[(box.top + box.bottom) // 2, box.left - 1 : box.right + 1]
    columns = np.flatnonzero((row == colour).all(-1))
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    px_a_frame = (box.right - 1 - box.left) / (N_FRAMES - 1)
    return [round((run.mean() - 1) / px_a_frame) for run in runs if run.size]


@pytest.mark.parametrize("box", [curve_view.CURVES, curve_view.OVERVIEW])
def test_the_timeline_shows_the_marks_and_the_cursor(editor, box):
    assert frames_of(box, view.draw(PICTURE, editor), curve_view.YELLOW) == []
    editor.marks.replace([0, 40, 46, 99])
    editor.marks.go_to(70)
    canvas = view.draw(PICTURE, editor)
    assert frames_of(box, canvas, curve_view.WHITE) == [70]
    assert frames_of(box, canvas, curve_view.YELLOW) == [0, 40, 99]
    assert frames_of(box, canvas, curve_view.RED) == [46]  # 0.24 s after another


def test_the_curves_stand_behind_the_marks(editor, squatting):
    editor.marks.replace([60])
    curves = make_curves(squatting(), "squats")
    without = view.draw(PICTURE, editor, None, "no curves: they need landmarks")
    canvas = view.draw(PICTURE, editor, curves)
    box = curve_view.CURVES
    apart = np.abs(canvas[box.top : box.bottom].astype(int) - curve_view._CURVE_COLOURS[0]).sum(-1)
    scale = curve_view.scale_of("curves", editor)
    heights = [apart[:, scale.x(time_s)].argmin() for time_s in (0.5, 1.5)]
    assert heights[1] - heights[0] > 60  # a bent knee is low
    assert frames_of(box, canvas, curve_view.YELLOW) == [60]
    assert (without[box.top : box.bottom] != canvas[box.top : box.bottom]).any()


def test_a_marked_frame_has_a_frame_around_it(editor):
    editor.marks.replace([40])
    is_framed = []
    for cursor in (39, 40, 41):
        editor.marks.go_to(cursor)
        picture = view.draw(PICTURE, editor)[:, view._PICTURE.left :]
        is_framed.append(tuple(picture[300, 2]) == curve_view.YELLOW)
    assert is_framed == [False, True, False]


def test_help_question_message_and_warning_are_drawn(editor):
    plain = view.draw(PICTURE, editor)
    editor.shows_help = True
    assert (view.draw(PICTURE, editor) != plain)[300].any()
    editor.shows_help, editor.message = False, "saved: 3 marks"
    with_message = view.draw(PICTURE, editor)
    assert (with_message != plain)[:240, :400].any()
    assert (with_message == plain)[:, 400:].all()
    editor.is_asking = True
    assert (view.draw(PICTURE, editor) != with_message)[:300].any()
    editor.is_asking = False
    editor.marks.replace([40, 41])
    red = (view.draw(PICTURE, editor)[:300, :400] == curve_view.RED).all(-1)
    assert red.any()


def test_a_folder_is_listed_beneath_what_is_said(editor, tmp_path):
    """However much there is to say: no two texts lie on each other."""
    files = [MarkedStartsFile(tmp_path / "squats" / f"v{i}.csv") for i in range(30)]
    worklist = Worklist([Path(f"v{i}.mp4") for i in range(30)], files)
    editor.is_asking = True
    editor.marks.replace([40, 41])
    alone = (view.draw(PICTURE, editor)[:, :400] != curve_view.DARK).any(-1)[: view._PICTURE.bottom - 26]
    canvas = (view.draw(PICTURE, editor, None, "", worklist)[:, :400] != curve_view.DARK).any(-1)
    last = np.flatnonzero(alone.any(1))[-1]
    assert (canvas[: last + 1] == alone[: last + 1]).all()
    assert canvas[last + 1 : view._PICTURE.bottom - 26].any()


def test_help_lists_the_keys(capsys):
    with pytest.raises(SystemExit):
        label.main(["--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"{keys} +{what}", shown) for keys, what in KEYS)
    page = (Path(__file__).parents[1] / "docs" / "labelling.md").read_text().replace("`", "")
    assert all(f"| {keys} | {what} |\n" in page for keys, what in KEYS if keys != "mouse")


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
        ("lunges", r"0 repetitions proposed by what repeats \(the .* in the box knows no lunges\): .*\n"),
    ],
)
def test_the_checkpoint_in_the_box_proposes_where_it_knows_the_exercise(
    clip, squatting, tmp_path, monkeypatch, capsys, class_name, says
):
    monkeypatch.setattr(pretrained, "BOX", save_box(tmp_path, ANGLES))
    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", lambda *_: None)
    monkeypatch.setattr(session, "propose", lambda *given: np.arange(given[2] is not None))
    save_landmarks(clip.parents[2] / "landmarks" / class_name / "clip.npz", squatting())
    label.main([str(clip), "--propose", "--class", class_name])
    assert re.match(says, capsys.readouterr().out)


@pytest.mark.parametrize("class_name", ["squats", "lunges"])
def test_a_checkpoint_proposes_what_it_knows(monkeypatch, class_name):
    known = SimpleNamespace(classes=("squats", "no-exercise"))
    monkeypatch.setattr("wt_jax.inference.predictor.Predictor.restore", lambda _: known)
    unknown = None, "what repeats (some/run knows no lunges)"
    expected = (known, "some/run") if class_name == "squats" else unknown
    assert label.restore("some/run", class_name) == expected


def test_marks_that_cannot_be_kept_are_printed(clip, monkeypatch):
    def person(session, title):
        session.editor.marks.replace([7, 40])
        monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))

    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", person)
    with pytest.raises(ValueError, match=r"nothing saved .*No space left.*; the marks: 7 40"):
        label.main([str(clip)])


def touched(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("raw/squats", ["squats/a.mp4", "squats/b.MOV"]),
        ("raw", ["dips/c.mp4", "squats/a.mp4", "squats/b.MOV"]),
        (".", ["dips/c.mp4", "squats/a.mp4", "squats/b.MOV"]),
        ("landmarks", ["squats/d.npz"]),
    ],
)
def test_what_there_is_to_label_in_a_folder(tmp_path, given, found):
    touched(tmp_path, *(f"raw/{name}" for name in ("squats/a.mp4", "squats/b.MOV", "squats/.c.mp4")))
    touched(tmp_path, *(f"raw/{name}" for name in ("squats/notes.txt", "dips/c.mp4", "no_exercise/e.mp4")))
    touched(tmp_path, "landmarks/squats/d.npz", "labels/squats/a.csv")
    videos = label.find_videos(tmp_path / given)
    assert [f"{video.parent.name}/{video.name}" for video in videos] == found


def test_a_folder_without_videos(tmp_path):
    touched(tmp_path, "raw/no-exercise/a.mp4", "raw/squats/a.txt")
    with pytest.raises(ValueError, match=r"raw: no videos \(\.mp4 .*\) to label: give a folder of"):
        label.main([str(tmp_path / "raw")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no video given"),
        (["v.mp4", "--folds", "3"], "--folds 3: is for --check"),
        (["v.mp4", "--propose", "--checkpoint", "a", "--checkpoint", "b"], "--checkpoint b: is the second"),
        (["v.mp4", "--check", "root"], "--check root: goes without video: v.mp4"),
        (["--check", "root", "--propose"], "--check root: goes without --propose"),
        (["--check", "root", "--folds", "1"], "--folds 1: must be 2 or more"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        label.main(options)


def test_landmarks_alone_are_labelled_too(tmp_path, squatting, monkeypatch, capsys):
    """Their skeleton is the picture."""
    path = tmp_path / "landmarks" / "squats" / "v.npz"
    save_landmarks(path, squatting())
    drawn = []

    def person(session, title):
        drawn.append(view.draw(view.fit_picture(session.film.frame(37)), session.editor, session.curves))
        session.editor.press("s", 0.0)

    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", person)
    assert label.main([str(path), "--propose", "--class", "lunges"]) == 0
    orange = (drawn[0][: view._PICTURE.bottom, view._PICTURE.left :] == (255, 140, 0)).all(-1)
    assert orange.any()
    assert "2 repetitions in " in capsys.readouterr().out
    assert (tmp_path / "labels" / "lunges" / "v.csv").exists()


def test_the_last_line_warns_of_marks_that_are_too_close(clip, monkeypatch, capsys):
    def person(session, title):
        session.editor.marks.replace([7, 40, 46, 90])
        session.editor.press("s", 0.0)

    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", person)
    label.main([str(clip)])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("4 repetitions in ")
    assert last.endswith("; warning: 1 under 0.3 s after another, at frame 46")


def test_a_video_of_a_bucket_whose_labels_go_back_as_they_are_saved(
    clip, squatting, s3, tmp_path, monkeypatch, capsys
):
    save_landmarks(clip.parents[2] / "landmarks" / "squats" / "clip.npz", squatting())
    data = put(clip.parents[2], f"{s3}/data")
    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", lambda session, _: [session.editor.press(key, 0.0) for key in "ms"])
    assert label.main([f"{data}/raw/squats/clip.mp4"]) == 0
    assert capsys.readouterr().out == f"1 repetitions in {data}/labels/squats/clip.csv\n"
    saved = Bucket(data).read("labels/squats/clip.csv")
    assert saved.splitlines()[1] == b"0,1"
    assert objects(data) == ["labels/squats/clip.csv", "landmarks/squats/clip.npz", "raw/squats/clip.mp4"]

    def away(*_):
        raise ValueError("the bucket is away")

    with monkeypatch.context() as broken:
        broken.setattr(Bucket, "send", away)
        label.main([f"{data}/raw/squats/clip.mp4"])  # unmarks it, and cannot save that
    assert capsys.readouterr().out.startswith("NOT saved: 0 marks, kept as a draft")
    assert Bucket(data).read("labels/squats/clip.csv") == saved
    label.main([f"{data}/raw/squats/clip.mp4"])  # goes on with the draft: marks it again
    assert capsys.readouterr().out == f"1 repetitions in {data}/labels/squats/clip.csv\n"
    assert not [path for path in tmp_path.joinpath("cache").rglob("*.mp4") if path.stat().st_size]


def test_what_there_is_to_label_in_a_bucket(s3, tmp_path):
    touched(tmp_path, "raw/squats/a.mp4", "raw/dips/b.mp4", "more/c.mp4")
    data = put(tmp_path, f"{s3}/data")
    for given, found in (("", ["a.mp4", "b.mp4"]), ("/raw/dips", ["b.mp4"]), ("/more", ["c.mp4"])):
        videos = label.find_videos(label.at_root(data + given))
        assert sorted(video.name for video in videos) == found
    assert command_for(data, "squats/a") == f"python -m wt_jax.label {data}/raw/squats/a.mp4"
