"""Scores as masked sums that add up over batches and devices, divided once at the end."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from wt_jax import config
from wt_jax.training.losses import total_loss

_BINS = 1024  # of the histogram of segmentation logits, for the area under the ROC curve
_LOGIT_RANGE = 12.0  # logits beyond fall into the outermost bins: sigmoid(-12) is 6e-6

METRICS = (
    "loss", "classification_loss", "classification_accuracy", "segmentation_loss", "segmentation_accuracy",
    "segmentation_precision", "segmentation_recall", "segmentation_auc",
)  # fmt: skip


class Sums(flax.struct.PyTreeNode):
    """Sums over windows of known class and over real frames of known repetitions."""

    classification_loss: Any  # float32
    confusion_CxC: Any  # int32, [true, predicted], windows
    segmentation_loss: Any  # float32
    histogram_2xN: Any  # int32, frames by target (0: no start, 1: target >= 0.5) and by logit

    @classmethod
    def zeros(cls, n_classes: int) -> "Sums":
        """The sums of nothing, on the host."""
        return cls(
            classification_loss=np.zeros((), np.float32),
            confusion_CxC=np.zeros((n_classes, n_classes), np.int32),
            segmentation_loss=np.zeros((), np.float32),
            histogram_2xN=np.zeros((2, _BINS), np.int32),
        )


def batch_sums(
    logits_BxC: jax.Array,
    labels_B: jax.Array,
    window_mask_B: jax.Array,
    classification_losses_B: jax.Array,
    logits_BxT: jax.Array,
    targets_BxT: jax.Array,
    frame_mask_BxT: jax.Array,
    segmentation_losses_BxT: jax.Array,
) -> Sums:
    """The sums of one batch. What the masks leave out adds nothing."""
    n_classes = logits_BxC.shape[-1]
    cells_B = jnp.maximum(labels_B, 0).astype(jnp.int32) * n_classes + logits_BxC.argmax(-1)
    confusion = jnp.zeros(n_classes**2, jnp.int32).at[cells_B].add(window_mask_B.astype(jnp.int32))
    bins_BxT = (logits_BxT + _LOGIT_RANGE) * (_BINS / (2 * _LOGIT_RANGE))
    # An even number of bins: logit 0, probability 0.5, is a bin's lower edge.
    bins_BxT = jnp.clip(jnp.floor(bins_BxT), 0, _BINS - 1).astype(jnp.int32)
    cells_BxT = (targets_BxT >= 0.5) * _BINS + bins_BxT
    histogram = jnp.zeros(2 * _BINS, jnp.int32).at[cells_BxT].add(frame_mask_BxT.astype(jnp.int32))
    return Sums(
        classification_loss=jnp.where(window_mask_B, classification_losses_B, 0).sum(),
        confusion_CxC=confusion.reshape(n_classes, n_classes),
        segmentation_loss=jnp.where(frame_mask_BxT, segmentation_losses_BxT, 0).sum(),
        histogram_2xN=histogram.reshape(2, _BINS),
    )


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator) / float(denominator) if denominator else float("nan")


def area_under_roc(histogram_2xN: np.ndarray) -> float:
    """Area under the ROC curve of binned scores; ties, within a bin too, count half. NaN without both kinds.

    Source: the Mann-Whitney statistic, Hanley and McNeil 1982. Bins of 0.023 in the logit.
    """
    negatives, positives = histogram_2xN.astype(np.float64)
    below = np.concatenate([[0.0], np.cumsum(negatives)[:-1]])
    return _ratio((positives * (below + 0.5 * negatives)).sum(), positives.sum() * negatives.sum())


def scores(sums: Sums, loss: config.Loss) -> dict[str, float]:
    """METRICS of the sums. A score without anything to count is NaN."""
    confusion = np.asarray(sums.confusion_CxC, np.int64)
    histogram = np.asarray(sums.histogram_2xN, np.int64)
    negatives, positives = histogram.sum(1)
    false_positives, true_positives = histogram[:, _BINS // 2 :].sum(1)
    classification_loss = _ratio(sums.classification_loss, confusion.sum())
    segmentation_loss = _ratio(sums.segmentation_loss, histogram.sum())
    values = (
        total_loss(loss, classification_loss, segmentation_loss),
        classification_loss,
        _ratio(confusion.trace(), confusion.sum()),
        segmentation_loss,
        _ratio(true_positives + negatives - false_positives, histogram.sum()),
        _ratio(true_positives, true_positives + false_positives),
        _ratio(true_positives, positives),
        area_under_roc(histogram),
    )
    return dict(zip(METRICS, values, strict=True))


def macro_f1(confusion_CxC: np.ndarray) -> float:
    """Mean F1 over the classes that have windows; NaN without any."""
    confusion = np.asarray(confusion_CxC, np.float64)
    true, predicted = confusion.sum(1), confusion.sum(0)
    f1 = 2 * confusion.diagonal() / np.maximum(true + predicted, 1)
    return float(f1[true > 0].mean()) if (true > 0).any() else float("nan")
