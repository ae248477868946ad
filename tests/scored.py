"""Classes, starts and window sums of which the scores are known by hand."""

import numpy as np

from wt_jax.training.metrics import Sums

CLASSES = ("squats", "dips", "no-exercise")


def times(n):
    return np.arange(1, n + 1) * 40


def windows(confusion, quiet=(0, 0), starts=(0, 0)):
    """Sums of windows; `quiet` and `starts`: frames below and at least probability 0.5."""
    sums = Sums.zeros(3)
    histogram = sums.histogram_2xN.copy()
    histogram[0, [100, 900]], histogram[1, [100, 900]] = quiet, starts
    return sums.replace(
        confusion_CxC=np.array(confusion, np.int32),
        histogram_2xN=histogram,
        segmentation_loss=np.float32(3),
        classification_loss=np.float32(2),
    )
