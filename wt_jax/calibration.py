"""How to read timelines (`Counting`), chosen by the counting error on validation recordings."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import uniform_filter

from wt_jax.recordings import Recording
from wt_jax.repetitions import Counting, Timeline, count_repetitions, find_segments, find_starts
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE

# Tried with one another: first how starts are found, with the class given, then how classes are.
_STARTS = {
    "smoothing_frames": (2.0, 4.0, 6.0, 8.0),
    "min_distance_frames": (12, 18, 24),
    "peak_height": (0.05, 0.1, 0.2, 0.3),
    "relative_height": (0.3, 0.4, 0.5, 0.6, 0.7),
}
_CLASSES = {
    "class_threshold": (0.3, 0.4, 0.5, 0.6, 0.7),
    "class_smoothing_frames": (15.0, 30.0, 60.0),
}
_FALSE_REPETITION = 0.05  # of a counting error that one false repetition a minute of no-exercise costs
_MARGIN = 0.02  # of the error, below which `start` stays


def counting_error(counted: int, true: int) -> float:
    """Half the relative error, a quarter for a wrong count, a quarter for one off by more than 1."""
    off = abs(counted - true)
    return 0.5 * off / true + 0.25 * (off > 0) + 0.25 * (off > 1)


def calibrate(
    recordings: Sequence[Recording], timelines: Sequence[Timeline], start: Counting | None = None
) -> Counting | None:
    """The `Counting` of the least error on recordings with known repetitions; None where there are none.

    A setting is judged by the mean error of itself and its neighbours in the grid, and must be better than
    `start` by a margin, so that none is chosen for its luck on a few recordings.
    """
    counted = [
        (recording, timeline)
        for recording, timeline in zip(recordings, timelines, strict=True)
        if recording.starts is not None and len(recording.starts)
    ]
    if not counted:
        return None

    def class_given(counting: Counting) -> float:
        errors = [
            counting_error(len(find_starts(t.signal_F, t.valid_F, counting)[0]), len(r.starts))  # type: ignore[arg-type]
            for r, t in counted
        ]
        return float(np.mean(errors))

    rest = [
        (recording, timeline)
        for recording, timeline in zip(recordings, timelines, strict=True)
        if recording.class_name == NO_EXERCISE
    ]
    rest_minutes = sum(t.valid_F.sum() for _, t in rest) / FRAME_RATE_HZ / 60

    def end_to_end(counting: Counting) -> float:
        def count(timeline: Timeline) -> list[str]:
            repetitions = count_repetitions(timeline, counting, find_segments(timeline, counting))
            return [repetition.class_name for repetition in repetitions]

        errors = [counting_error(count(t).count(r.class_name), len(r.starts)) for r, t in counted]  # type: ignore[arg-type]
        false_rate = sum(len(count(t)) for _, t in rest) / rest_minutes if rest_minutes else 0.0
        return float(np.mean(errors)) + _FALSE_REPETITION * false_rate

    chosen = _least(start or Counting(), _STARTS, class_given)
    return _least(chosen, _CLASSES, end_to_end)


def _least(start: Counting, grid: dict, error: Callable[[Counting], float]) -> Counting:
    settings = [
        dataclasses.replace(start, **dict(zip(grid, values, strict=True)))
        for values in itertools.product(*grid.values())
    ]
    errors = np.array([error(setting) for setting in settings]).reshape([len(v) for v in grid.values()])
    smooth = uniform_filter(errors, 3, mode="nearest").ravel()
    best = int(smooth.argmin())
    is_better = start not in settings or smooth[best] < smooth[settings.index(start)] - _MARGIN
    return settings[best] if is_better else start
