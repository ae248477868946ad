"""`label --check`: who judges whom, what is kept, and what it says."""

import csv
import dataclasses

import numpy as np
import pytest
from runs import save_run, tiny, walking

from wt_jax import check_labels, config, label
from wt_jax.data.labels import write_starts
from wt_jax.data.loading import load_dataset
from wt_jax.labeling.contradictions import Contradiction
from wt_jax.pose.landmarks import Landmarks, save_landmarks

pytestmark = pytest.mark.usefixtures("share_programs")
CLASSES = ("push-ups", "squats", "pull-ups", "dips", "no-exercise")


@pytest.fixture
def root(tmp_path):
    """Nine people, landmarks of 5 s each."""
    root = tmp_path / "root"
    names = [*(f"squats/{one}" for one in "abcd"), *(f"dips/{one}" for one in "efgh"), "no-exercise/i"]
    for i, name in enumerate(names):
        landmarks = Landmarks(walking(150, seed=i), 30.0, 320, 240)
        save_landmarks(root / "landmarks" / f"{name}.npz", landmarks)
        if i < 8:
            write_starts(root / "labels" / f"{name}.csv", np.array([10 + i, 70]), 150)
    return root


def test_every_group_is_judged_once_by_who_never_saw_it(make_recording):
    recordings = [
        dataclasses.replace(
            make_recording(f"{name}/{i}", 60 + i, (5,) if i % 3 else None), group=f"{name}{i // 2}"
        )
        for name in ("squats", "dips")
        for i in range(20)
    ] + [make_recording("no-exercise/x", 90)]
    deals = [check_labels.deal(recordings, 5, fold) for fold in range(5)]
    groups = {recording.group for recording in recordings}
    assert all(set(splits) == groups for splits in deals)
    judged = [group for splits in deals for group, split in splits.items() if split == "test"]
    assert sorted(judged) == sorted(groups)
    for splits in deals:
        of = {
            split: [group for group in splits if splits[group] == split] for split in ("train", "val", "test")
        }
        assert len(of["train"]) > 2 * len(of["val"])
        for name in ("squats", "dips"):
            assert any(group.startswith(name) for group in of["val"])
            assert len([group for group in of["test"] if group.startswith(name)]) == 2


def test_settings_are_those_of_the_experiment_for_half_as_long():
    best = config.unflatten(config.flatten(check_labels.parse(["--config", "experiments/best.py"])))
    ours = config.check(check_labels.own_config(CLASSES))
    differ = {key for key, value in config.flatten(ours).items() if config.flatten(best)[key] != value}
    assert differ == {"workdir", "labels.propose", "train.epochs"}


def test_checkpoints_judge_what_they_were_not_trained_on(root, tmp_path, capsys):
    dataset = load_dataset(str(root), "", CLASSES, tmp_path)
    contents = {recording.name: recording.content for recording in dataset.load("train", "val", "test")}
    names = sorted(contents)
    options = tiny(classes=("squats", "dips", "no-exercise"), window_split=False)
    save_run(tmp_path / "fits" / "fold0", options, trained_on=sorted(contents[name] for name in names[:4]))
    save_run(tmp_path / "fits" / "fold1", options, trained_on=sorted(contents[name] for name in names[3:]))
    for fold in (0, 1):
        (tmp_path / "fits" / f"fold{fold}" / check_labels._OVER).touch()
    output = tmp_path / "all.csv"
    assert (
        label.main(["--check", str(root), "--checkpoint", str(tmp_path / "fits"), "--output", str(output)])
        == 0
    )
    said = capsys.readouterr().out
    assert "1 recordings were trained on, or are of an exercise that was not: not judged" in said
    assert said.splitlines()[-1].endswith(f"; all: {output}")
    assert " of 8 recordings are contradicted, " in said
    rows = list(csv.DictReader(output.open()))
    assert rows
    assert names[3] not in {row["recording"] for row in rows}
    is_of_starts = [
        bool(row["no_label_s"] + row["label_too_many_s"]) and not row["recording"].startswith("no-ex")
        for row in rows
    ]
    assert is_of_starts == sorted(is_of_starts, reverse=True)
    worst = [float(row["weight"]) for row in rows[: sum(is_of_starts)]]
    assert worst == sorted(worst, reverse=True)
    path = root / "landmarks" / f"{rows[0]['recording']}.npz"
    opens = (f"python -m wt_jax.label {path}", f"python -m wt_jax.predict {path} --output results")
    assert rows[0]["command"] in opens
    assert rows[0]["command"] in said


