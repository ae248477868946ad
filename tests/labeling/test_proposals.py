"""label --propose --checkpoint: marks that a trained model suggests."""

import numpy as np
import pytest
from runs import ANGLES, POINTS, save_run, walking

from wt_jax import label
from wt_jax.data.labels import read_starts
from wt_jax.inference.predictor import Predictor
from wt_jax.labeling import proposals
from wt_jax.pose.landmarks import Landmarks, save_landmarks

pytestmark = pytest.mark.usefixtures("share_programs")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("run"), POINTS)


@pytest.mark.parametrize("fps", [10, 25, 30, 60])
@pytest.mark.parametrize("class_name", ["squats", "lunges"])
def test_proposals_are_the_models_in_frames_of_the_video(run, fps, class_name):
    landmarks = Landmarks(walking(6 * fps, fps), float(fps), 320, 240, 2.0 + np.arange(6 * fps) / fps)
    predictor = Predictor.restore(run)
    starts = proposals.propose(landmarks, class_name, predictor)
    starts_s = predictor.predict(landmarks).starts_as(class_name)
    assert starts.dtype == np.int32
    assert (np.diff(starts) > 0).all()
    assert len(starts) == len(starts_s) > 3
    np.testing.assert_allclose(2.0 + starts / fps, starts_s, atol=0.5 / fps + 1e-6)
    assert starts.tolist() != proposals.propose(landmarks, class_name).tolist()


def test_the_command_takes_them_from_the_checkpoint(clip, run, monkeypatch, capsys):
    landmarks = Landmarks(walking(100, 25.0), 25.0, 320, 240)
    save_landmarks(clip.parents[2] / "landmarks" / "squats" / "clip.npz", landmarks)
    monkeypatch.setattr(label, "check_display", lambda: None)
    monkeypatch.setattr(label, "label", lambda session, title: session.editor.press("s", 0.0))
    label.main([str(clip), "--propose", "--checkpoint", str(run)])
    expected = proposals.propose(landmarks, "squats", Predictor.restore(run)).tolist()
    saved = read_starts(clip.parents[2] / "labels" / "squats" / "clip.csv", 100).tolist()
    assert saved == expected
    assert f"{len(expected)} repetitions proposed by {run}: look at each" in capsys.readouterr().out


def test_a_checkpoint_for_nothing_and_a_bad_one(clip, tmp_path, run, monkeypatch):
    monkeypatch.setattr(label, "check_display", lambda: None)
    with pytest.raises(ValueError, match="is for --propose: say both"):
        label.main([str(clip), "--checkpoint", str(run)])
    with pytest.raises(ValueError, match="holds no checkpoints"):
        label.main([str(clip), "--propose", "--checkpoint", str(tmp_path)])
    save_run(tmp_path / "other", ANGLES, angles=["elbow"])
    with pytest.raises(ValueError, match="other joint angles"):
        label.main([str(clip), "--propose", "--checkpoint", str(tmp_path / "other")])
