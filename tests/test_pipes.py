"""No command waits for a pipe that nobody writes to, wherever a file is expected."""

import os

import pytest
from runs import ANGLES, save_run, walking

from wt_jax import build_dataset, label, live, train
from wt_jax.pose.landmarks import Landmarks, save_landmarks

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    return path


def test_of_live_label_and_train(pipe, tmp_path):
    with pytest.raises(ValueError, match=r"pipe\.mp4: a pipe, not a video"):
        live.main(
            ["--headless", "--source", str(pipe), "--checkpoint", str(save_run(tmp_path / "run", ANGLES))]
        )
    with pytest.raises(ValueError, match=r"pipe\.mp4: a pipe, not a video"):
        label.main([str(pipe), "--class", "squats"])
    with pytest.raises(ValueError, match=r"--config .*pipe\.mp4: a pipe, not an experiment file"):
        train.main(["--config", str(pipe)])


@pytest.mark.parametrize("name", ["manifest.csv", "segments.csv"])
def test_of_tables(tmp_path, name):
    save_landmarks(tmp_path / "landmarks" / "squats" / "a.npz", Landmarks(walking(60), 30.0, 64, 48))
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name}: a pipe, not a table"):
        build_dataset.main(["--data", str(tmp_path)])


def test_of_a_data_root(tmp_path, capsys):
    save_landmarks(tmp_path / "landmarks" / "squats" / "a.npz", Landmarks(walking(60), 30.0, 64, 48))
    for name in ("raw/squats/b.mp4", "landmarks/squats/c.npz", "labels/squats/a.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "model.task").write_bytes(b"never asked")
    assert build_dataset.main(["--data", str(tmp_path), "--pose_model", str(tmp_path / "model.task")]) == 0
    said = capsys.readouterr().out
    assert "videos: 0 extracted, 0 unchanged, 1 failed" in said and "1 built" in said
    lines = [line for line in said.splitlines() if line.startswith("left out: ")]
    assert {line.split(": ")[1].rpartition("/")[2] for line in lines} == {
        "a.csv",
        "b.mp4",
        "c.npz",
    }
