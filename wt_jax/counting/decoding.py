"""A timeline (what the model says of every frame) -> repetition starts, segments of exercises, counts.

Letters: F frames of a recording at 30 a second, C classes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy  # its parts are imported where they are first used: half a second before training starts

from wt_jax.counting.doubt import Doubt
from wt_jax.counting.key_angle import align_starts, smooth_key_angle
from wt_jax.counting.principal_motion import motion_starts, repeated_starts
from wt_jax.skeleton import NO_EXERCISE

LOWEST_HEIGHT = 0.01  # of a candidate: precision-recall curves see them down to here
SMOOTHING_ENDS = 3.0  # standard deviations from its middle: what bounds the delay of a stream
UNKNOWN = "repeating, exercise unknown"  # what repeats in no-exercise is called
_RANGES = {
    "peak_height": (0, 1), "relative_height": (0, 1), "min_distance_frames": (0, 3600),
    "smoothing_frames": (0, 300), "class_threshold": (0, 1), "class_smoothing_frames": (0, 3600),
    "min_segment_frames": (0, 36000), "taught_threshold": (0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Counting:
    """How a timeline is read. Chosen on validation, kept in the checkpoint (`inference.calibration`).

    Raises ValueError naming a value out of range.
    """

    peak_height: float = 0.05  # least smoothed signal at a start, in any recording
    relative_height: float = 0.5  # ... and in this one, as a share of its tall peaks: faint signals count too
    min_distance_frames: int = 12  # between two starts
    smoothing_frames: float = 4.0  # standard deviation of the Gaussian over the repetition signal
    class_threshold: float = 0.45  # least smoothed probability of an exercise, else it is no exercise
    class_smoothing_frames: float = 90.0  # standard deviation of the Gaussian over class probabilities
    min_segment_frames: int = 90  # a shorter stretch of one class joins its longer neighbour
    doubt: Doubt = field(default_factory=Doubt)
    # Exercises learned from a few clips (`wt_jax.adapt`): the network names them, if shyly, and what repeats
    # in their segments is counted, which it has not learned to do better yet.
    taught: tuple[str, ...] = ()
    taught_threshold: float = 0.3  # `class_threshold` of these

    def __post_init__(self) -> None:
        if isinstance(self.taught, str) or not all(isinstance(name, str) for name in self.taught):
            raise ValueError(f"taught={self.taught!r}: must be a list of names of exercises")
        object.__setattr__(self, "taught", tuple(self.taught))  # a list, as JSON has it
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            kind = "whole number" if type(getattr(Counting, name)) is int else "number"
            is_kind = isinstance(value, int | np.integer) or (kind == "number" and isinstance(value, float))
            if isinstance(value, bool) or not is_kind or not low <= value <= high:
                raise ValueError(f"{name}={value!r}: must be a {kind} from {low} to {high}")

    def values(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {**asdict(self), "taught": list(self.taught)}


@dataclass(frozen=True, eq=False)
class Timeline:
    """What the model says of every frame of one recording.

    `probabilities_FxC` float32, rows sum to 1; `signal_F` float32 in [0, 1], the probability that a
    repetition starts; both 0 where `valid_F` is False (nobody seen). With the `angles_FxJ` of the recording,
    starts are moved to where the limb begins to bend; None leaves them where the signal is highest.
    """

    classes: tuple[str, ...]
    probabilities_FxC: np.ndarray
    signal_F: np.ndarray
    valid_F: np.ndarray
    angles_FxJ: np.ndarray | None = None


@dataclass(frozen=True)
class Repetition:
    """A start that counts."""

    frame: int  # where it starts, at 30 a second
    confidence: float  # height of the smoothed signal there, in [0, 1]
    class_name: str


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


def smooth(values_F: np.ndarray, sigma_frames: float) -> np.ndarray:
    """A Gaussian over the first axis, 0 beyond the ends; `values_F` itself where sigma is 0."""
    values_F = np.asarray(values_F, np.float64)
    if sigma_frames <= 0 or not len(values_F):
        return values_F
    return scipy.ndimage.gaussian_filter1d(
        values_F, sigma_frames, axis=0, mode="constant", truncate=SMOOTHING_ENDS
    )


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
    if timeline.angles_FxJ is None:
        return []
    return [
        Repetition(segment.first + int(start), segment.confidence, segment.class_name)
        for segment in segments
        if segment.class_name in counting.taught
        for start in motion_starts(timeline.angles_FxJ[segment.at], timeline.valid_F[segment.at])
    ]


def count_unknown(timeline: Timeline, segments: Sequence[Segment]) -> list[Repetition]:
    """What repeats in segments of no-exercise: by its `principal_motion`, no model has been taught it.

    Its confidence is how alike the repetitions are. [] of a timeline without angles.
    """
    repetitions: list[Repetition] = []
    if timeline.angles_FxJ is None:
        return repetitions
    for segment in segments:
        if segment.class_name == NO_EXERCISE:
            starts, alike = repeated_starts(timeline.angles_FxJ[segment.at], timeline.valid_F[segment.at])
            repetitions += [Repetition(segment.first + int(start), alike, UNKNOWN) for start in starts]
    return repetitions


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


def segments_of(starts: np.ndarray, segments: Sequence[Segment]) -> list[Segment]:
    """The segment that each start lies in; the segments cover all of the recording."""
    lasts = np.array([segment.last for segment in segments])
    return [segments[i] for i in np.searchsorted(lasts, starts)]


def align(timeline: Timeline, starts: np.ndarray, class_name: str) -> np.ndarray:
    """The starts by an exercise's key angle (`key_angle.align_starts`), where the timeline has angles."""
    if timeline.angles_FxJ is None or class_name == NO_EXERCISE:
        return starts
    return align_starts(starts, smooth_key_angle(timeline.angles_FxJ, timeline.valid_F, class_name))