def test_the_command_opens_the_video_where_there_is_one(root):
    video = root / "raw" / "squats" / "a b.mov"
    video.parent.mkdir(parents=True)
    video.touch()
    assert check_labels.command_for(str(root), "squats/a b") == f"python -m wt_jax.label '{video}'"


def test_classes_are_those_of_the_folder(root):
    (root / "landmarks" / "lunges").mkdir()
    assert check_labels._classes_of(root) == ("dips", "lunges", "squats", "no-exercise")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--check", "{tmp}/nowhere"], r"data root .*nowhere: no such folder; expected videos as raw/"),
        (["--check", "{tmp}/empty"], r"data root .*empty: it holds nothing; expected videos as raw/"),
        (["--check", "{tmp}/root/labels"], r"data root .*labels: it holds dips, squats; expected"),
        (["--check", "{tmp}/rest"], r"data root .*rest: no folder of an exercise"),
        (
            ["--check", "{tmp}/root", "--output", "{tmp}/empty"],
            "--output .*empty: must be a file in a folder",
        ),
        (["--check", "{tmp}/root", "--output", "/proc/no/list.csv"], "--output /proc/no/list.csv: must be"),
    ],
)
def test_what_cannot_be_checked_is_said_at_once(root, tmp_path, more, message):
    (tmp_path / "empty").mkdir()
    save_landmarks(
        tmp_path / "rest" / "landmarks" / "no-exercise" / "a.npz", Landmarks(walking(60), 30.0, 320, 240)
    )
    with pytest.raises(ValueError, match=message):
        label.main([argument.format(tmp=tmp_path) for argument in more])


def test_a_list_that_cannot_be_written_any_more_is_printed(root, tmp_path, capsys):
    one = Contradiction("squats/a", 3, 2, (), (1.5,), "squats", 0.7)
    (tmp_path / "list.csv").mkdir()
    (tmp_path / "list.csv" / "something").touch()
    with pytest.raises(OSError, match=r"list\.csv"):
        check_labels.report([one], 9, str(root), tmp_path / "list.csv")
    assert "squats/a,3,2,,1.50,squats,0.70,python -m wt_jax.label" in capsys.readouterr().out


EXPERIMENT = """
from wt_jax.config import Config, Data, Model, Train
def get_config():
    return Config(
        data=Data(classes=("squats", "dips", "no-exercise"), window_split=False),
        model=Model(filters=8, blocks=2, dilations=(1, 2), heads=2, dense_units=(8,)),
        train=Train(epochs=1, windows_per_epoch=64, batch_size=8, steps_per_dispatch=2, select="last"),
    )
"""


def test_what_is_trained_is_kept(root, tmp_path, monkeypatch, capsys):
    """And is not trained again; other labels are another training."""
    file = tmp_path / "experiment.py"
    file.write_text(EXPERIMENT)
    command = ["--check", str(root), "--folds", "2", "--config", str(file)]
    command += ["--workdir", str(tmp_path / "check")]
    label.main(command)
    first = capsys.readouterr().out
    assert first.count(": trains on ") == 2
    assert " of 9 recordings are contradicted" in first
    label.main(command)
    again = capsys.readouterr().out
    assert ": trains on " not in again
    assert again.splitlines()[-1] == first.splitlines()[-1]
    write_starts(root / "labels" / "squats" / "a.csv", np.array([20]), 150)
    trained = []
    monkeypatch.setattr(check_labels, "_train", lambda options, dataset: trained.append(options) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        label.main(command)
    assert len(trained) == 1
    with pytest.raises(ZeroDivisionError):
        label.main([*command, "--folds", "50"])  # the last one counts
    assert f"9 people in {root}: as many folds, not 50" in capsys.readouterr().out
