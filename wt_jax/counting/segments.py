"""A timeline cut into stretches of one exercise, or of none.

Letters: F frames of a recording at 30 a second, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.counting.settings import Counting
from wt_jax.counting.taught_motion import odds_by_motion, weighed
from wt_jax.counting.timeline import Timeline, smooth
from wt_jax.skeleton import NO_EXERCISE


@dataclass(frozen=True)
class Segment:
    """Frames first..last, both inside, of one class.

    `confidence` is its mean probability there; `odds`, how many times likelier the way somebody moves makes
    that, is in it.
    """

    class_name: str
    first: int
    last: int
    confidence: float
    odds: float = 1.0


def class_scores(timeline: Timeline, counting: Counting) -> np.ndarray:
    """Smoothed class probabilities (F, C), over valid frames alone; 0 where none is near."""
    weight_F = smooth(timeline.valid_F, counting.class_smoothing_frames)
    sums_FxC = smooth(
        np.where(timeline.valid_F[:, None], timeline.probabilities_FxC, 0.0), counting.class_smoothing_frames
    )
    return sums_FxC / np.maximum(weight_F, 1e-6)[:, None]


def find_segments(timeline: Timeline, counting: Counting) -> list[Segment]:
    """The recording cut into stretches of one class, no-exercise among them; [] without a frame.

    A frame belongs to its most probable exercise where that reaches `class_threshold`, else to
    no-exercise. Short stretches join the longer neighbour, the shortest first. What is no exercise then, or
    one that clips have taught, becomes the other where its motion says so (`taught_motion`).
    """
    return cut_segments(timeline, class_scores(timeline, counting), counting)


def cut_segments(timeline: Timeline, scores_FxC: np.ndarray, counting: Counting) -> list[Segment]:
    """`find_segments`, where `class_scores` are known."""
    if not len(scores_FxC):
        return []
    classes = timeline.classes
    is_exercise_C = np.array([name != NO_EXERCISE for name in classes])
    rest = classes.index(NO_EXERCISE) if NO_EXERCISE in classes else -1
    is_taught_C = np.isin(classes, counting.taught)
    least_C = np.where(is_taught_C, counting.taught_threshold, counting.class_threshold)
    exercises_FxC = np.where(is_exercise_C & (scores_FxC >= least_C), scores_FxC, -1.0)
    labels_F = np.where(exercises_FxC.max(1) >= 0, exercises_FxC.argmax(1), rest)
    for first, last in _join_short(labels_F, counting.min_segment_frames):
        labels_F[first : last + 1] = _moved(timeline, first, last, int(labels_F[first]), counting)
    return [
        _segment(timeline, first, last, int(labels_F[first]), counting) for first, last in _runs(labels_F)
    ]


def _segment(timeline: Timeline, first: int, last: int, label: int, counting: Counting) -> Segment:
    name = timeline.classes[label] if label >= 0 else NO_EXERCISE
    is_heard = any(one.class_name == name for one in counting.motions)
    odds = _odds(timeline, first, last, counting).get(label, 1.0) if is_heard else 1.0
    return Segment(name, first, last, weighed(_share(timeline, first, last, label), odds), odds)


def _moved(timeline: Timeline, first: int, last: int, label: int, counting: Counting) -> int:
    """The class of a stretch of no exercise, or of one that clips have taught, seeing how somebody moves."""
    rest = timeline.classes.index(NO_EXERCISE) if NO_EXERCISE in timeline.classes else -1
    if label != rest and timeline.classes[label] not in counting.taught:
        return label
    odds, least = _odds(timeline, first, last, counting), counting.taught_threshold
    chances = {one: weighed(_share(timeline, first, last, one), odds[one]) for one in odds}
    if label != rest and (odds.get(label, 1.0) >= 1 or chances[label] >= least):
        return label
    likelier = [one for one in odds if odds[one] > 1 and chances[one] >= least]
    return max(likelier, key=lambda one: chances[one], default=rest)


def _odds(timeline: Timeline, first: int, last: int, counting: Counting) -> dict[int, float]:
    """Of each class with `counting.motions`, by number, what those say of some frames (`odds_by_motion`)."""
    found = timeline.repeated(first, last) if counting.motions else None
    by_name = odds_by_motion(counting.motions, found, timeline.upright(first, last)) if found else {}
    return {timeline.classes.index(name): odds for name, odds in by_name.items() if name in timeline.classes}


def _share(timeline: Timeline, first: int, last: int, label: int) -> float:
    """Mean probability of a class in those of some frames that are valid; 0 where none is, or label is -1."""
    at = slice(first, last + 1)
    of_F = timeline.probabilities_FxC[at, label][timeline.valid_F[at]]
    return float(of_F.mean()) if label >= 0 and of_F.size else 0.0


def _runs(labels_F: np.ndarray) -> list[tuple[int, int]]:
    """First and last frames of each class in turn."""
    edges = np.flatnonzero(np.diff(labels_F)) + 1
    firsts, ends = np.append(0, edges), np.append(edges, len(labels_F))
    return [(int(a), int(b) - 1) for a, b in zip(firsts, ends, strict=True)]


def _join_short(labels_F: np.ndarray, min_frames: int) -> list[tuple[int, int]]:
    """First and last frames of runs; writes the joined labels back into `labels_F`."""
    while True:
        runs = _runs(labels_F)
        lengths = np.array([last - first + 1 for first, last in runs])
        shortest = int(lengths.argmin())
        if len(runs) == 1 or lengths[shortest] >= min_frames:
            return runs
        before = lengths[shortest - 1] if shortest else -1
        after = lengths[shortest + 1] if shortest + 1 < len(lengths) else -1
        other = shortest - 1 if before >= after else shortest + 1
        first, last = runs[shortest]
        labels_F[first : last + 1] = labels_F[runs[other][0]]


def segments_of(starts: np.ndarray, segments: Sequence[Segment]) -> list[Segment]:
    """The segment that each start lies in; the segments cover all of the recording."""
    lasts = np.array([segment.last for segment in segments])
    return [segments[i] for i in np.searchsorted(lasts, starts)]
