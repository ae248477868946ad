"""A timeline (what the model says of every frame) and its segments -> repetition starts, and counts.

Letters: F frames of a recording at 30 a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported where they are first used: half a second before training starts

from wt_jax.counting.key_angle import align_starts, smooth_key_angle
from wt_jax.counting.segments import Segment, segments_of
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline, smooth
from wt_jax.skeleton import NO_EXERCISE

LOWEST_HEIGHT = 0.01  # of a candidate: precision-recall curves see them down to here
UNKNOWN = "repeating, exercise unknown"  # what repeats in no-exercise is called


@dataclass(frozen=True)
class Repetition:
    """A start that counts."""

    frame: int  # where it starts, at 30 a second
    confidence: float  # height of the smoothed signal there, in [0, 1]
    class_name: str


def find_starts(
    signal_F: np.ndarray, valid_F: np.ndarray, counting: Counting
) -> tuple[np.ndarray, np.ndarray]:
    """Starts (int32, sorted) and their heights (float32 in [0, 1]): tall peaks of the smoothed signal."""
    starts, heights = find_candidates(signal_F, valid_F, counting)
    tall = heights >= working_height(heights, counting)
    return starts[tall], heights[tall]


def find_candidates(
    signal_F: np.ndarray, valid_F: np.ndarray, counting: Counting
) -> tuple[np.ndarray, np.ndarray]:
    """Peaks of the smoothed signal, however low: int32, sorted, and their heights, float32 in [0, 1].

    Of peaks nearer than `min_distance_frames` the higher stays, so those that reach a greater
    `peak_height` are the same, however low it is. Frames that are not valid are 0 and hold no start.
    Raises ValueError for a signal that is not finite.
    """
    if not np.isfinite(signal_F).all():
        raise ValueError(
            "the repetition signal holds NaN or infinity: the checkpoint's parameters are damaged"
        )
    smooth_F = np.where(valid_F, smooth(np.where(valid_F, signal_F, 0.0), counting.smoothing_frames), 0.0)
    padded = np.concatenate([[0.0], smooth_F, [0.0]])  # a start in the first or last frame is a peak too
    peaks, _ = scipy.signal.find_peaks(
        padded, height=LOWEST_HEIGHT, distance=max(1, counting.min_distance_frames)
    )
    starts = (peaks - 1).astype(np.int32)
    return starts, smooth_F[starts].astype(np.float32)


def working_height(heights: np.ndarray, counting: Counting) -> float:
    """The height from which a recording's candidates count.

    `peak_height`, or `relative_height` of the upper quartile of those that reach it, whichever is more.
    """
    reached = heights[heights >= counting.peak_height]
    tall = float(np.percentile(reached, 75)) if reached.size else 0.0
    return max(counting.peak_height, counting.relative_height * tall)


def count_repetitions(
    timeline: Timeline, counting: Counting, segments: Sequence[Segment]
) -> list[Repetition]:
    """The starts that lie in a segment of an exercise, each with that exercise."""
    starts, heights = find_starts(timeline.signal_F, timeline.valid_F, counting)
    own = segments_of(starts, segments)
    aligned = {name: align(timeline, starts, name) for name in {segment.class_name for segment in own}}
    repetitions: list[Repetition] = []
    for i, segment in enumerate(own):
        # What moves a start must not move it out of its segment, nor before the one that precedes it.
        least = max(segment.first, repetitions[-1].frame + 1 if repetitions else 0)
        frame = int(np.clip(aligned[segment.class_name][i], least, max(least, segment.last)))
        if segment.class_name not in (NO_EXERCISE, *counting.taught):
            repetitions.append(Repetition(frame, float(heights[i]), segment.class_name))
    repetitions += count_taught(timeline, counting, segments)
    return sorted(repetitions, key=lambda repetition: repetition.frame)


def count_taught(timeline: Timeline, counting: Counting, segments: Sequence[Segment]) -> list[Repetition]:
    """What repeats in segments of the exercises `counting.taught`, as sure as the segment is of them."""
    return [
        Repetition(segment.first + int(start), segment.confidence, segment.class_name)
        for segment in segments
        if segment.class_name in counting.taught
        and (found := timeline.repeated(segment.first, segment.last)) is not None
        for start in found.starts
    ]


def count_unknown(timeline: Timeline, segments: Sequence[Segment]) -> list[Repetition]:
    """What repeats in segments of no-exercise: by its `principal_motion`, no model has been taught it.

    Its confidence is how alike the repetitions are. [] of a timeline without angles.
    """
    return [
        Repetition(segment.first + int(start), found.alike, UNKNOWN)
        for segment in segments
        if segment.class_name == NO_EXERCISE
        and (found := timeline.repeated(segment.first, segment.last)) is not None
        for start in found.sure_starts
    ]


def count_ranges(
    timeline: Timeline, counting: Counting, segments: Sequence[Segment]
) -> dict[str, tuple[int, int]]:
    """Exercise -> the least and the greatest count, by whether its doubtful starts are left out or let in.

    Of each exercise that has a segment; those `taught` have one number. A start is doubtful where its height
    is within `doubt.height_factor` of the working height, above or below.
    """
    starts, heights = find_candidates(timeline.signal_F, timeline.valid_F, counting)
    working, factor = working_height(heights, counting), counting.doubt.height_factor
    names = np.array([segment.class_name for segment in segments_of(starts, segments)], object)
    taught = [repetition.class_name for repetition in count_taught(timeline, counting, segments)]
    ranges = {}
    for name in {segment.class_name for segment in segments} - {NO_EXERCISE}:
        if name in counting.taught:
            ranges[name] = taught.count(name), taught.count(name)
            continue
        own = heights[names == name]
        ranges[name] = int((own >= working * factor).sum()), int((own >= working / factor).sum())
    return ranges


def align(timeline: Timeline, starts: np.ndarray, class_name: str) -> np.ndarray:
    """The starts by an exercise's key angle (`key_angle.align_starts`), where the timeline has angles."""
    if timeline.angles_FxJ is None or class_name == NO_EXERCISE:
        return starts
    return align_starts(starts, smooth_key_angle(timeline.angles_FxJ, timeline.valid_F, class_name))
