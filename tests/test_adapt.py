"""One exercise more for a checkpoint, from a few clips: the command, what it leaves, what it refuses."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from emulators import objects, put
from runs import POINTS, save_run

from wt_jax import adapt
from wt_jax.adaptation import old_exercises, settings, trial
from wt_jax.adaptation.clip_folder import find_clips
from wt_jax.adaptation.clips import read_clips
from wt_jax.adaptation.taught import load_taught, save_taught
from wt_jax.adaptation.trial import make_judge
from wt_jax.counting.settings import Counting
from wt_jax.data.labels import write_starts
from wt_jax.data.recordings import save_recording
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.input_pipeline.balanced_sampler import make_train_batches
from wt_jax.input_pipeline.windows import gap_frames, spans_of
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.runtime.cli import USER_ERROR
from wt_jax.runtime.files import only_writer
from wt_jax.synthetic import synthetic_motion
from wt_jax.synthetic.bodies import Body
from wt_jax.training.warm_start import digest_of

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A checkpoint that was never trained, of a tiny network on landmarks."""
    return save_run(tmp_path_factory.mktemp("base"), POINTS, Counting(class_threshold=0.6))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two labelled clips of two people who jump."""
    folder = tmp_path_factory.mktemp("clips") / "jumping-jacks"
    for seed, name in enumerate(["anna", "bob"]):
        rng = np.random.default_rng(seed)
        film = synthetic_motion("jumping-jacks", rng, Body(rng))
        landmarks = Landmarks(film.landmarks_FxLx4, film.fps, film.width_px, film.height_px)
        save_landmarks(folder / f"{name}.npz", landmarks)
        write_starts(folder / f"{name}.csv", film.starts, len(film.landmarks_FxLx4))
    return folder


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few people and windows."""
    few = {"data.synthetic_people": 3, "train.windows_per_epoch": 64, "train.batch_size": 8}
    monkeypatch.setattr(settings, "_SETTINGS", settings._SETTINGS | few)
    monkeypatch.setattr(old_exercises, "_PEOPLE", 3)


@pytest.fixture
def begun(monkeypatch):
    """What runs were begun with, and what was in their workdirs by then; they end there."""
    runs = []

    def start_run(options, dataset, parent):
        workdir = Path(options.workdir)
        there = sorted(str(path.relative_to(workdir)) for path in workdir.rglob("*.npz"))
        runs.append((options, dataset, there))
        raise KeyboardInterrupt

    monkeypatch.setattr(adapt, "start_run", start_run)
    return runs


@pytest.fixture
def judgements(monkeypatch):
    """Of everything that is judged: the digest of the parameters, whose recordings, and by which counting."""
    judgements = []

    def make_spied(options):
        judge = make_judge(options)

        def spied(params, recordings, counting):
            names = [one.name for one in recordings]
            judgements.append((digest_of(jax.device_get(params)), names, counting))
            return judge(params, recordings, counting)

        return spied

    monkeypatch.setattr(adapt, "make_judge", make_spied)
    return judgements


@pytest.fixture
def trials(monkeypatch):
    """The windows that each trial learns from."""
    trials = []

    def make_spied(windows, options):
        trials.append(windows)
        return make_train_batches(windows, options)

    monkeypatch.setattr(trial, "make_train_batches", make_spied)
    return trials


