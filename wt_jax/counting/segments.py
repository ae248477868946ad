"""A timeline cut into stretches of one exercise, or of none.

Letters: F frames of a recording at 30 a second, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline, smooth
from wt_jax.skeleton import NO_EXERCISE


@dataclass(frozen=True)
class Segment:
    """Frames first..last, both inside, of one class; `confidence` is its mean probability there."""

    class_name: str
    first: int
    last: int
    confidence: float

    @property
    def at(self) -> slice:
        """Its frames, of arrays of all."""
        return slice(self.first, self.last + 1)


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
    no-exercise. Short stretches join the longer neighbour, the shortest first.
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
    segments = []
    for first, last in _join_short(labels_F, counting.min_segment_frames):
        label = int(labels_F[first])
        valid = timeline.valid_F[first : last + 1]
        share = timeline.probabilities_FxC[first : last + 1, label][valid] if label >= 0 else np.zeros(0)
        segments.append(
            Segment(
                classes[label] if label >= 0 else NO_EXERCISE,
                first,
                last,
                float(share.mean()) if share.size else 0.0,
            )
        )
    return segments


def _join_short(labels_F: np.ndarray, min_frames: int) -> list[tuple[int, int]]:
    """First and last frames of runs; writes the joined labels back into `labels_F`."""
    while True:
        edges = np.flatnonzero(np.diff(labels_F)) + 1
        firsts, ends = np.append(0, edges), np.append(edges, len(labels_F))
        lengths = ends - firsts
        shortest = int(lengths.argmin())
        if len(lengths) == 1 or lengths[shortest] >= min_frames:
            return [(int(a), int(b) - 1) for a, b in zip(firsts, ends, strict=True)]
        before = lengths[shortest - 1] if shortest else -1
        after = lengths[shortest + 1] if shortest + 1 < len(lengths) else -1
        other = shortest - 1 if before >= after else shortest + 1
        labels_F[firsts[shortest] : ends[shortest]] = labels_F[firsts[other]]


def segments_of(starts: np.ndarray, segments: Sequence[Segment]) -> list[Segment]:
    """The segment that each start lies in; the segments cover all of the recording."""
    lasts = np.array([segment.last for segment in segments])
    return [segments[i] for i in np.searchsorted(lasts, starts)]
