"""The picture of a training run."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from wt_jax.training.history import KEYS
from wt_jax.visualization.learning_curves import draw_learning_curves


@pytest.fixture
def plotted(monkeypatch):
    """Title or label of what was plotted -> its values."""
    curves = {}
    plot = Axes.plot

    def note(axis, x, y, *args, **kwargs):
        curves[kwargs.get("label", args[0] if args else "")] = (np.array(x).tolist(), np.array(y).tolist())
        return plot(axis, x, y, *args, **kwargs)

    monkeypatch.setattr(Axes, "plot", note)
    return curves


def test_every_score_is_drawn_over_its_epochs(tmp_path, plotted):
    values = {key: [i + 0.25, i + 0.5, i + 0.75] for i, key in enumerate(KEYS)}
    values["val_segmentation_loss"] = [0.4, 0.2, math.nan]
    draw_learning_curves(values, "a run").savefig(tmp_path / "curves.png", dpi=100)
    assert plotted["train recall"] == ([1, 2, 3], values["segmentation_recall"])
    assert plotted["validation classification_accuracy"] == ([1, 2, 3], values["val_classification_accuracy"])
    assert plotted["ko"] == (2, 0.2)  # the best epoch
    picture = imread(tmp_path / "curves.png")
    assert picture.shape[:2] == (800, 1500)
    assert picture[..., :3].std() > 0.05


@pytest.mark.parametrize("losses", [[], [math.nan]])
def test_a_run_without_a_validation_loss_has_no_best_epoch(tmp_path, plotted, losses):
    draw_learning_curves(dict.fromkeys(KEYS, losses)).savefig(tmp_path / "curves.png")
    assert "ko" not in plotted
    assert (tmp_path / "curves.png").stat().st_size > 10_000
