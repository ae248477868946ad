"""How to read timelines (`Counting`), chosen by the counting error on validation recordings."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import scipy  # its parts are imported where they are first used

from wt_jax.counting.decoding import count_ranges, count_repetitions, find_candidates, working_height
from wt_jax.counting.doubt import COVERAGE, Doubt, logit
from wt_jax.counting.naming import name_exercise, seen_by_class
from wt_jax.counting.segments import Segment, find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.data.recordings import Recording
from wt_jax.skeleton import NO_EXERCISE

# Tried with one another: first how starts are found, with the class given, then how classes are.
_STARTS = {
    "smoothing_frames": (2.0, 4.0, 6.0, 8.0),
    "min_distance_frames": (9, 12, 18),
    "peak_height": (0.05, 0.1, 0.2, 0.3),
    "relative_height": (0.3, 0.4, 0.5, 0.6, 0.7),
}
_CLASSES = {
    "class_threshold": (0.3, 0.4, 0.45, 0.5, 0.6, 0.7),
    "class_smoothing_frames": (30.0, 60.0, 90.0),
}
FEWEST = 5  # recordings with repetitions, below which chance decides
REMEDY = "label more with python -m wt_jax.label, and train again"
# Seen on people held back: the share of ranges that hold the true count, by `Doubt.height_factor`.
# None is greater: a range from half to all of a count says nothing.
_FACTORS = {1.0: 0.86, 1.1: 0.87, 1.2: 0.91, 1.3: 0.92}
_LEAN_RECORDINGS = 10  # ... stands for so many beside those of validation
_LEAN = 0.25  # with 1, the fit to validation was worse on people held back than none
_MARGIN = 2.0  # standard errors; with one, six validation recordings gave worse counts than no choice at all


def counting_error(counted: int, true: int) -> float:
    """Half the relative error, a quarter for a wrong count, a quarter for one off by more than 1."""
    off = abs(counted - true)
    return 0.5 * off / true + 0.25 * (off > 0) + 0.25 * (off > 1)


def rest_error(counted: int) -> float:
    """A quarter for a repetition where there is none, and another for more."""
    return 0.25 * (counted > 0) + 0.25 * (counted > 1)


def calibrate(recordings: Sequence[Recording], timelines: Sequence[Timeline]) -> Counting | None:
    """The `Counting` of the least error on recordings with known repetitions; None where there are too few.

    A setting is judged by the mean error of itself and its neighbours in the grid, and must beat the
    defaults by more than two standard errors of their difference, so that none is chosen for its luck on a
    few recordings.
    """
    both = list(zip(recordings, timelines, strict=True))
    counted = [(r, t, len(r.starts)) for r, t in both if r.starts is not None and _holds_repetitions(r)]
    rest = [timeline for recording, timeline in both if recording.class_name == NO_EXERCISE]
    if why_none(recordings):
        return None

    @cache
    def all_heights(smoothing_frames: float, min_distance_frames: int) -> list[np.ndarray]:
        """Of the candidates, which the settings of heights then only choose from."""
        of = Counting(smoothing_frames=smoothing_frames, min_distance_frames=min_distance_frames)
        return [find_candidates(t.signal_F, t.valid_F, of)[1] for _, t, _ in counted]

    def class_given(counting: Counting) -> list[np.ndarray]:
        heights = all_heights(counting.smoothing_frames, counting.min_distance_frames)
        found = [int((of_one >= working_height(of_one, counting)).sum()) for of_one in heights]
        return [np.array([counting_error(n, true) for n, (_, _, true) in zip(found, counted, strict=True)])]

    def end_to_end(counting: Counting) -> list[np.ndarray]:
        def classes(timeline: Timeline) -> list[str]:
            repetitions = count_repetitions(timeline, counting, find_segments(timeline, counting))
            return [repetition.class_name for repetition in repetitions]

        errors = [counting_error(classes(t).count(r.class_name), true) for r, t, true in counted]
        false = [rest_error(len(classes(timeline))) for timeline in rest]
        return [np.array(errors), np.array(false)] if false else [np.array(errors)]

    chosen = _least(Counting(), _STARTS, class_given)
    return _least(chosen, _CLASSES, end_to_end)


def fit_doubt(recordings: Sequence[Recording], timelines: Sequence[Timeline], counting: Counting) -> Doubt:
    """How far answers read by `counting` are to be trusted, by validation recordings.

    Leans on the default, the more the fewer recordings there are: validation chose the epoch and the
    thresholds, and flatters. Of no recording it is the default.
    """
    logits, rights, covered = [], [], []
    for recording, timeline in zip(recordings, timelines, strict=True):
        segments = find_segments(timeline, counting)
        naming = name_exercise(timeline.classes, seen_by_class(timeline, segments), counting.doubt)
        is_right = naming.exercise == recording.class_name
        if naming.exercise is not None:
            logits.append(logit(naming.probability))
            rights.append(is_right)
        if is_right and recording.starts is not None and recording.class_name != NO_EXERCISE:
            covered.append([_covers(recording, timeline, segments, counting, f) for f in _FACTORS])
    slope, offset = _fit_logistic(np.array(logits), np.array(rights, bool))
    hits_K = np.sum(covered, 0) + _LEAN_RECORDINGS * np.array(list(_FACTORS.values()))
    is_enough_K = hits_K >= COVERAGE * (len(covered) + _LEAN_RECORDINGS)
    factor = list(_FACTORS)[int(is_enough_K.argmax()) if is_enough_K.any() else -1]
    return Doubt(slope, offset, factor)


def _covers(
    recording: Recording, timeline: Timeline, segments: Sequence[Segment], counting: Counting, factor: float
) -> bool:
    assert recording.starts is not None
    doubt = dataclasses.replace(counting.doubt, height_factor=factor)
    ranges = count_ranges(timeline, dataclasses.replace(counting, doubt=doubt), segments)
    low, high = ranges[recording.class_name]
    return low <= len(recording.starts) <= high


def _fit_logistic(logits_N: np.ndarray, rights_N: np.ndarray) -> tuple[float, float]:
    """The most probable slope and offset, where the slope's logarithm and the offset are 0 +- `_LEAN`."""
    slopes_S, offsets_O = np.exp(np.linspace(-1, 1, 41)), np.linspace(-1, 1, 41)
    odds_SxOxN = slopes_S[:, None, None] * logits_N + offsets_O[:, None]
    losses_SxO = np.logaddexp(0, np.where(rights_N, -odds_SxOxN, odds_SxOxN)).sum(-1)
    losses_SxO += (np.log(slopes_S)[:, None] ** 2 + offsets_O**2) / (2 * _LEAN**2)
    slope, offset = np.unravel_index(int(losses_SxO.argmin()), losses_SxO.shape)
    return round(float(slopes_S[slope]), 3), round(float(offsets_O[offset]), 3)


