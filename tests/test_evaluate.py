"""The report: exact sums over a split, and the splits it refuses."""

import json

import jax
import numpy as np
import pytest
from test_train import arguments, write_root

from wt_jax import config, evaluate, train
from wt_jax.metrics import Sums, scores
from wt_jax.recordings import load_recordings, save_recording
from wt_jax.steps import init_state


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    root = write_root(folder / "root")
    train.main(arguments(root, folder / "run", **{"train.epochs": 1}))
    return root, folder / "run"


def test_the_batch_size_changes_nothing(make_recording, tiny_config):
    recordings = [make_recording(f"squats/{i}", 50 + 7 * i, starts=(20,)) for i in range(3)]
    params = init_state(tiny_config, jax.devices()[:1]).params
    flat = config.flatten(tiny_config)
    sums = [
        evaluate.make_evaluation(
            config.unflatten(flat | {"train.eval_batch_size": size}), recordings, jax.devices()[:1]
        )(params)
        for size in (1, 4, 1000)
    ]
    for other in sums[1:]:
        np.testing.assert_array_equal(sums[0].confusion_CxC, other.confusion_CxC)
        np.testing.assert_array_equal(sums[0].histogram_2xN, other.histogram_2xN)
        np.testing.assert_allclose(sums[0].segmentation_loss, other.segmentation_loss, rtol=1e-6)
    # windows at 0, 15, 20 of 50 frames, 0, 15, 27 of 57 and 0, 15, 30, 34 of 64
    assert sums[0].confusion_CxC.sum() == 10
    assert sums[0].histogram_2xN.sum() == 300


def test_report_has_the_fixed_keys(run, tmp_path, capsys):
    root, workdir = run
    output = tmp_path / "report.json"
    evaluate.main(
        ["--checkpoint", str(workdir), "--data", str(root), "--split", "all", "--output", str(output)]
    )
    report = json.loads(output.read_text())
    assert report["data"] == str(root)
    assert report["split"] == "all"
    assert report["recordings"] == 12
    assert {"accuracy_window", "macro_f1_window", "confusion"} <= set(report["exercise"])
    assert set(report["segmentation"]) == {"loss", "accuracy", "precision", "recall", "auc"}
    shown = capsys.readouterr().out
    assert "always the largest class: accuracy 0.5000" in shown
    assert "push-ups" in shown


def test_a_split_that_was_trained_on_is_refused(run, tmp_path):
    root, workdir = run
    moved = tmp_path / "moved"
    for recording in load_recordings(root / "recordings", ("push-ups", "no-exercise")):
        split = {"train": "test", "val": "val", "test": "train"}[recording.split]
        fields = {name: getattr(recording, name) for name in recording.__dataclass_fields__}
        save_recording(
            moved / "recordings" / f"{recording.name}.npz", type(recording)(**fields | {"split": split})
        )
    with pytest.raises(ValueError, match="4 of its recordings were trained on"):
        evaluate.evaluate(workdir, str(moved), "", "test")


def test_an_empty_split_and_an_empty_root(run, tmp_path):
    root, workdir = run
    for path in (root / "recordings").rglob("test*.npz"):
        (tmp_path / "kept").mkdir(exist_ok=True)
        path.rename(tmp_path / "kept" / f"{path.parent.name}-{path.name}")
    try:
        with pytest.raises(ValueError, match=r"--split test: no recording of .* is in it"):
            evaluate.evaluate(workdir, str(root), "", "test")
    finally:
        for path in (tmp_path / "kept").iterdir():
            class_name, _, name = path.name.rpartition("-")
            path.rename(root / "recordings" / class_name / name)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="it holds nothing; expected landmarks"):
        evaluate.evaluate(workdir, str(tmp_path / "nothing"), "", "test")


def test_scores_that_cannot_be_computed_are_null(tiny_config):
    sums = Sums.zeros(5)
    corpus = evaluate.Corpus("here", [], "")
    report = evaluate.make_report(tiny_config, corpus, "test", 0, sums)
    assert report["segmentation"] == dict.fromkeys(("loss", "accuracy", "precision", "recall", "auc"))
    assert report["exercise"]["accuracy_window"] is None
    assert np.isnan(scores(sums, 5.0)["segmentation_auc"])
    assert "-" in evaluate.table(report)
    json.dumps(report, allow_nan=False)


def test_output_folder_is_checked_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="must be a file in a folder that exists"):
        evaluate.main(["--checkpoint", "nowhere", "--output", str(tmp_path / "no" / "report.json")])
