"""`export`: what it writes, what it says of it, and what it refuses."""

import json
import sys

import numpy as np
import pytest
from emulators import objects, put
from predicting import names
from runs import save_run, tiny

from wt_jax import export
from wt_jax.exporting import formats, parity
from wt_jax.exporting.formats import FORMATS
from wt_jax.inference.predictor import Predictor


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of few synthetic people, so that there is little to compare."""
    options = tiny(("angles", "orientation"), 16, 3, overhang=0.4, synthetic_people=3)
    return save_run(tmp_path_factory.mktemp("run"), options, data="synthetic")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(export, "_RECORDINGS", 2)
    monkeypatch.setattr(parity, "_ROUNDS", 1)
    monkeypatch.setattr(export.jax_setup, "use_compilation_cache", lambda: None)


def command(run, output, *more, format="onnx"):
    export.main(["--checkpoint", str(run), "--format", format, "--output", str(output), *more])


def test_it_writes_the_file_its_card_and_how_near_it_is(run, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install -e '.[onnx]'")
    output = tmp_path / "new" / "model"
    command(run, output)
    assert names(output) == ["model.json", "model.onnx", "parity.json"]
    near = json.loads((output / "parity.json").read_text())
    assert 0 < max(near["largest_difference"].values()) < near["tolerance"] == 1e-4
    assert (near["counts_equal"], near["recordings"], near["counts_differ"]) == (2, 2, [])
    assert set(near["versions"]) == {"python", "jax", "onnxruntime"}
    assert near["ms_a_window"]["batch 64"]["exported"] > 0
    said = capsys.readouterr().out
    assert f"in {near['windows']} windows" in said
    assert "counts of 2 of 2 recordings equal" in said
    with pytest.raises(ValueError, match="is there already"):
        command(run, output)
    assert Predictor.restore(output / "model.onnx").counting == Predictor.restore(run).counting
    assert "has seen synthetic people alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("off", "message"),
    [
        (0.001, "from JAX, and 0.0001 is the most for float32: nothing is written"),
        (np.nan, "answers with NaN or infinity: nothing is written"),
    ],
)
def test_a_file_that_differs_is_not_written(run, tmp_path, monkeypatch, off, message):
    kind = FORMATS["stablehlo"]

    def off_by_something(path):
        exact = kind.run(path)
        return lambda *asked: tuple(of + off * (of > np.median(of)) for of in exact(*asked))

    monkeypatch.setitem(formats.FORMATS, "stablehlo", kind._replace(run=off_by_something))
    with pytest.raises(ValueError, match=message):
        command(run, tmp_path / "model", format="stablehlo")
    assert names(tmp_path) == []


def test_counts_that_differ_are_named(run):
    """Of a file that sees no repetition at all."""
    from exported_models import restored_of

    trained = restored_of(run)
    _, recordings = export._recordings(trained, None)
    by_jax = parity._Both(trained, None).by_jax

    def still(points, mask):
        probabilities, starts = by_jax(points, mask)
        return np.asarray(probabilities), np.zeros_like(starts)

    found = parity.compare(trained, still, recordings[:1])
    document = parity.parity_document(found, 10**6, {"dtype": "float32"})
    (counts,) = document["counts_differ"]
    assert counts["recording"] == recordings[0].name
    assert sum(counts["jax"].values()) > 0 == sum(counts["exported"].values())
    assert document["counts_equal"] == 0
    assert document["largest_difference"]["class_probabilities"] == 0
    assert document["largest_difference"]["start_signal"] > 0.1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--dtype", "int8"], "--dtype int8: stablehlo has float32 and float16"),
        (["--output", __file__], "is there already"),
        (["--data", "nowhere"], "data root nowhere: no such folder"),
    ],
)
def test_what_it_refuses(run, tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        command(run, tmp_path / "model", *more, format="stablehlo")
    assert names(tmp_path) == []


@pytest.mark.parametrize(("format", "module"), [("onnx", "onnx"), ("tflite", "litert_converter")])
def test_a_package_that_is_missing_is_named(run, tmp_path, monkeypatch, format, module):
    monkeypatch.setitem(sys.modules, module, None)  # importing it raises
    with pytest.raises(ValueError, match=rf"--format {format}: needs \w+: pip install -e '.\[{format}\]'"):
        command(run, tmp_path / "model", format=format)
    assert names(tmp_path) == []


def test_from_a_bucket_to_a_bucket(run, s3):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install -e '.[onnx]'")
    workdir, output = put(run, f"{s3}/run"), f"{s3}/exported"
    command(workdir, output)
    assert objects(output) == ["model.json", "model.onnx", "parity.json"]
    model = Predictor.restore(f"{output}/model.onnx")
    assert model.identity["checkpoint"] == f"{output}/model.onnx"
    with pytest.raises(ValueError, match=f"--output {output}: is there already"):
        command(workdir, output)
