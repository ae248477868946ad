"""The checkpoint in the box: what is put into it comes out of it, or it says why not."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from runs import EVERYTHING, POINTS, save_run

from wt_jax.inference import pretrained
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.pretrained import BOX, read_about, restore_pretrained, write_pretrained
from wt_jax.inference.restore import restore_model

DEVICES = jax.devices()[:1]
CARD = Path(__file__).parents[2] / "docs" / "pretrained.md"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    about = {"root": "/home/anna/data", "trained_on": ["ab", "cd"], "split": {"squats/anna": "train"}}
    return restore_model(save_run(tmp_path_factory.mktemp("run"), POINTS, **about), DEVICES)


@pytest.fixture
def box(trained, tmp_path):
    write_pretrained(trained, tmp_path / "box")
    return tmp_path / "box"


def test_what_was_put_in_comes_out(trained, box):
    restored = restore_pretrained(box, DEVICES)

    def check(value, original):
        assert (value.dtype, value.sharding) == (original.dtype, original.sharding)
        np.testing.assert_array_equal(value, np.asarray(original, np.float16).astype(np.float32))

    jax.tree.map(check, restored.params, trained.params)
    assert (restored.step, restored.chosen, restored.remark) == (trained.step, EVERYTHING, "")
    assert restored.options.model == POINTS.model and restored.options.data.inputs == POINTS.data.inputs
    assert restored.trained_on == {"ab", "cd"}
    assert restored.meta["fingerprint"] == trained.meta["fingerprint"]
    assert "anna" not in (box / "checkpoint.json").read_text()


@pytest.mark.parametrize("name", ["weights.npz", "checkpoint.json"])
def test_a_damaged_box_is_refused(box, name):
    whole = (box / name).read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for damaged in (changed, whole[:-9], b""):
        (box / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{name}: not .*: the checkpoint in the box is damaged: inst"):
            restore_pretrained(box, DEVICES)
    (box / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}.*: the checkpoint in the box is damaged"):
        restore_pretrained(box, DEVICES)


def test_what_is_not_fit_for_the_box(trained, box, monkeypatch):
    """What was in it stays."""
    before = {path.name: path.read_bytes() for path in box.iterdir()}
    unfinished = dataclasses.replace(trained, chosen=None, remark="no thresholds were chosen")
    with pytest.raises(ValueError, match=r"run\d+: no thresholds were chosen: not fit for the box"):
        write_pretrained(unfinished, box)
    too_much = dataclasses.replace(trained, params={"layer": {"kernel": np.full(3, 7e4, np.float32)}})
    with pytest.raises(ValueError, match="weights beyond float16"):
        write_pretrained(too_much, box)
    monkeypatch.setattr(pretrained, "MOST_BYTES", 9_999)
    with pytest.raises(ValueError, match=r"\d\d,\d\d\d bytes for the box, 9,999 are the most"):
        write_pretrained(trained, box)
    assert {path.name: path.read_bytes() for path in box.iterdir()} == before


def test_a_word_is_no_folder(trained, box, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "BOX", box)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^pretrained: holds no checkpoints"):
        Predictor.restore("./pretrained")
    save_run(tmp_path / "pretrained", POINTS)
    for folder in ("./pretrained", Path("pretrained")):
        assert Predictor.restore(folder).identity["checkpoint"] == str(tmp_path / "pretrained")
    assert capsys.readouterr().out == ""
    for predictor in (Predictor.restore(), Predictor.restore("pretrained")):
        assert (predictor.identity["checkpoint"], predictor.identity["is_calibrated"]) == ("pretrained", True)
    line = "note: pretrained, the checkpoint in the box: docs/pretrained.md says how far to trust it\n"
    assert capsys.readouterr().out == 2 * line


def test_the_maintainers_command(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("write_pretrained", CARD.with_name("write_pretrained.py"))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, path in (("BOX", tmp_path / "box"), ("CARD", tmp_path / "card.md")):
        monkeypatch.setattr(script, name, path)
    script.CARD.write_text(f"before\n{script.BEGIN}old facts\n{script.END}after\n")
    history = {"loss": [0.7, 0.5], "val_segmentation_loss": [0.7, 0.5]}
    split = {"squats/a": "train", "squats/b": "train", "dips/a": "train", "dips/b": "val"}
    run = save_run(tmp_path / "run", POINTS, history=history, split=split, trained_on=["a", "b", "c"])
    assert script.main([str(run)]) == 0
    card, about = script.CARD.read_text(), read_about(script.BOX)
    assert card.startswith("before\n") and card.endswith("after\n") and "old facts" not in card
    for fact in (
        "| recordings trained on | 3: squats 2, dips 1 |",
        "| epoch, step | 2, 0 |",
        "| validation segmentation loss | 0.5000 |",
        f"`{about['weights_sha256']}`",
        "`model.filters=8`",
    ):
        assert fact in card
    assert re.search(r"box: [\d,]+ bytes, of .*run, step 0; facts in .*card\.md", capsys.readouterr().out)


def test_the_one_in_the_box_is_whole_and_the_page_is_of_it():
    model, about, page = restore_pretrained(BOX, DEVICES), read_about(BOX), CARD.read_text()
    assert model.chosen is not None and model.trained_on
    assert sum(path.stat().st_size for path in BOX.iterdir()) <= pretrained.MOST_BYTES
    facts = dict(re.findall(r"^\| (.+?) \| (.+) \|$", page, re.MULTILINE))
    assert facts["SHA-256 of the weights"] == f"`{about['weights_sha256']}`"
    assert facts["fingerprint of the data"] == f"`{model.meta['fingerprint']}`"
    assert facts["recordings trained on"].startswith(f"{len(model.trained_on):,}: ")
    assert facts["written"] == f"{about['date']}, wt_jax {about['wt_jax']}"
