"""A folder of clips: what is known of their repetitions, and who is in them."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wt_jax import label
from wt_jax.adaptation.clip_table import ClipTable
from wt_jax.adaptation.clips import (
    COUNTED,
    LABELLED,
    PROPOSED,
    folds_of,
    label_command,
    label_file,
    read_clips,
)
from wt_jax.counting.decoding import Repetition
from wt_jax.data.labels import write_starts
from wt_jax.inference.input_files import find_input_files
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.synthetic import synthetic_motion
from wt_jax.synthetic.bodies import Body


def read(folder):
    sources, _ = find_input_files([folder], None)
    return read_clips(folder, sources, "presses", load_landmarks)


def film(path, seed, name="squats"):
    """Writes somebody's set, and returns its starts."""
    rng = np.random.default_rng(seed)
    motion = synthetic_motion(name, rng, Body(rng))
    save_landmarks(path, Landmarks(motion.landmarks_FxLx4, motion.fps, motion.width_px, motion.height_px))
    return motion.starts, len(motion.landmarks_FxLx4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips of three people: anna's is labelled, bob's is counted, of cleo nobody says anything."""
    folder = tmp_path_factory.mktemp("clips") / "presses"
    starts, n_frames = film(folder / "anna.npz", 1)
    write_starts(folder / "anna.csv", starts, n_frames)
    counted, _ = film(folder / "bob.npz", 2)
    film(folder / "cleo.npz", 3)
    (folder / "counts.csv").write_text(f"file,count\nbob.npz,{len(counted)}\n")
    return folder


def test_starts_are_labelled_counted_or_found(folder):
    clips, failed = read(folder)
    assert failed == {}
    assert [(clip.path.name, clip.origin) for clip in clips] == [
        ("anna.npz", LABELLED), ("bob.npz", COUNTED), ("cleo.npz", PROPOSED),
    ]  # fmt: skip
    anna, bob, cleo = (clip.recording for clip in clips)
    motions = [synthetic_motion("squats", rng, Body(rng)) for rng in map(np.random.default_rng, (1, 2, 3))]
    np.testing.assert_allclose(anna.starts, motions[0].starts / motions[0].fps * 30, atol=1)
    assert len(bob.starts) == len(motions[1].starts)
    assert abs(len(cleo.starts) - len(motions[2].starts)) <= 1
    assert {one.class_name for one in (anna, bob, cleo)} == {"presses"}
    assert [one.split for one in (anna, bob, cleo)] == ["train"] * 3
    assert len({one.group for one in (anna, bob, cleo)}) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("bob.npz,3\nbob,3", r"counts.csv:3: file='bob': is listed twice"),
        ("dora.mp4,3", r"counts.csv:2: file='dora.mp4': no clip of .* is called so"),
        ("bob,many", r"counts.csv:2: count='many': must be a whole number"),
    ],
)
def test_what_is_wrong_with_counts_is_said_with_its_line(tmp_path, rows, message):
    film(tmp_path / "bob.npz", 2)
    (tmp_path / "counts.csv").write_text(f"file,count\n{rows}\n")
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_a_clip_with_fewer_repetitions_than_were_counted_is_left_out(tmp_path):
    film(tmp_path / "bob.npz", 2)
    film(tmp_path / "anna.npz", 1)
    (tmp_path / "counts.csv").write_text("file,count\nbob,90\n")
    clips, failed = read(tmp_path)
    assert [clip.path.name for clip in clips] == ["anna.npz"]
    assert "of the 90 repetitions found: mark them: python -m wt_jax.label" in failed[tmp_path / "bob.npz"]


def test_a_clip_that_lacks_one_of_those_counted_is_used_and_says_so(tmp_path, monkeypatch):
    film(tmp_path / "bob.npz", 2)
    for count, found, is_used in (
        (5, 4, True),
        (10, 8, False),
        (30, 27, True),
        (30, 26, False),
        (1, 0, False),
    ):
        (tmp_path / "counts.csv").write_text(f"file,count\nbob,{count}\n")
        monkeypatch.setattr("wt_jax.adaptation.clips.motion_starts", lambda *_, n=found: np.arange(n) * 5)
        clips, failed = read(tmp_path)
        assert bool(clips) is is_used and bool(failed) is not is_used
        for said in (*(clip.remark for clip in clips), *failed.values()):
            assert f"{found} of the {count} repetitions found" in said
        assert [clip.n_starts for clip in clips] == [found] * is_used


@pytest.mark.parametrize(("count", "is_far"), [(0, True), (2, True), (5, False), (6, False)])
def test_a_count_that_is_far_from_what_seems_to_be_there_is_said(tmp_path, monkeypatch, count, is_far):
    film(tmp_path / "bob.npz", 2)
    (tmp_path / "counts.csv").write_text(f"file,count\nbob,{count}\n")

    def found(angles_FxJ, valid_F, count=None):
        return np.arange(6 if count is None else count) * 5

    monkeypatch.setattr("wt_jax.adaptation.clips.motion_starts", found)
    ((clip,), _) = read(tmp_path)
    assert clip.n_starts == count
    assert (f"{count} counted, 6 seem to be there: it is learned from {count}" in clip.remark) is is_far


def test_a_clip_of_another_exercise_is_pointed_out(folder):
    clips, _ = read(folder)
    table = ClipTable(clips, is_judged=True)
    for clip, name in zip(clips, ("presses", "squats", "no-exercise"), strict=True):
        repetitions = [Repetition(10 * i, 0.9, name) for i in range(clip.n_starts)]
        said = SimpleNamespace(repetitions=repetitions, n_end_to_end=clip.n_starts * (name == "presses"))
        assert table.row(clip, said).endswith(f"  {name}")
    assert table.verdict("presses") == [
        "left out: 1 of 3 named presses, 1 of 3 counted to within one",
        "note: bob.npz is taken for squats: is it in the right folder?",
    ]
    assert ClipTable(clips, is_judged=False).verdict("presses") == []
    table = ClipTable(clips, is_judged=True)
    table.row(clips[0], SimpleNamespace(repetitions=[], n_end_to_end=clips[0].n_starts + 2))
    assert table.verdict("presses")[1].startswith(
        "note: none is counted as it is known: are the counts right?"
    )


def test_the_command_that_marks_a_clip_survives_a_space(tmp_path):
    film(tmp_path / "my clips" / "bob.npz", 2)
    (tmp_path / "my clips" / "counts.csv").write_text("file,count\nbob,90\n")
    _, failed = read(tmp_path / "my clips")
    (said,) = failed.values()
    command = shlex.split(said.partition("python -m wt_jax.label ")[2])
    assert command == [str(tmp_path / "my clips" / "bob.npz"), "--class", "presses", "--data", str(tmp_path)]


@pytest.mark.parametrize(
    ("inside", "root"), [("rows", ".."), ("landmarks/rows", "../.."), ("clips/landmarks/rows", "../..")]
)
def test_labels_are_marked_where_they_are_looked_for(tmp_path, monkeypatch, inside, root):
    """From wherever the command is given: in the folder as well."""
    clip = tmp_path / inside / "bob.npz"
    film(clip, 2)
    for here, path in ((tmp_path, Path(inside) / "bob.npz"), (clip.parent, Path("bob.npz"))):
        monkeypatch.chdir(here)
        command = shlex.split(label_command(path, path.parent, "rows"))
        assert Path(command[-1]).resolve() == (clip.parent / root).resolve()
        labels = label.label_path(path, command[-1], "rows")
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("frame,label\n")
        assert label_file(path, "rows").resolve() == labels.resolve()


def test_two_clips_of_one_name_are_refused(tmp_path):
    film(tmp_path / "day1" / "anna.npz", 1)
    film(tmp_path / "day2" / "Anna.npz", 2)
    with pytest.raises(ValueError, match=r"day1/anna.npz and .*day2/Anna.npz: two clips of one name"):
        read(tmp_path)


def test_a_broken_clip_does_not_stop_the_others(tmp_path):
    film(tmp_path / "anna.npz", 1)
    (tmp_path / "bob.npz").write_bytes(b"no zip")
    clips, failed = read(tmp_path)
    assert len(clips) == 1 and list(failed) == [tmp_path / "bob.npz"]


@pytest.mark.parametrize("place", ["presses/a.csv", "labels/presses/a.csv", "raw/labels/presses/a.csv"])
def test_where_labels_are_looked_for(tmp_path, place):
    clip = tmp_path / "raw" / "presses" / "a.mp4"
    label = tmp_path / ("raw" if place == "presses/a.csv" else ".") / place
    assert label_file(clip, "presses") is None
    label.parent.mkdir(parents=True)
    label.write_text("frame,label\n")
    assert label_file(clip, "presses") == label


def test_people_are_left_out_whole(folder, tmp_path):
    film(tmp_path / "anna_part1.npz", 1)
    film(tmp_path / "anna_part2.npz", 4)
    film(tmp_path / "bob.npz", 2)
    clips, _ = read(tmp_path)
    assert folds_of(clips, 5) == [[0, 1], [2]]
    assert folds_of(clips[:2], 5) == []
    many, _ = read(folder)
    assert {i for fold in folds_of(many, 2) for i in fold} == {0, 1, 2} and len(folds_of(many, 2)) == 2
