"""One exercise more for a checkpoint, from a few clips: the command, what it leaves, what it refuses."""

import re

import jax
import numpy as np
import pytest
from runs import POINTS, save_run

from wt_jax import adapt
from wt_jax.adaptation import settings
from wt_jax.counting.decoding import Counting
from wt_jax.data.labels import write_starts
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.runtime.cli import USER_ERROR
from wt_jax.synthetic import synthetic_motion
from wt_jax.synthetic.bodies import Body


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


def test_from_clips_to_a_checkpoint_that_knows_one_exercise_more(base, clips, tmp_path, capsys):
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
    assert "old exercises before: " in said and "old exercises after: " in said
    before, after = restore_model(base, jax.local_devices()), restore_model(output, jax.local_devices())
    assert after.options.data.classes == settings.with_class(before.options.data.classes, "jumping-jacks")
    assert after.options.data.classes[-2:] == ("jumping-jacks", "no-exercise")
    assert after.counting.taught == ("jumping-jacks",) and after.counting.class_threshold == 0.6
    assert after.meta["parents"][0]["digest"] == parent_of(before).digest
    assert after.trained_on > before.trained_on  # nobody of theirs may judge it
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jumper"]  # nothing half done beside it
    prediction = Predictor.restore(output).predict(load_landmarks(clips / "anna.npz"))
    assert set(prediction.timeline.classes) == set(after.options.data.classes)

    assert adapt.main([str(clips), "--checkpoint", str(output), "--dry_run"]) == 0
    assert "learns jumping-jacks further from 2 clips" in capsys.readouterr().out


def test_a_clip_that_cannot_be_used_is_named_and_the_others_are_learned(base, clips, tmp_path, capsys):
    for path in clips.iterdir():
        (tmp_path / "clips" / "jumping-jacks").mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / "jumping-jacks" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "clips" / "jumping-jacks" / "cleo.npz").write_bytes(b"no zip")
    arguments = [str(tmp_path / "clips" / "jumping-jacks"), "--checkpoint", str(base), "--dry_run"]
    assert adapt.main(arguments) == USER_ERROR
    assert "cleo.npz" in capsys.readouterr().err


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


def test_a_run_that_fails_leaves_nothing(base, clips, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(adapt, "fit", fail)
    with pytest.raises(KeyboardInterrupt):
        adapt.main([str(clips), "--checkpoint", str(base), "--output", str(tmp_path / "new")])
    assert list(tmp_path.iterdir()) == []