def why_none(recordings: Sequence[Recording]) -> str:
    """What to say, and to do, where `calibrate` gives None of these recordings; empty where it does not."""
    n = sum(map(_holds_repetitions, recordings))
    words = f"{n} validation recordings with repetitions, {FEWEST} are needed to choose thresholds by: the "
    return f"{words}defaults are used; {REMEDY}" if n < FEWEST else ""


def _holds_repetitions(recording: Recording) -> bool:
    return recording.starts is not None and len(recording.starts) > 0


def _least(start: Counting, grid: dict, errors: Callable[[Counting], list[np.ndarray]]) -> Counting:
    """The best of a grid; `errors` gives one array for each kind of recording, whose means are added."""
    settings = [
        dataclasses.replace(start, **dict(zip(grid, values, strict=True)))
        for values in itertools.product(*grid.values())
    ]
    found = [errors(setting) for setting in settings]
    means = np.array([sum(kind.mean() for kind in of) for of in found]).reshape(
        [len(v) for v in grid.values()]
    )
    best = int(scipy.ndimage.uniform_filter(means, 3, mode="nearest").argmin())
    gains = [before - after for before, after in zip(errors(start), found[best], strict=True)]
    standard_error = math.sqrt(sum(gain.var() / max(len(gain) - 1, 1) for gain in gains))
    return settings[best] if sum(gain.mean() for gain in gains) > _MARGIN * standard_error else start
