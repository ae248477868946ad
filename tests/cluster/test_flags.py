import importlib.util

import pytest

from wt_jax import build_dataset, evaluate, predict, train
from wt_jax.cluster import flags
from wt_jax.cluster.flags import Cluster, take_cluster

REST = ["--config", "experiments/quick.py", "--config.train.epochs=2"]


@pytest.fixture
def with_ray(monkeypatch):
    monkeypatch.setattr(flags, "find_spec", lambda _: True)


def test_they_are_taken_from_among_the_config_s(with_ray):
    argv = [REST[0], REST[1], "--cluster", "auto", "--workers=4", REST[2], "--gpus_per_worker", "0.5"]
    assert take_cluster(argv) == (Cluster("auto", 4, cpus=1, gpus=0.5, restarts=3, wait_s=600), REST)
    argv = [
        "--cluster=h:1",
        "--workers",
        "2",
        "--cpus_per_worker",
        "8",
        "--restarts=0",
        "--wait_minutes",
        "0.5",
    ]
    assert take_cluster(argv + REST) == (Cluster("h:1", 2, cpus=8, gpus=0, restarts=0, wait_s=30), REST)
    assert take_cluster(REST) == (None, REST)
    assert take_cluster(["--conf"])[1] == ["--conf"]  # no abbreviations: what it means is the config's to say


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--workers", "2"], "--workers: is for a Ray cluster: add --cluster ADDRESS"),
        (["--restarts", "2"], "--restarts: is for a Ray cluster"),
        (["--wait_minutes", "2"], "--wait_minutes: is for a Ray cluster"),
        (["--cluster", "auto"], "--cluster auto: say how many workers: --workers N"),
        (["--cluster", "auto", "--workers", "0"], "--workers 0: must be a whole number, 1 or more"),
        (["--cluster", "auto", "--workers", "2", "--gpus_per_worker", "-1"], "--gpus_per_worker -1: must be"),
        (["--cluster", "auto", "--workers", "2", "--restarts", "some"], "--restarts some: must be a whole"),
        (["--cluster"], "expected one argument"),
    ],
)
def test_what_makes_no_sense_is_said(with_ray, argv, message):
    with pytest.raises(ValueError, match=message):
        train.main([*REST, *argv])


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (train.main, REST),
        (evaluate.main, ["--checkpoint", "pretrained"]),
        (predict.main, ["a.mp4"]),
        (build_dataset.main, []),
    ],
)
def test_without_ray_it_says_how_to_get_it(command, argv, monkeypatch):
    monkeypatch.setattr(
        flags, "find_spec", lambda name: None if name == "ray" else importlib.util.find_spec(name)
    )
    with pytest.raises(ValueError, match=r"--cluster auto: needs Ray: pip install -e '\.\[cluster\]'"):
        command([*argv, "--cluster", "auto", "--workers", "2"])


def test_help_shows_them(capsys):
    assert train.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("cluster", "workers", "gpus_per_worker", "cpus_per_worker", "restarts", "wait_minutes"):
        assert f"--{name} " in shown
