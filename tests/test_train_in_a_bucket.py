"""The command with its workdir and its data in a bucket."""

import functools
import json
from pathlib import Path

import pytest
from training_runs import arguments, assert_same_run, write_root

from wt_jax import evaluate, train
from wt_jax.storage import workdir
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.lease import FOLDER, Lease
from wt_jax.storage.places import run_folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_root(tmp_path_factory.mktemp("root"))


@pytest.mark.optimized
def test_a_run_that_moves_from_machine_to_machine(root, s3, tmp_path, monkeypatch, capsys):
    """Its data in a bucket as well: it is the run that stays on one, with its data there."""
    whole, moved, data = tmp_path / "whole", f"{s3}/runs/a", f"{s3}/data"
    for path in (root / "recordings").rglob("*.npz"):
        Bucket(data).send(path, path.relative_to(root).as_posix())
    assert train.main(arguments(root, whole)) == 0
    for machine, epochs in enumerate((2, 4)):
        monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / f"machine{machine}"))
        assert train.main(arguments(data, moved, **{"train.epochs": epochs})) == 0
    said = capsys.readouterr().out
    assert f"data: {data}\n" in said
    assert f"resumed: {moved}, step 16, 2 epochs done" in said
    assert_same_run(whole, run_folder(moved))
    found = Bucket(moved).listing()
    steps = {path.name for path in (whole / "checkpoints").iterdir() if path.name.isdecimal()}
    assert {name.split("/")[1] for name in found if name.startswith("checkpoints/")} == steps
    assert {"training_history.json", "training_history.npy", "training_curves.png"} <= found.keys()
    assert any(name.startswith("tensorboard/") for name in found)
    assert json.loads(Bucket(moved).read("training_history.json"))["loss"]
    lease = json.loads(Bucket(moved).read(f"{FOLDER}/2"))
    assert lease["free"]

    monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / "machine3"))
    before = Bucket(moved).listing()
    there, here = (evaluate.evaluate(place, None, "", "test").report for place in (moved, whole))
    assert there == {**here, "data": data}
    assert Bucket(moved).listing() == before


def test_a_bucket_that_is_not_there_costs_no_training(root, s3):
    with pytest.raises(ValueError, match=r"^s3://nowhere/run: no bucket nowhere"):
        train.main(arguments(root, "s3://nowhere/run"))
    with pytest.raises(ValueError, match=r"^s3://nowhere/data: no bucket nowhere"):
        train.main(arguments(root, f"{s3}/run", **{"data.root": "s3://nowhere/data"}))


def test_two_runs_in_one_bucket(root, s3, monkeypatch, tmp_path):
    monkeypatch.setattr(workdir, "Lease", functools.partial(Lease, lasts_s=6))
    with workdir.opened(f"{s3}/run"):
        monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / "another"))
        with pytest.raises(ValueError, match=f"^workdir={s3}/run: another run is writing to it"):
            train.main(arguments(root, f"{s3}/run"))
    assert train.main(arguments(root, f"{s3}/run", **{"train.epochs": 1})) == 0
