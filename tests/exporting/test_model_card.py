"""model.json: a client that reads nothing else counts as `predict` does, and it fits its file."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from card_client import CardClient
from exported_models import untrained, windows, write_model
from runs import POINTS, said, tiny, walking

from wt_jax.exporting.model_card import model_card
from wt_jax.inference.exported import open_exported, run_onnx
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.streaming import Stream
from wt_jax.pose.joint_angles import pose_sequence
from wt_jax.pose.landmarks import Landmarks

pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install -e '.[onnx]'")
STEADY = tiny(("angles", "orientation"), 20, 2, overhang=0.25)


# With weights that see several exercises.
@pytest.fixture(scope="module", params=[(POINTS, 3), (STEADY, 2), (STEADY, 6)], ids=["three", "two", "rests"])
def exported(request, tmp_path_factory):
    """A checkpoint whose thresholds leave things to decide, and its file."""
    trained = untrained(*request.param)
    counting = dataclasses.replace(
        trained.counting, relative_height=0.9, class_threshold=0.3, class_smoothing_frames=12.0,
        min_segment_frames=25, smoothing_frames=2.0,
    )  # fmt: skip
    trained = dataclasses.replace(trained, chosen=counting)
    return trained, write_model(tmp_path_factory.mktemp("exported"), trained)


def landmarks():
    found = walking(260, 25.0)
    found[100:130] = np.nan  # nobody
    return Landmarks(found, 25.0, 320, 240)


def predictor_of(trained):
    return Predictor(trained.options, trained.params, trained.counting, {})


def test_a_client_counts_by_the_card_alone(exported):
    trained, path = exported
    seen = landmarks()
    _, points, valid = pose_sequence(seen.landmarks_FxLx4, seen.times_s, seen.width_px, seen.height_px)
    client = CardClient(json.loads(path.with_name("model.json").read_text()), run_onnx(path))
    prediction = predictor_of(trained).predict(seen)
    probabilities, signal = client.timeline(points, valid)
    np.testing.assert_allclose(probabilities, prediction.timeline.probabilities_FxC, atol=1e-5)
    np.testing.assert_allclose(signal, prediction.timeline.signal_F, atol=1e-5)
    counted = {name: n for name, n in prediction.counts.items() if n}
    assert client.counts(points, valid) == counted
    assert sum(counted.values()) > 3 and len(counted) == 2


def test_layer_norms_are_operators_of_their_own(exported):
    trained, path = exported
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("LayerNormalization") >= 2 * trained.options.model.blocks


def test_predict_and_a_stream_say_the_same_of_the_file(exported):
    trained, path = exported
    seen, by_file = landmarks(), Predictor.restore(path)
    prediction = by_file.predict(seen)
    expected = predictor_of(trained).predict(seen)
    np.testing.assert_allclose(prediction.timeline.signal_F, expected.timeline.signal_F, atol=1e-5)
    assert prediction.counts == expected.counts
    stream = Stream(by_file, seen.width_px, seen.height_px)
    for row, time_s in zip(seen.landmarks_FxLx4, seen.times_s, strict=True):
        stream.push(row, time_s)
    for one, other in zip(said(stream.flush()), said(prediction), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert by_file.identity["checkpoint"] == str(path)
    assert (by_file.identity["step"], by_file.identity["data_fingerprint"]) == (7, "0123")


def test_it_holds_what_its_shapes_and_thresholds_are(exported):
    trained, path = exported
    card = json.loads(path.with_name("model.json").read_text())
    assert card == json.loads(json.dumps(model_card(trained, path, None)))
    data = trained.options.data
    assert card["inputs"]["points"]["shape"] == ["batch", data.window_frames, 33, 3]
    assert card["outputs"]["class_probabilities"]["shape"] == ["batch", len(card["classes"])]
    assert trained.counting.values().items() <= card["counting"].items()
    assert model_card(trained, path, 1)["inputs"]["mask"]["shape"] == [1, data.window_frames]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes() + b"x"),
            "is not the file that .*model.json describes",
        ),
        (lambda path: path.with_name("model.json").unlink(), "model.json: cannot be read"),
        (lambda path: path.unlink(), "model.onnx: no such file"),
        (lambda path: _edit(path, version=2), "of no model that this wt_jax exported"),
        (lambda path: _edit(path, counting={}), "not as python -m wt_jax.export writes it"),
        (lambda path: _edit(path, window_step=0), "not as python -m wt_jax.export writes it"),
        (lambda path: _edit(path, classes=["squats"]), "not as python -m wt_jax.export writes it"),
    ],
)
def test_what_does_not_fit_is_refused(damage, message, tmp_path):
    path = write_model(tmp_path, untrained())
    damage(path)
    with pytest.raises(ValueError, match=message):
        open_exported(path)


def _edit(path, **values):
    card = path.with_name("model.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | values))


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"model\.onnx: ONNX Runtime cannot read it"):
        run_onnx(path)


def test_points_that_nobody_sees_are_not_asked(exported):
    """NaN there or anything else: the same answers."""
    trained, path = exported
    points, mask = windows(trained.options, 2)
    run = run_onnx(path)
    for one, other in zip(run(points, mask), run(np.nan_to_num(points, nan=5.0), mask), strict=True):
        np.testing.assert_array_equal(one, other)
