"""The predict command: what it writes, whom it names, and that one bad video stops nobody."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from clips import MODEL, VIDEOS, picture, turn, write_clip, write_sound
from emulators import objects, put
from predicting import names, predict_command
from runs import ANGLES, POINTS, save_box, save_run, walking

from wt_jax import live, predict
from wt_jax.counting.prediction import SCHEMA_VERSION
from wt_jax.counting.settings import Counting
from wt_jax.inference import file_answers, pretrained, results
from wt_jax.inference.input_files import find_input_files, name_results
from wt_jax.inference.predictor import Predictor
from wt_jax.pose import folder_extraction
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.runtime import progress
from wt_jax.storage.bucket import Bucket
from wt_jax.video.reader import Video

pytestmark = pytest.mark.usefixtures("share_programs")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("run"), POINTS)


@pytest.fixture
def command(run, tmp_path, monkeypatch):
    return predict_command(run, tmp_path, monkeypatch)


def test_a_video_gives_three_files_and_a_row(command, run, tmp_path, capsys):
    clip = write_clip(tmp_path / "squat.mp4", [picture(i, 320, 240) for i in range(100)], 25.0)
    assert command(clip) == 0
    assert names(tmp_path / "out") == ["squat.json", "squat.mp4", "squat.png"]
    written = json.loads((tmp_path / "out" / "squat.json").read_text())
    landmarks = Landmarks(walking(100), 25.0, 320, 240)
    expected = Predictor.restore(run).predict(landmarks)
    assert {name: written[name] for name in expected.document()} == expected.document()
    assert written["version"] == SCHEMA_VERSION == 2
    source = written["source"]
    assert (source["fps"], source["duration_s"], source["frames"]) == (25.0, 4.0, 100)
    assert (source["frames_with_person"], source["width_px"], source["height_px"]) == (100, 320, 240)
    assert written["model"]["checkpoint"] == str(run)
    assert written["model"]["counting"]["peak_height"] == 0.01
    assert written["remark"] is None
    header, row, done = capsys.readouterr().out.splitlines()
    assert header.split() == ["video", "exercise", "repetitions", "confidence"]
    own = expected.count_text(expected.exercise)
    assert row.split() == ["squat", expected.exercise, own, f"{expected.confidence:.2f}"]
    assert done.startswith("1 of 1 done")
    assert (tmp_path / "out" / "squat.png").read_bytes()[:4] == b"\x89PNG"
    with Video(tmp_path / "out" / "squat.mp4") as video:
        frames = [frame for _, frame in video]
        assert video.fps == pytest.approx(25)
    assert len(frames) == 100
    for colour in ((255, 140, 0), (0, 170, 255)):  # left and right limbs, in the lower right
        near = [(np.abs(frame[120:, 160:].astype(int) - colour).max(-1) < 90).any() for frame in frames]
        assert np.mean(near) > 0.5


def test_what_is_not_sure_is_undecided_in_all_that_is_written(tmp_path, monkeypatch, capsys):
    """An untrained network, asked for a certainty that it never has."""
    run = save_run(tmp_path / "run", ANGLES, Counting(class_threshold=1.0))
    save_landmarks(tmp_path / "walk.npz", Landmarks(walking(120), 30.0, 64, 48))
    titles, draw = [], results.draw_prediction
    monkeypatch.setattr(
        results, "draw_prediction", lambda said, title: titles.append(title) or draw(said, title)
    )
    arguments = [str(tmp_path / "walk.npz"), "--checkpoint", str(run), "--output", str(tmp_path / "out")]
    assert predict.main(arguments) == 0
    written = json.loads((tmp_path / "out" / "walk.json").read_text())
    assert (written["exercise"], written["counts"]) == ("no-exercise", {})
    candidates = [f"{one['exercise']} {one['probability']:.2f}" for one in written["undecided"]]
    said = f"undecided: {' or '.join(candidates)}?"
    assert len(candidates) == 2
    header, row, repeating, _ = capsys.readouterr().out.splitlines()
    assert row.split() == ["walk", *said.split(), "0", "-"]
    assert (len(header), row.index(" 0 ") + 2) == (len(row), header.index("repetitions") + len("repetitions"))
    n_steps = len(written["unknown_repetitions"])
    assert n_steps >= 3 and repeating.split() == ["repeating,", "exercise", "unknown", str(n_steps)]
    assert titles == [f"walk: {said} repeating, exercise unknown: {n_steps}"]


def test_whatever_repeats_is_counted(run, tmp_path, capsys):
    save_landmarks(tmp_path / "walk.npz", Landmarks(walking(120), 30.0, 64, 48))
    assert predict.main([str(tmp_path / "walk.npz"), "--checkpoint", str(run), "--any"]) == 0
    _, row, _ = capsys.readouterr().out.splitlines()
    (said,) = [int(cell) for cell in row.split() if cell.isdigit()]
    assert row.split()[:3] == ["walk", "whatever", "repeats"] and said >= 3


def test_the_documented_schema_is_what_is_written(command, tmp_path):
    command(write_clip(tmp_path / "a.mp4", 40), "--no_video")
    written = json.loads((tmp_path / "out" / "a.json").read_text())
    text = (REPOSITORY / "docs" / "predict.md").read_text()
    documented = json.loads(text.split("```json\n")[1].split("```")[0])
    assert set(documented) == set(written)
    for key in ("source", "model"):
        assert set(documented[key]) == set(written[key])
    assert set(documented["model"]["counting"]) <= set(written["model"]["counting"])
    for key in ("segments", "repetitions"):
        assert set(documented[key][0]) == set(written[key][0])
    assert names(tmp_path / "out") == ["a.json", "a.png"]


def test_a_log_hears_how_far_a_long_video_is(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    command(write_clip(tmp_path / "a.mp4", 40))
    lines = capsys.readouterr().err.splitlines()
    assert lines[39].startswith("finding poses in a.mp4: 40 frames, ")
    assert lines[-1].startswith("writing a.mp4: 40 of 40 frames, ")


@pytest.mark.parametrize("fps", [10.0, 120.0])
def test_slow_and_fast_cameras(command, tmp_path, fps):
    assert command(write_clip(tmp_path / "a.mp4", 60, fps)) == 0
    written = json.loads((tmp_path / "out" / "a.json").read_text())
    assert written["segments"][-1]["end_s"] == pytest.approx(60 / fps, abs=0.2)
    with Video(tmp_path / "out" / "a.mp4") as video:
        assert len(list(video)) == 60


def test_a_portrait_video_of_a_phone_stays_upright(command, tmp_path):
    assert command(turn(write_clip(tmp_path / "a.mp4", 20))) == 0
    source = json.loads((tmp_path / "out" / "a.json").read_text())["source"]
    assert (source["width_px"], source["height_px"]) == (48, 64)
    with Video(tmp_path / "out" / "a.mp4") as video:
        assert (video.width_px, video.height_px) == (48, 64)


def test_landmark_files_need_no_pose_model_and_no_video(run, tmp_path, monkeypatch):
    monkeypatch.setattr(file_answers, "pose_model", None)
    save_landmarks(tmp_path / "in" / "a.npz", Landmarks(walking(50), 30.0, 64, 48))
    arguments = [str(tmp_path / "in"), "--checkpoint", str(run), "--output", str(tmp_path / "out")]
    assert predict.main(arguments) == 0
    assert names(tmp_path / "out") == ["a.json", "a.png"]


def test_a_landmark_file_alone_is_counted_by_the_checkpoint_in_the_box(tmp_path, monkeypatch, capsys):
    """And nothing is written."""
    monkeypatch.setattr(pretrained, "BOX", save_box(tmp_path, POINTS))
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    save_landmarks(Path("walk.npz"), Landmarks(walking(120), 30.0, 64, 48))
    assert predict.main(["walk.npz"]) == 0
    note, _, row, *_, done = capsys.readouterr().out.splitlines()
    expected = Predictor.restore("pretrained").predict(load_landmarks(Path("walk.npz")))
    assert note.startswith("note: pretrained, the checkpoint in the box: docs/pretrained.md")
    assert row.split()[:3] == ["walk", expected.exercise, str(expected.counts[expected.exercise])]
    assert done == "1 of 1 done, nothing written (--output OUT)"
    assert names(tmp_path / "in") == ["walk.npz"]
    with pytest.raises(ValueError, match="--no_video: is for --output"):
        predict.main(["walk.npz", "--no_video"])


def test_bad_videos_are_named_and_the_others_done(command, tmp_path, capsys):
    folder = tmp_path / "in"
    good = write_clip(folder / "good.mp4", 40)
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video at all")
    write_sound(folder / "sound.avi")
    (folder / "index.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (folder / "bad.npz").write_bytes(b"PK\3\4")
    assert command(folder, folder / "bad.npz", tmp_path / "missing.mp4") == 2
    out, err = capsys.readouterr()
    assert "1 of 7 done" in out
    lines = err.splitlines()
    for name, reason in {
        "zero.mp4": "an empty file (0 bytes)", "text.mp4": "not a video", "sound.avi": "sound alone",
        "index.mp4": "cut off", "bad.npz": "unreadable or cut short", "missing.mp4": "no such file or folder",
    }.items():  # fmt: skip
        (line,) = [line for line in lines if f"{name}: " in line]
        assert line.startswith("error: ")
        assert reason in line
        assert line.count(name) == 1
    assert lines[-1] == "error: 6 could not be done, see above"
    assert names(tmp_path / "out") == ["good.json", "good.mp4", "good.png"]


def test_odd_videos_are_remarked_on(command, tmp_path, capsys):
    black = [np.full((48, 64, 3), 20, np.uint8)] * 40
    write_clip(tmp_path / "in" / "black.mp4", black)
    write_clip(tmp_path / "in" / "one.mp4", 1)
    write_clip(tmp_path / "in" / "slow.mp4", 12, 2.0)
    assert command(tmp_path / "in", "--no_video") == 0
    out, err = capsys.readouterr()
    remarks = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text())["remark"]
               for name in ("black", "one", "slow")}  # fmt: skip
    assert remarks["black"] == "nobody was seen: is the whole person in the picture?"
    assert remarks["slow"] == "2 frames a second are too few: 4 are needed at least"
    assert remarks["one"] == "0.03 s are too short for a repetition"
    assert f"black.mp4: {remarks['black']}" in err
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["black", "one", "slow"]
    assert "nobody seen" in out.splitlines()[1]


def test_a_video_cut_off_in_the_middle_is_done_as_far_as_it_goes(command, tmp_path, monkeypatch, capsys):
    clip = write_clip(tmp_path / "cut.mp4", 60)
    monkeypatch.setattr(Video, "n_frames", property(lambda _: 120, lambda *_: None), raising=False)
    assert command(clip, "--no_video") == 0
    assert "cut.mp4: ends after 2.0 of 4.0 s" in capsys.readouterr().err


def test_a_full_disk_is_one_videos_error(command, tmp_path, monkeypatch, capsys):
    save, calls = results.write_timeline, []

    def full(path, *rest):
        calls.append(path)
        if len(calls) == 1:
            raise OSError(28, "No space left on device", str(path))
        save(path, *rest)

    monkeypatch.setattr(results, "write_timeline", full)
    for name in ("a", "b"):
        write_clip(tmp_path / "in" / f"{name}.mp4", 20)
    assert command(tmp_path / "in") == 2
    assert "a.mp4: [Errno 28] No space left on device" in capsys.readouterr().err
    assert "b.mp4" in names(tmp_path / "out")


def test_a_folder_that_cannot_be_written(command, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    with pytest.raises(ValueError, match=r"--output .*out: cannot be written: choose another folder"):
        command(write_clip(tmp_path / "a.mp4", 5))


def test_it_never_writes_over_what_it_reads(command, tmp_path):
    clip = write_clip(tmp_path / "a.mp4", 5)
    before = clip.read_bytes()
    with pytest.raises(ValueError, match=r"would write over .*a\.mp4"):
        command(clip, output=tmp_path)
    assert clip.read_bytes() == before


def test_a_wrong_pose_model_is_one_error(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("a", "b"):
        write_clip(tmp_path / "in" / f"{name}.mp4", 5)
    (tmp_path / "wrong.task").write_bytes(b"no model")
    common = [str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    arguments = [*common, "--checkpoint", str(run), "--pose_model", str(tmp_path / "wrong.task")]
    with pytest.raises(ValueError, match=r"wrong\.task: not a pose model"):
        predict.main(arguments)
    with pytest.raises(ValueError, match="holds no checkpoints"):
        predict.main([*common, "--checkpoint", str(tmp_path)])
    save_run(tmp_path / "other", ANGLES, angles=["elbow"])
    with pytest.raises(ValueError, match="trained on other joint angles"):
        predict.main([*common, "--checkpoint", str(tmp_path / "other")])
    assert not (tmp_path / "out").exists()


def test_files_of_one_name(tmp_path):
    sources = [tmp_path / name for name in ("a/x/v.mp4", "b/x/v.mp4", "b/y/v.mp4", "b/y/V.mov", "b/y/w.mp4",
                                            "b/y/w.avi", "b/alone.mp4")]  # fmt: skip
    assert list(name_results(sources).values()) == [
        "a-x-v",
        "b-x-v",
        "v_mp4",
        "V_mov",
        "w_mp4",
        "w_avi",
        "alone",
    ]
    same = [Path("/x/v.mp4"), Path("/x/v.MP4"), Path("/v.mp4")]  # nothing but a number tells them apart
    assert len({name.lower() for name in name_results(same).values()}) == 3
    assert not any("/" in name for name in name_results(same).values())


def test_folders_are_searched_for_videos_or_else_landmarks(tmp_path):
    for name in ("raw/dips/a.mp4", "raw/dips/b.MOV", "raw/.hidden/c.mp4", "out/a.mp4", "raw/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    save_landmarks(tmp_path / "landmarks" / "dips" / "a.npz", Landmarks(walking(5), 30.0, 64, 48))
    np.savez(tmp_path / "landmarks" / "dips" / "other.npz", angles=np.zeros(3))
    (tmp_path / "empty").mkdir()
    given = [tmp_path, tmp_path / "raw" / "dips" / "a.mp4", tmp_path / "empty"]
    sources, _ = find_input_files(given, tmp_path / "out")
    assert [source.name for source in sources] == ["a.mp4", "b.MOV"]
    sources, failed = find_input_files([*given, tmp_path / "landmarks"], tmp_path / "out")
    assert [str(source.relative_to(tmp_path)) for source in sources] == [
        "raw/dips/a.mp4", "raw/dips/b.MOV", "landmarks/dips/a.npz",
    ]  # fmt: skip
    assert "without videos" in failed[tmp_path / "empty"]


@pytest.mark.skipif(not (MODEL.is_file() and VIDEOS.is_dir()), reason="no shared videos beside the checkout")
def test_a_real_clip_through_build_predict_and_live(run, tmp_path, monkeypatch):
    """The landmarks that build keeps, and what predict and live say, are the same numbers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Video(VIDEOS / "dips" / "dips_8.mp4") as video:
        frames = [frame for _, frame in itertools.islice(video, 80)]  # poses of each are found three times
    clip = write_clip(tmp_path / "root" / "raw" / "dips" / "dips_8.mp4", frames, 29.97)
    folder_extraction.extract_folder(tmp_path / "root", ["dips"], lambda: MODEL, workers=1, progress=False)
    built = load_landmarks(tmp_path / "root" / "landmarks" / "dips" / "dips_8.npz")
    expected = Predictor.restore(run).predict(built).document()
    common = ["--checkpoint", str(run), "--pose_model", str(MODEL), "--output"]
    commands = {
        "predict": [str(clip), *common, str(tmp_path / "out"), "--no_video"],
        "live": ["--source", str(clip), *common, str(tmp_path / "out" / "live.json"), "--headless",
                 "--every_frame"],
    }  # fmt: skip
    assert predict.main(commands["predict"]) == 0
    assert live.main(commands["live"]) == 0
    for name in ("dips_8", "live"):
        written = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert {key: written[key] for key in expected} == expected, name
        assert written["source"]["frames"] == len(built.times_s)
    assert len(expected["repetitions"]) > 2


