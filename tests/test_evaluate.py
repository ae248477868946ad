"""The report: exact sums over a split, and the splits it refuses."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from emulators import objects, put
from runs import EVERYTHING, save_box, save_run
from training_runs import arguments, write_root

from wt_jax import config, evaluate, train
from wt_jax.counting.settings import Counting
from wt_jax.data import synthetic_recordings
from wt_jax.data.recordings import load_recordings, save_recording
from wt_jax.inference import pretrained
from wt_jax.inference.restore import restore_model
from wt_jax.training.checkpoint_reader import open_served
from wt_jax.training.step_folder import StepFolder
from wt_jax.training.train_step import init_state
from wt_jax.training.validation import make_evaluation, make_evaluation_of_each

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    root = write_root(folder / "root")
    train.main(arguments(root, folder / "run", **{"train.epochs": 1}))
    return root, folder / "run"


@pytest.mark.optimized
def test_the_batch_size_changes_nothing(make_recording, tiny_config):
    recordings = [make_recording(f"squats/{i}", 50 + 7 * i, starts=(20,)) for i in range(3)]
    params = init_state(tiny_config, jax.devices()[:1]).params
    flat = config.flatten(tiny_config)
    sums = [
        make_evaluation(
            config.unflatten(flat | {"train.eval_batch_size": size}), recordings, jax.devices()[:1]
        )(params)
        for size in (0, 1, 4, 1000)
    ]
    for other in sums[1:]:
        np.testing.assert_array_equal(sums[0].confusion_CxC, other.confusion_CxC)
        np.testing.assert_array_equal(sums[0].histogram_2xN, other.histogram_2xN)
        np.testing.assert_allclose(sums[0].segmentation_loss, other.segmentation_loss, rtol=1e-6)
    # windows at 0, 15, 20 of 50 frames, 0, 15, 27 of 57 and 0, 15, 30, 34 of 64
    assert sums[0].confusion_CxC.sum() == 10
    assert sums[0].histogram_2xN.sum() == 300


def test_sums_of_each_recording_add_up_to_those_of_all(make_recording, tiny_config):
    recordings = [make_recording(f"squats/{i}", 50 + 400 * i, starts=(20,)) for i in range(3)]
    params, devices = init_state(tiny_config, jax.devices()[:1]).params, jax.devices()[:1]
    each = make_evaluation_of_each(tiny_config, recordings, devices)(params)
    whole = make_evaluation(tiny_config, recordings, devices)(params)
    np.testing.assert_array_equal(sum(one.confusion_CxC for one in each), whole.confusion_CxC)
    np.testing.assert_array_equal(sum(one.histogram_2xN for one in each), whole.histogram_2xN)
    assert [int(one.confusion_CxC.sum()) for one in each] == [3, 29, 56]  # every 15 frames, and the last


def test_report_has_the_fixed_keys(run, tmp_path, capsys):
    """Of a split that nothing was trained on, beside the baselines; the page is written beside the JSON."""
    root, workdir = run
    output = tmp_path / "report.json"
    evaluate.main(
        [
            *("--checkpoint", str(workdir), "--data", str(root), "--split", "test", "--baselines"),
            *("--output", str(output)),
        ]
    )
    report = json.loads(output.read_text())
    assert (report["data"], report["split"], report["recordings"]) == (str(root), "test", 4)
    keys = {
        "exercise": "accuracy_recording macro_f1_recording accuracy_window macro_f1_window confusion",
        "rep_start": "ap_1 ap_2 ap_4 ap_8 ap_15 f1_4 f1_8 f1_15 precision_15 recall_15 mean_abs_error_ms",
        "count": "mae nmae obo exact recordings",
        "count_class_given": "mae nmae obo exact recordings",
        "no_exercise": "false_reps_per_minute minutes",
        "segmentation": "precision recall auc loss",
    }
    for section, names in keys.items():
        assert set(names.split()) <= set(report[section]), section
    assert set(report["by_exercise"]) == {"push-ups", "no-exercise"}
    assert set(report["baselines"]) == {"majority", "key_angle", "neighbours"}
    assert set(report["counting"]) == {field.name for field in dataclasses.fields(Counting)}
    page = output.with_suffix(".html").read_text()
    assert "<html" in page and "key_angle" in page.replace(" ", "_")
    shown = capsys.readouterr().out
    assert "macro-F1, recordings" in shown and "majority" in shown


def test_other_runs_have_a_key_and_a_column_of_their_own(run, tmp_path, capsys):
    """Two of one name, too: more of their paths tells them apart."""
    root, workdir = run
    others = [tmp_path / name / "other" for name in ("a", "b")]
    for other in others:
        shutil.copytree(workdir, other)
    output = tmp_path / "report.json"
    common = ["--checkpoint", str(workdir), "--data", str(root), "--output", str(output)]
    evaluate.main([*common, "--baselines", "--against", *map(str, others)])
    report = json.loads(output.read_text())
    assert list(report["against"]) == ["other", "b/other"]
    assert list(report["baselines"]) == ["majority", "key_angle", "neighbours"]
    assert report["against"]["other"]["count"] == report["count"]  # it is the same run
    assert report["paired"]["other"]["count"]["obo"] == {"difference": 0.0, "interval": [0.0, 0.0]}
    assert next(iter(report)) == "verdict" and "the plain angle counter" in report["verdict"]
    shown = capsys.readouterr().out
    (heads,) = [line for line in shown.splitlines() if line.strip().startswith("this model")]
    assert heads.split() == ["this", "model", "other", "b/other", "majority", "key_angle", "neighbours"]
    page = output.with_suffix(".html").read_text()
    assert "<th>other</th><th>b/other</th><th>majority</th>" in page
    with pytest.raises(ValueError, match=f"--against {others[0]}: named twice"):
        evaluate.main([*common, "--against", str(others[0]), str(others[0])])


def test_the_checkpoint_in_the_box(run, tmp_path, monkeypatch, capsys):
    """On data of which none was trained on; and what it was trained on is refused as of any other."""
    root, workdir = run
    own = restore_model(workdir, jax.devices()[:1])
    box = save_box(tmp_path, own.options, trained_on=sorted(own.trained_on))
    monkeypatch.setattr(pretrained, "BOX", box)
    with pytest.raises(ValueError, match="--checkpoint pretrained: holds no data of its own: say --data"):
        evaluate.evaluate_here("pretrained")
    parents = [{"name": "pretrained", "step": 0, "digest": "0"}]
    adapted = save_run(tmp_path / "adapted", own.options, root=str(tmp_path), parents=parents)
    with pytest.raises(ValueError, match=r"was adapted from pretrained, and .* is no data root .*say --data"):
        evaluate.evaluate_here(adapted)
    found = evaluate.evaluate_here("pretrained", "all", data=root, recordings=root / "recordings")
    assert len(found.results) == 12 and found.counting == EVERYTHING
    assert found.report["recordings_trained_on"] == 4
    assert "checkpoint: pretrained, step 0, trained on data: nowhere" in capsys.readouterr().out
    recordings = load_recordings(root / "recordings", own.options.data.classes)
    for recording in recordings:
        save_recording(
            tmp_path / "recordings" / f"{recording.name}.npz", dataclasses.replace(recording, split="test")
        )
    with pytest.raises(ValueError, match=r"4 of its recordings were trained on .* by pretrained: a score"):
        evaluate.evaluate("pretrained", str(tmp_path), "", "test")


def test_synthetic_people_are_as_many_as_were_trained_on(run, tmp_path, monkeypatch):
    """So that those of its test split are nobody whom it knows; and no more are filmed than are judged."""
    of_run = config.flatten(restore_model(run[1], jax.devices()[:1]).options)
    options = config.unflatten(of_run | {"data.synthetic_people": 4})

    class Judged(Exception):
        """By whom: the network need not be asked."""

    def judge(options, params, counting, recordings, cluster):
        raise Judged(recordings)

    films, film = [], synthetic_recordings.synthetic_motion
    monkeypatch.setattr(
        synthetic_recordings, "synthetic_motion", lambda name, *args: films.append(name) or film(name, *args)
    )
    monkeypatch.setattr(evaluate, "results_of", judge)
    boxes = {data: save_box(tmp_path / data, options, data=data) for data in ("synthetic", "people")}
    for data, root in (("synthetic", None), ("synthetic", "synthetic"), ("people", "synthetic")):
        monkeypatch.setattr(pretrained, "BOX", boxes[data])
        films.clear()
        with pytest.raises(Judged) as judged:
            evaluate.evaluate("pretrained", root, "", "test")
        assert {recording.group for recording in judged.value.args[0]} == {"synthetic-person003"}
        assert len(films) == (4 if root is None else 16)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="--data data: holds no data, and the checkpoint was trained on peo"):
        evaluate.evaluate("pretrained", "data", "", "test")


def test_evaluation_reads_timelines_as_the_checkpoint_says(run):
    """Thresholds that find nothing, kept in the checkpoint, are obeyed on every split, and stay."""
    root, workdir = run
    checkpoints, step = open_served(workdir)
    folder, before = StepFolder(checkpoints.folder / str(step)), checkpoints.counting(step)
    try:
        folder.save_counting(Counting(peak_height=1.0))
        for split in ("val", "test"):
            found = evaluate.evaluate(workdir, str(root), "", split)
            assert found.counting == Counting(peak_height=1.0)
            assert all(one.n_class_given == 0 for one in found.results)
        assert checkpoints.counting(step) == Counting(peak_height=1.0)
    finally:
        folder.save_counting(before or Counting())


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
    with pytest.raises(ValueError, match="it holds nothing; expected videos as raw"):
        evaluate.evaluate(workdir, str(tmp_path / "nothing"), "", "test")


def test_output_folder_is_checked_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="must be a file in a folder that exists"):
        evaluate.main(["--checkpoint", "nowhere", "--output", str(tmp_path / "no" / "report.json")])


def test_all_of_it_in_a_bucket(run, s3):
    """Checkpoints, data and the report; what is read there is left as it is."""
    root, workdir = run
    data, first, other = put(root, f"{s3}/data"), put(workdir, f"{s3}/run"), put(workdir, f"{s3}/other")
    before = objects(s3)
    found = evaluate.evaluate_here(first, data=data, against=other)
    assert (found.report["data"], list(found.report["against"])) == (data, ["other"])
    assert found.write(f"{s3}/reports/report.json") == f"{s3}/reports/report.html"
    assert objects(s3) == sorted([*before, "reports/report.html", "reports/report.json"])
    with pytest.raises(ValueError, match="no bucket nowhere"):
        found.write("s3://nowhere/report.json")