def test_from_clips_to_a_checkpoint_that_knows_one_exercise_more(
    base, clips, tmp_path, capsys, judgements, trials
):
    output = tmp_path / "jumper"
    arguments = [str(clips), "--checkpoint", str(base), "--output", str(output)]
    assert adapt.main([*arguments, "--dry_run"]) == 0
    dry = capsys.readouterr().out
    assert "starts of 2 clips: from label files" in dry and "nothing done (--dry_run)" in dry
    assert not output.exists()

    assert adapt.main(arguments) == 0
    said = capsys.readouterr().out
    assert "left out one by one, each is judged by a training without it" in said
    assert re.search(r"^anna.npz +[\d.]+ +\d+  labels +\d+  [a-z-]+$", said, re.MULTILINE)
    assert re.search(
        r"^left out: \d of 2 named jumping-jacks, \d of 2 counted to within one$", said, re.MULTILINE
    )
    assert "synthetic people held back judge the old exercises" in said
    assert "synthetic people do jumping-jacks too, and teach it" in said
    assert "old exercises before: " in said and "old exercises after: " in said
    before, after = restore_model(base, jax.local_devices()), restore_model(output, jax.local_devices())
    assert after.options.data.classes == settings.with_class(before.options.data.classes, "jumping-jacks")
    assert after.options.data.classes[-2:] == ("jumping-jacks", "no-exercise")
    assert after.counting.taught == ("jumping-jacks",) and after.counting.class_threshold == 0.6
    assert after.meta["parents"][0]["digest"] == parent_of(before).digest
    assert after.trained_on > before.trained_on  # nobody of theirs may judge it

    (old, judges, _), anna, bob, (new, same_judges, counting) = judgements
    assert [old, new] == [parent_of(one).digest for one in (before, after)] and judges == same_judges
    assert counting == after.counting and len(counting.motions) == 2
    assert [anna[1], bob[1]] == [["jumping-jacks/anna"], ["jumping-jacks/bob"]]
    others = [one[2].motions for one in (anna, bob)]  # each is judged by how the other one moves
    assert others == [counting.motions[1:], counting.motions[:1]]
    read = read_clips(clips, sorted(clips.glob("*.npz")), "jumping-jacks", load_landmarks)[0]
    spans = spans_of([clip.recording for clip in read], gap_frames(after.options))
    shown = [[_shows(windows, span, after.options) for span in spans] for windows in trials]
    assert shown == [[False, True], [True, False]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jumper"]  # nothing half done beside it
    prediction = Predictor.restore(output).predict(load_landmarks(clips / "anna.npz"))
    assert set(prediction.timeline.classes) == set(after.options.data.classes)

    assert adapt.main([str(clips), "--checkpoint", str(output), "--dry_run"]) == 0
    assert "learns jumping-jacks further from 2 clips" in capsys.readouterr().out

    kept = sorted(str(path.relative_to(output)) for path in output.glob("taught/*/*"))
    assert kept == ["taught/jumping-jacks/anna.npz", "taught/jumping-jacks/bob.npz"]


def _shows(windows, span, options):
    firsts_N = windows.firsts(np.arange(len(windows)))
    return bool(((firsts_N < span.stop) & (firsts_N + options.data.span_frames > span.start)).any())


def hopping(folder, clips, *names):
    """The clips as ones of another exercise, of other people and a little shorter."""
    for path, name in zip(sorted(clips.glob("*.npz")), names, strict=True):
        old = load_landmarks(path)
        save_landmarks(
            folder / f"{name}.npz",
            dataclasses.replace(old, landmarks_FxLx4=old.landmarks_FxLx4[9:], times_s=None),
        )
    return folder


def test_what_was_taught_before_is_learned_again_judged_and_kept(base, clips, tmp_path, capsys, begun):
    """Exercises that no synthetic person does: hops, and then rolls."""
    trained = restore_model(base, jax.local_devices())
    hops = read_clips(clips, sorted(clips.glob("*.npz")), "hops", load_landmarks)[0]
    hops = [clip.recording for clip in hops]
    options = settings.adapted(trained, "hops", str(clips), tmp_path)
    first = save_run(tmp_path / "first", options, trained_on=[one.content for one in hops])
    save_taught(first, hops)
    again = hopping(tmp_path / "rolls", clips, "anna", "cleo")
    command = [str(again), "--checkpoint", str(first), "--output", str(tmp_path / "second")]
    with pytest.raises(KeyboardInterrupt):
        adapt.main(command)
    said = capsys.readouterr().out
    assert "synthetic people keep push-ups, squats, pull-ups, dips, no-exercise\n" in said
    assert "2 clips that taught hops keep it: learned from again" in said
    assert re.search(
        r"^hops, on the clips that taught it, before: \d of 2 counted .* of 2$", said, re.MULTILINE
    )
    ((_, dataset, there),) = begun
    assert there == [f"taught/{name}.npz" for name in ("hops/anna", "hops/bob", "rolls/anna", "rolls/cleo")]
    hops_now = [one for one in dataset.split("train") if one.class_name == "hops"]
    assert [(one.name, one.is_made) for one in hops_now] == [("hops/anna", True), ("hops/bob", True)]

    (first / "taught" / "hops" / "anna.npz").unlink()
    (first / "taught" / "hops" / "bob.npz").write_bytes(b"no zip")
    assert adapt.main([*command, "--dry_run"]) == 0
    said = capsys.readouterr()
    assert "warning: nothing keeps hops: no synthetic person does it" in said.out
    assert "warning: not learned from again: " in said.err and "bob.npz" in said.err


def test_two_clips_of_one_name_are_both_kept_and_strangers_are_not_taken(base, clips, tmp_path):
    trained = restore_model(base, jax.local_devices())
    one, other = (
        clip.recording for clip in read_clips(clips, sorted(clips.glob("*.npz")), "dips", load_landmarks)[0]
    )
    save_taught(tmp_path, [one, dataclasses.replace(other, name=one.name)])
    assert load_taught(tmp_path, trained) == []  # what the checkpoint was not trained on
    known = dataclasses.replace(trained, meta={**trained.meta, "trained_on": [one.content, other.content]})
    assert {each.name for each in load_taught(tmp_path, known)} == {"dips/anna", "dips/anna-2"}


def test_a_clip_that_cannot_be_used_is_named_and_the_others_are_learned(base, clips, tmp_path, capsys):
    for path in clips.iterdir():
        (tmp_path / "clips" / "jumping-jacks").mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / "jumping-jacks" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "clips" / "jumping-jacks" / "cleo.npz").write_bytes(b"no zip")
    arguments = [str(tmp_path / "clips" / "jumping-jacks"), "--checkpoint", str(base), "--dry_run"]
    assert adapt.main(arguments) == USER_ERROR
    said = capsys.readouterr().err.splitlines()
    assert "cleo.npz" in said[0] and said[-1] == "error: not all clips could be used, see above"


