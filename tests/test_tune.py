"""The search command: to its end, killed and gone on with, by two processes, and what it refuses."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import optuna
import pytest
from emulators import objects
from optuna.trial import TrialState
from training_runs import arguments, write_root

from wt_jax import config, tune
from wt_jax.runtime.config_flags import parse
from wt_jax.search.plan import make_plan
from wt_jax.search.space import read_space
from wt_jax.search.study import NAME, Study, open_storage
from wt_jax.search.trials import Trials
from wt_jax.search.worker import join
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.lease import Lease

pytestmark = pytest.mark.usefixtures("share_programs")

SPACE = """
from wt_jax.search import log, uniform
def get_space():
    return {"optimizer.learning_rate": log(1e-4, 1e-2), "model.dropout": uniform(0.0, 0.5)}
"""


class StopAfter:
    """Asks to stop after so many looks, one an epoch."""

    def __init__(self, n_epochs: int):
        self._left = n_epochs

    @property
    def caught(self) -> signal.Signals | None:
        self._left -= 1
        return signal.SIGINT if self._left < 0 else None


def command(tmp_path, *more: str, workdir: str = "tune", **overrides: object) -> list[str]:
    (tmp_path / "space.py").write_text(SPACE)
    root = tmp_path / "data"
    if not root.exists():
        write_root(root, 3)
    given = arguments(root, tmp_path / "unused", **{"train.epochs": 3, **overrides})
    return [*given, "--space", str(tmp_path / "space.py"), "--workdir", str(tmp_path / workdir), *more]


def take_part(argv: list[str], workdir, n_trials: int, stop, n_folds: int = 2, together: int = 1) -> Study:
    options = parse(
        [
            arg
            for i, arg in enumerate(argv)
            if arg == "--config" or argv[i - 1] == "--config" or "--config." in arg
        ]
    )
    space = read_space(argv[argv.index("--space") + 1], options)
    workdir.mkdir(exist_ok=True)
    plan = make_plan(options, space, n_folds, together, workdir)
    study = Study(workdir, options, space, {"folds": n_folds})
    with join(workdir / "workers") as worker:
        Trials(study, plan, worker).run(n_trials, stop)
    return study


def histories(study: Any) -> list[tuple[dict, dict]]:
    return [(trial.params, trial.intermediate_values) for trial in study.trials]


def test_a_search_ends_with_an_experiment_a_table_and_a_page(tmp_path, capsys):
    assert tune.main(command(tmp_path, "--trials", "3", "--folds", "2", "--together", "2")) == 0
    said = capsys.readouterr().out
    folder = tmp_path / "tune"
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["trial"] for row in rows) == ["0", "1", "2"]
    losses = [float(row["loss"]) for row in rows]
    assert losses == sorted(losses)
    assert f"best: trial {rows[0]['trial']}" in said
    best = parse(["--config", str(folder / "best.py")])
    assert best.model.dropout == pytest.approx(float(rows[0]["dropout"]), rel=1e-3)
    assert best.model.filters == 8
    page = (folder / "search.html").read_text()
    assert "plotly" in page and "Which key decides" in page
    # The first trial is the config as it stands.
    first = next(row for row in rows if row["trial"] == "0")
    assert float(first["learning_rate"]) == config.Optimizer.learning_rate
    # Asked for more, it goes on; asked for another search in its place, it refuses.
    assert tune.main(command(tmp_path, "--trials", "4", "--folds", "2", "--together", "2")) == 0
    with pytest.raises(ValueError, match="holds another search: folds was 2, and is 3"):
        tune.main(command(tmp_path, "--trials", "4", "--folds", "3"))
    with pytest.raises(ValueError, match=r"holds another search: config\.model\.filters was 8, and is 16"):
        tune.main(command(tmp_path, "--folds", "2", **{"model.filters": 16}))


def test_a_search_that_was_stopped_at_every_epoch_is_the_same(tmp_path):
    argv = command(tmp_path, **{"train.epochs": 2})
    whole = take_part(argv, tmp_path / "whole", 2, StopAfter(10**6))
    for _ in itertools.repeat(None, 10):
        study = take_part(argv, tmp_path / "parts", 2, StopAfter(1))
        if len(study.trials) == 2:
            break
    assert histories(study) == histories(whole)
    assert not list((tmp_path / "parts" / "workers").glob("*.npz"))


def test_what_a_killed_process_had_begun_is_handed_out_again(tmp_path):
    argv = command(tmp_path)
    study = take_part(argv, tmp_path / "tune", 2, StopAfter(1))
    assert study.is_running(0)
    (tmp_path / "tune" / "workers" / "0.npz").write_bytes(b"torn")
    study = take_part(argv, tmp_path / "tune", 2, StopAfter(10**6))
    assert study.trials[0].params == study.own_values()
    assert len(study.trials) == 2


def test_trials_together_are_what_they_are_one_by_one(tmp_path):
    argv = command(tmp_path, **{"train.epochs": 1})
    one, both = (
        take_part(argv, tmp_path / f"of_{n}", 2, StopAfter(10**6), n_folds=1, together=n) for n in (1, 2)
    )
    assert [params for params, _ in histories(both)] == [params for params, _ in histories(one)]
    for (_, losses), (_, alone) in zip(histories(both), histories(one), strict=True):
        assert losses == pytest.approx(alone, rel=1e-4)


def test_a_journal_that_was_torn_is_gone_on_with(tmp_path):
    argv = command(tmp_path, **{"train.epochs": 1})
    take_part(argv, tmp_path / "tune", 1, StopAfter(10**6), n_folds=1)
    journal = tmp_path / "tune" / "study.log"
    journal.write_bytes(journal.read_bytes()[:-5])
    study = take_part(argv, tmp_path / "tune", 2, StopAfter(10**6), n_folds=1)
    assert len(study.trials) == 2
    assert len(take_part(argv, tmp_path / "tune", 2, StopAfter(10**6), n_folds=1).trials) == 2
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"torn\n", *lines[3:]]))
    with pytest.raises(ValueError, match=r"study\.log: damaged"):
        open_storage(journal.parent)


def test_values_that_do_not_go_together_are_refused_one_by_one(tmp_path, capsys):
    argv = command(tmp_path, **{"train.epochs": 1})
    space = "from wt_jax.search import one_of\n"
    space += "def get_space():\n    return {'model.filters': one_of(8, 12), 'model.heads': one_of(2, 8)}\n"
    (tmp_path / "space.py").write_text(space)
    study = take_part(argv, tmp_path / "tune", 5, StopAfter(10**6), n_folds=1)
    assert len(study.trials) == 5
    assert all(trial.params["model.filters"] % trial.params["model.heads"] == 0 for trial in study.trials)
    assert "refused: model.heads" in capsys.readouterr().out


def test_what_a_process_left_that_nobody_replaced_is_done_by_the_others(tmp_path):
    argv = command(tmp_path, **{"train.epochs": 1})
    folder = tmp_path / "tune"
    study = take_part(argv, folder, 1, StopAfter(10**6), n_folds=1)
    study.ask(9, "7")  # of a process that dies at once
    (folder / "workers" / "7.lock").touch()
    study.ask(9, "8")
    (folder / "workers" / "8.lock").touch()
    study = take_part(argv, folder, 3, StopAfter(10**6), n_folds=1)
    assert len(study.trials) == 3 and not study.study.get_trials(states=(TrialState.RUNNING,))


def test_two_processes_search_together(tmp_path):
    argv = command(tmp_path, "--trials", "4", **{"train.epochs": 1})
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "wt_jax.tune", *argv], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240)[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    with (tmp_path / "tune" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["trial"] for row in rows) == ["0", "1", "2", "3"]
    assert len({row["dropout"] for row in rows}) == 4


def test_a_search_by_ray_is_the_same_search(tmp_path, capsys):
    pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[cluster]'")
    argv = command(tmp_path, "--trials", "2", **{"train.epochs": 2})
    assert tune.main([*argv, "--cluster", "local"]) == 0
    assert "trial   1" in capsys.readouterr().out
    whole = take_part(argv, tmp_path / "whole", 2, StopAfter(10**6), n_folds=1)
    by_ray = optuna.load_study(study_name=NAME, storage=open_storage(tmp_path / "tune"))
    assert [params for params, _ in histories(by_ray)] == [params for params, _ in histories(whole)]
    for (_, one), (_, other) in zip(histories(by_ray), histories(whole), strict=True):
        assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--cpus", "2"), "add --cluster"),
        (("--cluster", "local", "--together", "2"), "a process of its own"),
        (("--cluster", "ray://host:10001"), "--cluster auto"),
        (("--trials", "0"), "--trials 0: must be a whole number"),
        (("--folds", "40"), "ask for fewer folds"),
        (("--spice", "x"), "unknown option --spice; did you mean --space"),
        (
            ("--config.optimizer.unfreeze_epochs=2", "--config.optimizer.freeze=('block_*',)"),
            "the same weights",
        ),
        (("--config.data.resident=false",), "data.resident=false"),
    ],
)
def test_what_it_cannot_do_is_said(tmp_path, more, words):
    with pytest.raises(ValueError, match=words):
        tune.main(command(tmp_path, *more))


def test_structure_is_searched_one_trial_at_a_time(tmp_path):
    argv = command(tmp_path, "--trials", "2", **{"train.epochs": 1})
    (tmp_path / "space.py").write_text(
        "from wt_jax.search import one_of\n"
        "def get_space():\n    return {'model.dilations': one_of((1,), (1, 2))}\n"
    )
    with pytest.raises(ValueError, match=r"--together 2: model\.dilations: trials that differ there"):
        tune.main([*argv, "--together", "2"])
    assert tune.main(argv) == 0
    assert parse(["--config", str(tmp_path / "tune" / "best.py")]).model.dilations in ((1,), (1, 2))


def test_a_loss_that_is_no_number_ends_its_trial_alone(tmp_path, monkeypatch):
    from wt_jax.search import cohort

    real = cohort.scores

    def poisoned(sums, loss):
        values = real(sums, loss)
        return values | {"segmentation_loss": np.nan} if poisoned.left.pop() else values

    poisoned.left = [False] * 50 + [True]  # the first trial's first epoch
    monkeypatch.setattr(cohort, "scores", poisoned)
    study = take_part(command(tmp_path), tmp_path / "tune", 2, StopAfter(10**6), n_folds=1)
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE"]
    assert json.dumps(study.best.params)


def test_a_search_in_a_bucket_is_of_one_process_at_a_time(tmp_path, s3, monkeypatch, capsys):
    argv = command(tmp_path, "--trials", "1", **{"train.epochs": 1})
    argv[argv.index("--workdir") + 1] = f"{s3}/tune"
    tune.main(argv)
    assert "next: copy best.py from there; " in capsys.readouterr().out
    assert objects(f"{s3}/tune") == ["best.py", "search.html", "study.log", "trials.csv"]
    assert f"workdir='{s3}/tune-best'" in Bucket(f"{s3}/tune").read("best.py").decode()
    monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / "another"))
    tune.main(argv)
    assert "best: trial 0" in capsys.readouterr().out
    other = Lease(f"{s3}/tune", on_lost=lambda: None, lasts_s=2)
    other.acquire()
    with pytest.raises(ValueError, match=f"workdir={s3}/tune: another run is writing to it"):
        tune.main(argv)
    other.release()
