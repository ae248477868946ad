"""The scores, in groups: over some of the recordings, for all of them and for bootstrap draws.

Every score is a ratio of sums over recordings, or an area under a curve of such sums, so the same lines
compute it for all recordings and for the draws of them (`bootstrap.draw_groups`).

Letters: N recordings, P predicted starts, K tolerances, D draws, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wt_jax.config import Loss
from wt_jax.evaluation.recording_result import TOLERANCES_FRAMES, WIDEST, RecordingResult, last_of_each
from wt_jax.evaluation.result_columns import ResultColumns
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE
from wt_jax.training.metrics import Sums, macro_f1, scores

_F1_FRAMES = (4, 8, 15)
_DURATIONS_S = {"to_1500_ms": (0.0, 1.5), "1500_to_3000_ms": (1.5, 3.0), "from_3000_ms": (3.0, np.inf)}
_NO_COUNT = "no exercise recording with known repetitions"
_NO_TRUE = "no repetition in these recordings"


@dataclass(frozen=True, eq=False)
class ScoreGroup:
    """Scores over some of the recordings: whole numbers as they are, and (D,) values, NaN where undefined."""

    among_N: np.ndarray
    values: dict[str, np.ndarray]
    numbers: dict[str, Any] = field(default_factory=dict)
    why_empty: str = ""  # why nothing is defined, where no recording is among them
    why_null: dict[str, str] = field(default_factory=dict)  # why one value is not, though some are


def _ratio(numerator_D: np.ndarray, denominator_D: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    out_D = np.full(len(numerator_D), np.nan)
    return np.divide(numerator_D, denominator_D, out=out_D, where=denominator_D > 0)


def repetition_scores(columns: ResultColumns, among_N: np.ndarray) -> dict[str, ScoreGroup]:
    """Starts and counts, over those of the recordings `among_N` whose repetitions are known."""
    return {
        "rep_start": _rep_start(columns, among_N & columns.known_N),
        "count": _count(columns, among_N & columns.known_N, columns.end_to_end_N),
        "count_class_given": _count(columns, among_N & columns.known_N, columns.class_given_N),
    }


def end_to_end_counts(columns: ResultColumns) -> ScoreGroup:
    """ "count" of `repetitions`, of all recordings."""
    return _count(columns, columns.known_N, columns.end_to_end_N)


def _count(columns: ResultColumns, among_N: np.ndarray, counted_N: np.ndarray) -> ScoreGroup:
    """Errors by recording; obo is the share off by one at most, exact that of none off."""
    weights_DxN, off_N = columns.weights_DxN[:, among_N], np.abs(counted_N - columns.true_N)[among_N]
    has_some_N = columns.true_N[among_N] > 0
    n_D = weights_DxN.sum(1)
    relative_N = off_N / np.maximum(columns.true_N[among_N], 1)
    values = {
        "mae": _ratio(weights_DxN @ off_N, n_D),
        "nmae": _ratio(weights_DxN @ (relative_N * has_some_N), weights_DxN @ has_some_N),
        "obo": _ratio(weights_DxN @ (off_N <= 1), n_D),
        "exact": _ratio(weights_DxN @ (off_N == 0), n_D),
    }
    numbers = {
        "recordings": int(among_N.sum()),
        "recordings_with_repetitions": int(has_some_N.sum()),
        "groups": len(np.unique(columns.groups_N[among_N])),
    }
    return ScoreGroup(among_N, values, numbers, _NO_COUNT, {"nmae": _NO_TRUE})


def _rep_start(columns: ResultColumns, among_N: np.ndarray) -> ScoreGroup:
    """Average precision over all heights; the rest at the working height. The class is given."""
    weights_DxN = columns.weights_DxN * among_N
    true_D = weights_DxN @ columns.true_N
    keep_P = among_N[columns.recording_P]
    working_P = keep_P & columns.working_P

    def sums_N(values_P: np.ndarray) -> np.ndarray:
        return np.bincount(columns.recording_P[working_P], values_P[working_P], len(among_N))

    why_null = {"mean_abs_error_ms": f"no start found within {WIDEST} frames"}
    values = {
        f"ap_{frames}": _average_precision(
            weights_DxN,
            columns.recording_P[keep_P],
            columns.height_P[keep_P],
            columns.hits_PxK[keep_P, k],
            true_D,
        )
        for k, frames in enumerate(TOLERANCES_FRAMES)
    }
    said_D = weights_DxN @ sums_N(np.ones(len(keep_P)))
    for frames in _F1_FRAMES:
        found_D = weights_DxN @ sums_N(columns.hits_PxK[:, TOLERANCES_FRAMES.index(frames)])
        values[f"f1_{frames}"] = _ratio(2 * found_D, said_D + true_D)
        values[f"precision_{frames}"] = _ratio(found_D, said_D)
        values[f"recall_{frames}"] = _ratio(found_D, true_D)
        why_null[f"precision_{frames}"] = "no start reaches the working height"
        why_null[f"f1_{frames}"] = "no repetition in these recordings, and none found"
    off_ms = sums_N(columns.distance_P) / FRAME_RATE_HZ * 1000
    values["mean_abs_error_ms"] = _ratio(weights_DxN @ off_ms, found_D)  # over those found at WIDEST
    numbers = {"recordings": int(among_N.sum()), "repetitions": int(true_D[0])}
    return ScoreGroup(among_N, values, numbers, _NO_COUNT, dict.fromkeys(values, _NO_TRUE) | why_null)


def _average_precision(
    weights_DxN: np.ndarray,
    recording_P: np.ndarray,
    height_P: np.ndarray,
    hits_P: np.ndarray,
    true_D: np.ndarray,
) -> np.ndarray:
    """Sum over falling heights of the rise in recall times the precision there, starts by falling height.

    Not interpolated, equal heights at once: scikit-learn's average_precision_score, where true starts that
    no predicted one reaches are never found.
    """
    ends = last_of_each(height_P)
    areas = []
    for w_DxN in np.array_split(weights_DxN, 1 + weights_DxN.shape[0] * len(height_P) // 4_000_000):
        w_DxP = w_DxN[:, recording_P]
        said_DxE = np.cumsum(w_DxP, 1)[:, ends]
        found_DxE = np.cumsum(w_DxP * hits_P, 1)[:, ends]
        rise_DxE = np.diff(found_DxE, axis=1, prepend=0)
        areas.append((rise_DxE * found_DxE / np.maximum(said_DxE, 1)).sum(1))
    return _ratio(np.concatenate(areas), true_D)


def exercise_scores(columns: ResultColumns, among_N: np.ndarray) -> ScoreGroup:
    """Recordings by the exercise that is named for them."""
    confusion = _confusion(columns, among_N)
    n_classes = len(columns.classes)
    named_N = among_N & (columns.said_N < n_classes)
    right_D = confusion[:, range(n_classes), range(n_classes)].sum(1)
    values = {
        "accuracy_recording": _ratio(right_D, confusion.sum((1, 2))),
        "macro_f1_recording": np.array([macro_f1(of_draw) for of_draw in confusion]),
    }
    if not named_N.any():
        values = {key: np.full(len(confusion), np.nan) for key in values}
    numbers = {
        "classes": list(columns.classes),
        "confusion_recording": confusion[0, :n_classes, :n_classes].astype(int).tolist(),
        "recordings_without_class": int((among_N & ~named_N).sum()),
    }
    return ScoreGroup(among_N & named_N.any(), values, numbers, "it names no exercise")


def _confusion(columns: ResultColumns, among_N: np.ndarray) -> np.ndarray:
    """Recordings, (D, C+1, C+1) [true, predicted]; the last column holds those that no class is named for."""
    n = len(columns.classes) + 1
    cells_NxM = np.eye(n * n)[columns.class_N * n + columns.said_N]
    return ((columns.weights_DxN * among_N) @ cells_NxM).reshape(-1, n, n)


def class_scores(columns: ResultColumns, index: int) -> ScoreGroup:
    """Recordings of one class, `index` of `columns.classes`, told from all others."""
    confusion = _confusion(columns, np.ones(len(columns.class_N), bool))
    right, true, said = confusion[:, index, index], confusion[:, index].sum(1), confusion[:, :, index].sum(1)
    values = {
        "precision": _ratio(right, said),
        "recall": _ratio(right, true),
        "f1": _ratio(2 * right, true + said),
    }
    among_N = columns.class_N == index
    why_null = {"precision": "no recording is said to be of this class"}
    return ScoreGroup(among_N, values, {"recordings": int(among_N.sum())}, why_null=why_null)


def no_exercise_scores(columns: ResultColumns, among_N: np.ndarray) -> ScoreGroup:
    """A minute of frames in which somebody is seen. Starts are those of the class-given way of counting."""
    among_N = among_N & np.array([columns.classes[i] == NO_EXERCISE for i in columns.class_N])
    minutes_D = columns.weights_DxN @ (columns.minutes_N * among_N)
    values = {
        "false_reps_per_minute": _ratio(columns.weights_DxN @ (columns.end_to_end_N * among_N), minutes_D),
        "false_starts_per_minute": _ratio(columns.weights_DxN @ (columns.class_given_N * among_N), minutes_D),
    }
    numbers = {"minutes": float(minutes_D[0]), "recordings": int(among_N.sum())}
    return ScoreGroup(among_N, values, numbers, f"no recording of {NO_EXERCISE} with anybody in it")


def duration_bins(columns: ResultColumns) -> dict[str, np.ndarray]:
    """Recordings by the median time between their starts; "one_repetition" where there is no such time."""
    bins = {
        name: (columns.period_s_N >= low) & (columns.period_s_N < high)
        for name, (low, high) in _DURATIONS_S.items()
    }
    return bins | {"one_repetition": columns.true_N == 1}


def window_scores(
    columns: ResultColumns, results: Sequence[RecordingResult]
) -> tuple[ScoreGroup, ScoreGroup]:
    """The exercise of windows, and the frames' probability that a repetition starts, from summed Sums.

    Not defined for a method that has none.
    """
    n_classes = len(columns.classes)
    sums = [Sums.zeros(n_classes) if result.sums is None else result.sums for result in results]
    flat = {
        key: np.array([np.ravel(getattr(of_recording, key)) for of_recording in sums])
        for key in Sums.zeros(n_classes).__dict__
    }
    totals = {key: columns.weights_DxN @ flat_NxM for key, flat_NxM in flat.items()}
    confusion = totals["confusion_CxC"].reshape(-1, n_classes, n_classes)
    values = [
        scores(Sums(loss, of_draw, segmentation_loss, histogram.reshape(2, -1)), Loss())
        for loss, of_draw, segmentation_loss, histogram in zip(
            totals["classification_loss"][:, 0], confusion, totals["segmentation_loss"][:, 0],
            totals["histogram_2xN"], strict=True,
        )
    ]  # fmt: skip

    def column(name: str) -> np.ndarray:
        return np.array([of_draw[name] for of_draw in values])

    has_windows = any(result.sums is not None for result in results)
    exercise = {
        "accuracy_window": column("classification_accuracy"),
        "macro_f1_window": np.array([macro_f1(of_draw) for of_draw in confusion]),
        "loss": column("classification_loss"),
    }
    segmentation = {
        name: column(f"segmentation_{name}") for name in ("loss", "accuracy", "precision", "recall", "auc")
    }
    return (
        ScoreGroup(
            flat["confusion_CxC"].sum(1) > 0,
            exercise,
            {
                "windows": int(confusion[0].sum()),
                "confusion": confusion[0].astype(int).tolist() if has_windows else None,
            },
            "no window of known class" if has_windows else "this method has no windows",
        ),
        ScoreGroup(
            flat["histogram_2xN"].sum(1) > 0,
            segmentation,
            {"frames": int(totals["histogram_2xN"][0].sum())},
            "no window with known repetitions" if has_windows else "this method has no windows",
            {
                "precision": "no frame is said to be a start",
                "recall": "no frame is a start",
                "auc": "frames of starts, or of none, are missing",
            },
        ),
    )
