"""Which recordings a run has: those of a data root, synthetic people, or some beside those to train on."""

import dataclasses
from pathlib import Path

import pytest
from emulators import put

from wt_jax.config import Config, Data, check
from wt_jax.data import loading, synthetic_recordings
from wt_jax.data.builder import fingerprint
from wt_jax.data.loading import Dataset, is_there, load_dataset, with_made
from wt_jax.data.recordings import MOCAP, SYNTHETIC, save_recording
from wt_jax.skeleton import NO_EXERCISE

CLASSES = ("squats", "lunges", NO_EXERCISE)


@pytest.fixture
def own(make_recording):
    """Six recordings of people, two in each split."""
    recordings = [
        make_recording(f"{name}/{split}", 90, starts=starts, split=split)
        for split in ("train", "val", "test")
        for name, starts in (("squats", (10, 50)), (NO_EXERCISE, ()))
    ]
    return Dataset("mine", recordings, fingerprint(recordings))


@pytest.fixture(scope="module")
def beside():
    """What an option says that synthetic people are made by, of as few as can be."""
    return Data(classes=CLASSES, synthetic=0.3, synthetic_people=3)


def test_synthetic_people_are_only_trained_on(own, beside):
    dataset = with_made(own, beside)
    made = [recording for recording in dataset.recordings if recording.is_made]
    assert {(r.split, r.source) for r in made} == {("train", SYNTHETIC)}
    assert {r.class_name for r in made} == set(CLASSES)
    for split in ("val", "test"):
        assert dataset.split(split) == own.split(split)
    assert [r for r in dataset.split("train") if not r.is_made] == own.split("train")
    assert dataset.data == "mine"  # what evaluate looks for


def test_the_fingerprint_stands_for_them_too(own, beside):
    more = dataclasses.replace(beside, synthetic_people=4)
    oftener = dataclasses.replace(beside, synthetic=0.5)  # which changes nobody
    made, others, same = (with_made(own, options).fingerprint for options in (beside, more, oftener))
    assert made == same and len({own.fingerprint, made, others}) == 3


def test_without_a_share_nothing_is_made(own, monkeypatch):
    monkeypatch.setattr(loading, "make_recordings", lambda *_: pytest.fail("made"))
    assert with_made(own, Data(classes=CLASSES)) is own
    synthetic = dataclasses.replace(own, data=SYNTHETIC)  # which holds them already
    assert with_made(synthetic, Data(classes=CLASSES, synthetic=0.3)) is synthetic


def test_a_class_of_the_user_is_none_of_the_movements_in_no_exercise(own, beside, monkeypatch):
    """Whoever counts lunges is shown nobody's lunges as no-exercise (test_motion.py: what is left then)."""
    told, film = [], synthetic_recordings.synthetic_motion
    monkeypatch.setattr(
        synthetic_recordings, "synthetic_motion", lambda *args: told.append(args[3]) or film(*args)
    )
    with_made(own, beside)
    assert len(told) == 5  # of the one person who is trained on: nobody is filmed to be thrown away
    assert all("lunges" in classes and "dips" not in classes for classes in told)


def test_motion_capture_comes_beside_them(own, beside, tmp_path, monkeypatch):
    def film(folder, classes, seed, views):
        assert (folder, classes) == (str(tmp_path), CLASSES) and views >= 1
        return [dataclasses.replace(own.recordings[0], name="squats/track", group="m", source=MOCAP)]

    monkeypatch.setattr(loading, "mocap_recordings", film)
    dataset = with_made(own, dataclasses.replace(beside, mocap=str(tmp_path)))
    assert [r.source for r in dataset.recordings].count(MOCAP) == 1
    assert all(r.split == "train" for r in dataset.recordings if r.is_made)
    alone = Dataset(SYNTHETIC, own.recordings, own.fingerprint)
    assert [r.name for r in with_made(alone, Data(mocap=str(tmp_path), classes=CLASSES)).recordings][-1] == (
        "squats/track"
    )


def test_motion_capture_goes_with_synthetic_people():
    with pytest.raises(ValueError, match=r"data\.mocap=tracks: goes with synthetic people: set data\.synth"):
        check(Config(data=Data(mocap="tracks")))
    check(Config(data=Data(mocap="tracks", synthetic=0.2)))
    check(Config(data=Data(mocap="tracks", root="synthetic")))


@pytest.mark.parametrize("share", [-0.1, 0.96, 1.0])
def test_some_of_the_windows_are_of_the_data(share):
    with pytest.raises(ValueError, match=r"data\.synthetic=.*must be in \[0, 0\.95\]"):
        check(Config(data=Data(synthetic=share)))


def test_the_root_synthetic_is_synthetic_people(tmp_path, monkeypatch, capsys):
    """Wherever one is, and whatever lies there."""
    monkeypatch.chdir(tmp_path)
    Path("synthetic", "raw", "squats").mkdir(parents=True)
    dataset = load_dataset("synthetic", "", CLASSES, tmp_path, people=3)
    assert dataset.data == SYNTHETIC and "data: synthetic" in capsys.readouterr().out
    assert {r.source for r in dataset.recordings} == {SYNTHETIC}
    assert {r.split for r in dataset.recordings} == {"train", "val", "test"}
    Path("data").mkdir()
    assert load_dataset("data", "", CLASSES, tmp_path, people=3).fingerprint == dataset.fingerprint


def test_a_root_in_a_bucket_is_there_if_it_can_be_read(s3, tmp_path, make_recording, capsys):
    save_recording(tmp_path / "built" / "squats" / "a.npz", make_recording("squats/a"))
    recordings = put(tmp_path / "built", f"{s3}/built")
    assert is_there(f"{s3}/data", recordings) and is_there(f"{s3}/data", f"{recordings}/")
    assert not is_there(f"{s3}/data")
    assert not capsys.readouterr().err
    assert not is_there("s3://nowhere/data")
    assert capsys.readouterr().err.startswith("warning: s3://nowhere/data: no bucket nowhere")
