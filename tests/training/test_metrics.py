import itertools

import jax
import numpy as np
import pytest

from wt_jax.config import Loss
from wt_jax.training import metrics
from wt_jax.training.metrics import METRICS, Sums, area_under_roc, macro_f1, scores

C, T = 3, 10
batch_sums = jax.jit(metrics.batch_sums)


def random_batch(seed, n_windows):
    """The arguments of `batch_sums`, with labels of unknown class, soft targets and holes in both masks."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, C, n_windows).astype(np.int8)
    return {
        "logits_BxC": rng.normal(size=(n_windows, C)).astype(np.float32),
        "labels_B": labels,
        "window_mask_B": labels >= 0,
        "classification_losses_B": rng.random(n_windows, np.float32),
        "logits_BxT": 3 * rng.normal(size=(n_windows, T)).astype(np.float32),
        "targets_BxT": rng.choice(np.array([0, 0.1, 0.49, 0.5, 1], np.float32), (n_windows, T)),
        "frame_mask_BxT": rng.random((n_windows, T)) < 0.7,
        "segmentation_losses_BxT": rng.random((n_windows, T), np.float32),
    }


def one_window(logits, targets, mask=None):
    """Sums of one window of `len(logits)` frames, of class 0."""
    logits, targets = np.array([logits], np.float32), np.array([targets], np.float32)
    mask = np.ones(logits.shape, bool) if mask is None else np.array([mask])
    zeros = np.zeros(logits.shape, np.float32)
    return batch_sums(
        np.eye(1, C, dtype=np.float32), np.zeros(1, np.int8), np.ones(1, bool), np.zeros(1, np.float32),
        logits, targets, mask, zeros,
    )  # fmt: skip


def total(*sums):
    return jax.tree.map(lambda *leaves: sum(map(np.asarray, leaves)), *sums)


def test_sums_add_up_over_batches():
    batch = random_batch(0, 12)
    whole = batch_sums(**batch)
    parts = [batch_sums(**{k: v[at] for k, v in batch.items()}) for at in (slice(0, 5), slice(5, 12))]
    summed = total(Sums.zeros(C), *parts)
    for name in ("confusion_CxC", "histogram_2xN"):
        np.testing.assert_array_equal(getattr(summed, name), getattr(whole, name))
        assert getattr(Sums.zeros(C), name).dtype == getattr(whole, name).dtype == np.int32
    np.testing.assert_allclose(summed.classification_loss, whole.classification_loss, rtol=1e-6)
    np.testing.assert_allclose(summed.segmentation_loss, whole.segmentation_loss, rtol=1e-6)
    assert scores(summed, Loss()) == pytest.approx(scores(whole, Loss()), rel=1e-6)


def test_masked_entries_add_nothing():
    batch = random_batch(1, 8)
    other = {key: value.copy() for key, value in batch.items()}
    windows, frames = ~batch["window_mask_B"], ~batch["frame_mask_BxT"]
    assert windows.any() and frames.any()
    other["labels_B"][windows] = 2
    other["logits_BxC"][windows] = [np.nan, np.inf, 0]
    other["classification_losses_B"][windows] = np.nan
    other["logits_BxT"][frames] = np.nan
    other["targets_BxT"][frames] = 1
    other["segmentation_losses_BxT"][frames] = np.inf
    jax.tree.map(np.testing.assert_array_equal, batch_sums(**batch), batch_sums(**other))
    sums = batch_sums(**batch)
    assert np.sum(sums.confusion_CxC) == batch["window_mask_B"].sum()
    assert np.sum(sums.histogram_2xN) == batch["frame_mask_BxT"].sum()


def test_scores_by_hand():
    """Frames at 0.5: 2 found of 3 starts, 1 false one, 2 rightly quiet; the last frame is masked."""
    sums = batch_sums(
        logits_BxC=np.array([[2, 1, 0], [0, 1, 0], [0, 1, 5], [9, 0, 0]], np.float32),
        labels_B=np.array([0, 1, 1, -1], np.int8),
        window_mask_B=np.array([True, True, True, False]),
        classification_losses_B=np.array([0.25, 0.5, 1.5, 7], np.float32),
        logits_BxT=np.array([[1, 0, -0.1], [0.2, -20, -1], [9, 0, 0], [0, 0, 0]], np.float32),
        targets_BxT=np.array([[1, 0.5, 0.5], [0.49, 0, 0], [1, 0, 0], [1, 1, 1]], np.float32),
        frame_mask_BxT=np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]], bool),
        segmentation_losses_BxT=np.array([[1, 1, 1], [0.5, 0.25, 0.25], [7, 7, 7], [7, 7, 7]], np.float32),
    )
    np.testing.assert_array_equal(sums.confusion_CxC, [[1, 0, 0], [0, 1, 1], [0, 0, 0]])
    assert scores(sums, Loss()) == pytest.approx(
        {
            "loss": 2.25 / 3 + 5 * 4 / 6,
            "classification_loss": 2.25 / 3,
            "classification_accuracy": 2 / 3,
            "segmentation_loss": 4 / 6,
            "segmentation_accuracy": 4 / 6,
            "segmentation_precision": 2 / 3,
            "segmentation_recall": 2 / 3,
            "segmentation_auc": 7 / 9,  # of 3 x 3 pairs, 1 > all; 0 and -0.1 lose to 0.2
        },
        abs=1e-6,
    )


def pairs_won(logits, targets):
    """The area under the ROC curve as it is defined: pairs of a start and a quiet frame, ties half."""
    positives, negatives = logits[targets >= 0.5], logits[targets < 0.5]
    won = sum((p > n) + 0.5 * (p == n) for p, n in itertools.product(positives, negatives))
    return won / (len(positives) * len(negatives))


@pytest.mark.parametrize("seed", range(3))
def test_area_under_roc_against_all_pairs(seed):
    rng = np.random.default_rng(seed)
    targets = rng.random(600) < 0.2
    logits = (2.5 * rng.normal(size=600) + (seed - 0.5) * targets).astype(np.float32)
    histogram = np.asarray(one_window(logits, targets).histogram_2xN)
    assert area_under_roc(histogram) == pytest.approx(pairs_won(logits, targets), abs=2e-3)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [([3, 2, -1, -1], 1.0), ([-3, -2, 1, 1], 0.0), ([0.7] * 4, 0.5), ([40, 13, 500, 99], 0.5)],
)
def test_area_under_roc_in_clear_cases(logits, expected):
    sums = one_window(logits, [1, 1, 0, 0])
    assert scores(sums, Loss())["segmentation_auc"] == expected


def test_scores_are_nan_where_there_is_nothing_to_count():
    assert np.isnan([scores(Sums.zeros(C), Loss())[name] for name in METRICS]).all()
    quiet = scores(one_window([-1, -2], [0, 0]), Loss())
    undefined = {name for name, value in quiet.items() if np.isnan(value)}
    assert undefined == {f"segmentation_{name}" for name in ("precision", "recall", "auc")}
    assert np.isnan(scores(one_window([1, 2], [1, 1]), Loss())["segmentation_auc"])


def test_macro_f1_by_hand():
    """Class 0: 2 x 8 / (10 + 9), class 1: 2 x 5 / (6 + 7); class 2 has no window, predicted or not."""
    confusion = np.array([[8, 2, 0], [1, 5, 0], [0, 0, 0]])
    assert macro_f1(confusion) == pytest.approx((16 / 19 + 10 / 13) / 2)
    confusion[0, 2] = 3
    assert macro_f1(confusion) == pytest.approx((16 / 22 + 10 / 13) / 2)
    confusion[2, 0] = 1  # a class that is never found has F1 0
    assert macro_f1(confusion) == pytest.approx((16 / 23 + 10 / 13 + 0) / 3)
    assert np.isnan(macro_f1(np.zeros((C, C))))