def test_videos_of_a_bucket_are_fetched_one_by_one_and_results_sent(command, run, s3, tmp_path, capsys):
    write_clip(tmp_path / "clips" / "squat.mp4", [picture(i, 320, 240) for i in range(30)])
    write_clip(tmp_path / "clips" / "more" / "dip.mp4", [picture(i, 320, 240) for i in range(20, 50)])
    clips = put(tmp_path / "clips", f"{s3}/clips")
    Bucket(clips).write("earlier/squat.mp4", b"a result")
    given = (f"{clips}/", f"{clips}/squat.mp4", f"{s3}/none")
    status = command(*given, "--no_video", output=f"{clips}/earlier")
    said = capsys.readouterr()
    assert (status, said.err.count(f"error: {s3}/none: no such file or folder")) == (2, 1)
    assert said.out.splitlines()[-1] == f"2 of 3 done, results in {clips}/earlier"
    expected = [f"earlier/{name}{end}" for name in ("dip", "squat") for end in (".json", ".png")]
    assert objects(clips) == sorted([*expected, "earlier/squat.mp4", "more/dip.mp4", "squat.mp4"])
    source = json.loads(Bucket(clips).read("earlier/dip.json"))["source"]
    assert source["path"] == f"{clips}/more/dip.mp4"
    assert not [path for path in tmp_path.joinpath("cache").rglob("*.mp4") if path.stat().st_size]
    command(f"{clips}/squat.mp4", "--no_video", output=tmp_path / "out")
    assert f"poses of {clips}/squat.mp4 taken from" in capsys.readouterr().err


def test_a_source_in_a_bucket_is_not_written_over(command, run, s3, tmp_path):
    write_clip(tmp_path / "clips" / "squat.mp4")
    clips = put(tmp_path / "clips", f"{s3}/clips")
    with pytest.raises(ValueError, match=f"--output {clips}: would write over .*squat.mp4: choose another"):
        command(f"{clips}/squat.mp4", output=clips)
    with pytest.raises(ValueError, match="no bucket nowhere"):
        command(clips, output="s3://nowhere/results")
