"""Does it know when it is wrong? Confidence beside how often it was right, ranges of counts beside truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wt_jax.counting.decoding import count_ranges
from wt_jax.counting.doubt import COVERAGE
from wt_jax.counting.naming import name_exercise, seen_by_class
from wt_jax.counting.segments import find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.recording_result import RecordingResult

_BINS = 10


def reliability(
    results: Sequence[RecordingResult], timelines: Sequence[Timeline], counting: Counting
) -> dict[str, Any]:
    """ "exercise": of recordings with somebody in them; "count": of exercises that are named right, their
    repetitions known. Shares are None where there is no such recording.

    `expected_calibration_error` is the mean distance of confidence and share right over ten bins, each by its
    recordings (Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3).
    """
    confidences, rights, decided, ranges, true = [], [], [], [], []
    for one, timeline in zip(results, timelines, strict=True):
        segments = find_segments(timeline, counting)
        naming = name_exercise(timeline.classes, seen_by_class(timeline, segments), counting.doubt)
        if naming.exercise is None:
            continue
        confidences.append(naming.confidence)
        rights.append(naming.exercise == one.recording.class_name)
        decided.append(naming.undecided is None)
        if rights[-1] and one.is_exercise and one.n_true is not None:
            ranges.append(count_ranges(timeline, counting, segments)[naming.exercise])
            true.append(one.n_true)
    return {
        "exercise": _of_exercises(np.array(confidences), np.array(rights, bool), np.array(decided, bool)),
        "count": _of_counts(np.array(ranges).reshape(-1, 2), np.array(true)),
    }


def _of_exercises(confidence_N: np.ndarray, right_N: np.ndarray, decided_N: np.ndarray) -> dict[str, Any]:
    bin_N = np.minimum((confidence_N * _BINS).astype(int), _BINS - 1)
    bins = [
        {
            "from": i / _BINS,
            "recordings": int((bin_N == i).sum()),
            "confidence": float(confidence_N[bin_N == i].mean()),
            "right": float(right_N[bin_N == i].mean()),
        }
        for i in np.unique(bin_N).tolist()
    ]
    gaps = [abs(one["confidence"] - one["right"]) * one["recordings"] for one in bins]
    return {
        "recordings": len(right_N),
        "expected_calibration_error": sum(gaps) / len(right_N) if bins else None,
        "undecided": int((~decided_N).sum()),
        "right_decided": _share(right_N[decided_N]),
        "right_undecided": _share(right_N[~decided_N]),
        "bins": bins,
    }


def _of_counts(ranges_Nx2: np.ndarray, true_N: np.ndarray) -> dict[str, Any]:
    widths_N = ranges_Nx2[:, 1] - ranges_Nx2[:, 0]
    covered_N = (ranges_Nx2[:, 0] <= true_N) & (true_N <= ranges_Nx2[:, 1])
    return {
        "recordings": len(true_N),
        "claimed": COVERAGE,
        "covered": _share(covered_N),
        "covered_plain": _share(covered_N[widths_N == 0]),
        "ranges": int((widths_N > 0).sum()),
        "mean_width": _share(widths_N),
    }


def _share(values_N: np.ndarray) -> float | None:
    return float(values_N.mean()) if len(values_N) else None