def test_more_of_a_known_exercise_is_said_to_be_that(base, clips, capsys):
    assert adapt.main([str(clips), "--name", "squats", "--checkpoint", str(base), "--dry_run"]) == 0
    assert f"note: {base} knows squats: these clips teach it further" in capsys.readouterr().out


def test_what_is_not_read_is_named(clips, tmp_path, capsys):
    (tmp_path / "anna.npz").write_bytes((clips / "anna.npz").read_bytes())
    np.savez(tmp_path / "keypoints.npz", keypoints=np.zeros(3))
    (tmp_path / "Counts.csv").write_text("file,count\nanna,3\n")
    assert len(find_clips(tmp_path, "rows", None)[0]) == 1
    table, landmarks = capsys.readouterr().err.splitlines()
    assert table == f"note: {tmp_path / 'Counts.csv'} is not read: call it counts.csv"
    assert landmarks.startswith(f"note: {tmp_path / 'keypoints.npz'}: not learned from, no landmarks: ")


def test_landmarks_beside_videos_are_said_to_be_left_out(tmp_path, capsys, clips):
    for name in ("anna", "bob"):
        (tmp_path / f"{name}.npz").write_bytes((clips / f"{name}.npz").read_bytes())
    (tmp_path / "anna.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match="no clip to learn from"):
        find_clips(tmp_path, "rows", str(clips / "anna.npz"))  # any file: no frame is looked at
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert note.startswith(f"note: {tmp_path / 'bob.npz'}: not learned from, landmarks of no video here: ")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--name", "no-exercise"], "--name no-exercise: that is what is none of the exercises"),
        (["--name", "a/b"], "--name"),
        (["--data", "{tmp}/nowhere"], "no such folder"),
        (["--output", "{tmp}"], "is there already: name another, or move it away"),
    ],
)
def test_what_is_refused(base, clips, tmp_path, more, message):
    (tmp_path / "something").write_text("")
    more = [argument.format(tmp=tmp_path) for argument in more]
    with pytest.raises(ValueError, match=message):
        adapt.main([str(clips), "--checkpoint", str(base), "--output", str(tmp_path / "new"), *more])
    with pytest.raises(ValueError, match="no such folder: give one with videos or landmark files"):
        adapt.main([str(tmp_path / "nowhere")])


