"""The picture of a training run: its scores over the epochs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Title, scores (those of validation begin with "val_"), what the axis says.
_PANELS = (
    ("loss", ("loss", "classification_loss"), "loss"),
    ("segmentation loss (best: circle)", ("segmentation_loss",), "binary cross-entropy per frame"),
    ("exercise", ("classification_accuracy",), "share of windows right"),
    ("repetition starts", ("segmentation_precision", "segmentation_recall", "segmentation_auc"), "score"),
)


def draw_learning_curves(values: Mapping[str, Sequence[float]], title: str = "") -> "Figure":
    """Losses, accuracies, repetition-start scores, learning rate and speed over epochs.

    `values` are those of a `training.history.History`: one an epoch, under each of its KEYS, NaN where not
    known; none at all gives empty panels.
    """
    from matplotlib.figure import Figure  # here: training imports this file, and draws at its end
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(15, 8))
    figure.subplots_adjust(0.05, 0.07, 0.985, 0.9, wspace=0.2, hspace=0.3)
    axes = figure.subplots(2, 3).ravel()
    epochs = np.arange(1, len(values["loss"]) + 1)
    for axis, (name, keys, unit) in zip(axes, _PANELS, strict=False):
        for i, key in enumerate(keys):
            short = key.removeprefix("segmentation_")
            axis.plot(epochs, values[key], f"C{i}--", alpha=0.7, label=f"train {short}")
            axis.plot(epochs, values[f"val_{key}"], f"C{i}-", label=f"validation {short}")
        axis.set(title=name, xlabel="epoch", ylabel=unit)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    segmentation_loss = np.array(values["val_segmentation_loss"])
    if np.isfinite(segmentation_loss).any():
        best = int(np.nanargmin(segmentation_loss))
        axes[1].plot(best + 1, segmentation_loss[best], "ko", fillstyle="none")
    axes[4].step(epochs, values["learning_rate"], where="mid")
    axes[4].set(title="learning rate", xlabel="epoch", yscale="log")
    axes[5].plot(epochs, values["windows_per_second"])
    axes[5].set(title="speed", xlabel="epoch", ylabel="windows a second", ylim=(0, None))
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title, parse_math=False)
    return figure