def test_a_run_that_fails_leaves_nothing_and_sweeps_what_a_killed_one_left(base, clips, tmp_path, begun):
    for name in (".new.1.tmp", ".new.2.tmp", ".newer.3.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".lock").touch()
    with only_writer(tmp_path / ".new.2.tmp"), pytest.raises(KeyboardInterrupt):
        adapt.main([str(clips), "--checkpoint", str(base), "--output", str(tmp_path / "new")])
    assert begun
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.2.tmp", ".newer.3.tmp"]


def test_a_folder_that_holds_nothing_usable_is_refused_in_one_line(base, clips, tmp_path, capsys):
    def refused(folder, message):
        with pytest.raises(ValueError, match=message):
            adapt.main([str(folder), "--checkpoint", str(base), "--dry_run"])

    for name in ("empty", "no!", "others"):
        (tmp_path / name).mkdir()
    refused(tmp_path / "empty", "empty: a folder without videos")
    refused(tmp_path / "no!", "no!: is the folder's name the exercise's\\? .*; or give --name")
    np.savez(tmp_path / "others" / "a.npz", angles=np.zeros(3))
    refused(
        tmp_path / "others",
        r"others: a folder without .*a\.npz: no landmarks, fps, width, height \(found: angles",
    )
    assert capsys.readouterr().err == ""
    for name in "abc":
        (tmp_path / "empty" / f"{name}.npz").write_bytes(b"no zip")
    (tmp_path / "empty" / "anna.npz").write_bytes((clips / "anna.npz").read_bytes())
    refused(tmp_path / "empty", "3 of 4 clips cannot be used")


def test_what_a_root_lacks_synthetic_people_stand_in_for(
    base, clips, make_recording, tmp_path, capsys, begun
):
    """And where the root is there, the next adaptation finds it again."""
    for name in ("squats/a", "dips/b"):
        save_recording(tmp_path / "root" / "recordings" / f"{name}.npz", make_recording(name, 90, (20, 60)))
    command = [str(clips), "--checkpoint", str(base), "--data", str(tmp_path / "root")]
    with pytest.raises(KeyboardInterrupt):
        adapt.main([*command, "--output", str(tmp_path / "new")])
    said = capsys.readouterr().out
    assert "root: no counted repetitions in split val or test: synthetic people stand in there" in said
    ((options, dataset, _),) = begun
    assert options.data.root == str(tmp_path / "root")
    assert {one.name for one in dataset.split("train")} > {"squats/a", "dips/b"}
    assert dataset.split("val")
    assert "note: 2 clips: 3 to 20 are wanted" in said


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("lunge", "note: synthetic people do lunges: --name lunges if it is that"),
        ("Squats", "note: box knows squats: --name squats if it is that"),
        ("push ups", "note: box knows push-ups: --name push-ups if it is that"),
        ("lunges", ""),
        ("split-squats", ""),
        ("step-ups", ""),
        ("no exercise", ""),
    ],
)
def test_a_name_that_is_nearly_another(name, note):
    assert adapt.near_miss(name, ("push-ups", "squats", "no-exercise"), "box") == note


def test_clips_and_checkpoints_in_a_bucket(base, clips, s3, tmp_path, begun, monkeypatch, capsys):
    """With what taught the checkpoint before; the new one is there whole, or not at all."""
    paths = sorted(hopping(tmp_path / "dips", clips, "carl", "dora").glob("*.npz"))
    taught = [clip.recording for clip in read_clips(tmp_path / "dips", paths, "dips", load_landmarks)[0]]
    first = save_run(tmp_path / "first", POINTS, trained_on=[one.content for one in taught])
    save_taught(first, taught)
    put(first, f"{s3}/run")
    labelled = put(clips, f"{s3}/clips/jumping-jacks")
    arguments = ["--checkpoint", f"{s3}/run", "--output", f"{s3}/new"]
    with pytest.raises(KeyboardInterrupt):
        adapt.main([labelled, *arguments])
    ((options, dataset, there),) = begun
    assert (options.data.root, dataset.data, options.train.init) == (labelled, labelled, f"{s3}/run")
    names = ("dips/carl", "dips/dora", "jumping-jacks/anna", "jumping-jacks/bob")
    assert there == [f"taught/{name}.npz" for name in names]
    assert objects(f"{s3}/new") == []
    assert "starts of 2 clips: from label files" in capsys.readouterr().out

    monkeypatch.setattr(adapt, "adapt", lambda *given: save_run(given[-1], POINTS))
    assert adapt.main([labelled, *arguments]) == 0
    assert f"--checkpoint {s3}/new" in capsys.readouterr().out
    assert Predictor.restore(f"{s3}/new").classes == Predictor.restore(base).classes
    with pytest.raises(ValueError, match=f"--output {s3}/new: is there already"):
        adapt.main([labelled, *arguments])
