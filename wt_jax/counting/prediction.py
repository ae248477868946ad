"""What is said of one video: its exercises and repetitions, in seconds of that video."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from wt_jax.counting.decoding import (
    UNKNOWN,
    Repetition,
    align,
    count_ranges,
    count_repetitions,
    count_unknown,
    find_starts,
)
from wt_jax.counting.key_angle import smooth_key_angle
from wt_jax.counting.naming import Naming, Undecided, name_exercise, seen_by_class
from wt_jax.counting.segments import Segment, find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE

SCHEMA_VERSION = 2  # one more whenever a key of the document changes its meaning or goes


@dataclasses.dataclass(frozen=True)
class TimedRepetition:
    """One repetition counted; `start_s` is where the extended position is left."""

    exercise: str
    start_s: float
    confidence: float  # height of the smoothed repetition signal at the start, in [0, 1]


@dataclasses.dataclass(frozen=True)
class TimedSegment:
    """A stretch of one class, no-exercise among them; `confidence` is its mean probability there."""

    exercise: str
    start_s: float
    end_s: float
    confidence: float
    repetitions: int
    unknown_repetitions: int  # of something else that repeats, in no-exercise


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of one video.

    `timeline` is what it says of every frame at 30 a second, from `first_s` on, in seconds of the video;
    `found_segments`, `found_repetitions` and `found_unknown`, those of no known exercise, are what `counting`
    finds in it, in those frames.
    """

    timeline: Timeline
    counting: Counting
    first_s: float
    found_segments: tuple[Segment, ...]
    found_repetitions: tuple[Repetition, ...]
    found_unknown: tuple[Repetition, ...] = ()

    def __repr__(self) -> str:
        seconds = len(self.timeline.valid_F) / FRAME_RATE_HZ
        said = "nobody seen"
        if self.exercise:
            counts = ", ".join(f"{name!r}: {self.count_text(name)}" for name in self.counts)
            said = f"{self.undecided or f'{self.exercise} {self.confidence:.2f}'}, {{{counts}}}"
        return f"<Prediction: {said} in {seconds:.1f} s>"

    @property
    def segments(self) -> list[TimedSegment]:
        """The whole video cut into stretches of one class, in order."""
        return [
            TimedSegment(
                segment.class_name,
                self.seconds(segment.first),
                self.seconds(segment.last + 1),
                segment.confidence,
                _number_in(segment, self.found_repetitions),
                _number_in(segment, self.found_unknown),
            )
            for segment in self.found_segments
        ]

    @property
    def repetitions(self) -> list[TimedRepetition]:
        """Every repetition counted, in order."""
        return [
            TimedRepetition(repetition.class_name, self.seconds(repetition.frame), repetition.confidence)
            for repetition in self.found_repetitions
        ]

    @property
    def unknown_repetitions(self) -> list[TimedRepetition]:
        """Of something that repeats and is none of the exercises, in order."""
        return [TimedRepetition(UNKNOWN, self.seconds(r.frame), r.confidence) for r in self.found_unknown]

    @cached_property
    def any_starts_s(self) -> np.ndarray:
        """Starts of whatever is repeated in the whole video, in seconds, float64: by its `principal_motion`.

        [] of a timeline without angles.
        """
        found = self.timeline.repeated(0, len(self.timeline.valid_F) - 1)
        return np.zeros(0) if found is None else self.first_s + found.starts / FRAME_RATE_HZ

    @property
    def counts(self) -> dict[str, int]:
        """Repetitions of each exercise that was seen."""
        names = [repetition.class_name for repetition in self.found_repetitions]
        seen = {segment.class_name for segment in self.found_segments} | set(names)
        return {
            name: names.count(name) for name in self.timeline.classes if name in seen and name != NO_EXERCISE
        }

    @cached_property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """Of each of `counts` the least and the greatest that may be: the same where it is sure."""
        found = count_ranges(self.timeline, self.counting, self.found_segments)
        return {name: found[name] for name in self.counts}

    def count_text(self, exercise: str) -> str:
        """A count as it is shown: "12", or "12 (11-12)" where it is doubtful."""
        count, (low, high) = self.counts.get(exercise, 0), self.ranges.get(exercise, (0, 0))
        return f"{count}" if low == high else f"{count} ({low}-{high})"

    @property
    def exercise(self) -> str | None:
        """The exercise that is done longest; no-exercise where none is done; None where nobody is seen."""
        return self.naming.exercise

    @property
    def confidence(self) -> float:
        """How probable it is that `exercise` is right, by validation; 0 where nobody is seen."""
        return self.naming.confidence

    @property
    def undecided(self) -> Undecided | None:
        """The two exercises that it may be, where `exercise` is not sure enough."""
        return self.naming.undecided

    @cached_property
    def naming(self) -> Naming:
        """`exercise`, `confidence` and `undecided` together."""
        seen = seen_by_class(self.timeline, self.found_segments)
        return name_exercise(self.timeline.classes, seen, self.counting.doubt)

    @property
    def key_angle_F(self) -> np.ndarray | None:
        """The angle that `exercise` is about (`key_angle.smooth_key_angle`), None where there is none."""
        angles_FxJ = self.timeline.angles_FxJ
        if angles_FxJ is None or self.exercise is None:
            return None
        return smooth_key_angle(angles_FxJ, self.timeline.valid_F, self.exercise)

    def starts_as(self, exercise: str) -> np.ndarray:
        """Starts in seconds, float64, of a video that holds `exercise` and nothing else."""
        if exercise in self.counting.taught:
            return self.any_starts_s
        starts, _ = find_starts(self.timeline.signal_F, self.timeline.valid_F, self.counting)
        return self.first_s + align(self.timeline, starts, exercise) / FRAME_RATE_HZ

    def seconds(self, frame: int) -> float:
        """When a frame of the timeline is, in the video."""
        return self.first_s + frame / FRAME_RATE_HZ

    def so_far(self, time_s: float) -> tuple[str, dict[str, int], int]:
        """The class at a time of the video, the repetitions of each exercise that started by then, and those
        of no known exercise in the present segment."""
        frame = max(0, int(np.floor((time_s - self.first_s) * FRAME_RATE_HZ + 1e-6)))
        now = next((s for s in self.found_segments if frame <= s.last), None)
        if now is None:
            now = self.found_segments[-1] if self.found_segments else None
        started = [r.class_name for r in self.found_repetitions if r.frame <= frame]
        unknown = _number_in(now, [r for r in self.found_unknown if r.frame <= frame]) if now else 0
        counts = {name: started.count(name) for name in self.counts}
        return now.class_name if now else NO_EXERCISE, counts, unknown

    def document(
        self,
        source: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        remark: str = "",
    ) -> dict[str, Any]:
        """The JSON of docs/predict.md: plain values, rounded to milliseconds and thousandths.

        Of what was found alone; with `source`, of which video or landmarks (`results.about`), and `model`, by
        which checkpoint (`Predictor.identity`), the whole of it.
        """
        found = {
            "exercise": self.exercise,
            "confidence": round(self.confidence, 3),
            "undecided": _rounded(self.undecided.candidates) if self.undecided else None,
            "counts": self.counts,
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "segments": _rounded(self.segments),
            "repetitions": _rounded(self.repetitions),
            "unknown_repetitions": _rounded(self.unknown_repetitions),
            "any": {"count": len(self.any_starts_s), "starts_s": self.any_starts_s.round(3).tolist()},
        }
        if source is None or model is None:
            return found
        return {
            "version": SCHEMA_VERSION,
            "source": dict(source),
            "model": {**model, "counting": self.counting.values()},
            "remark": remark or None,
            **found,
        }


def read_timeline(timeline: Timeline, counting: Counting, first_s: float) -> Prediction:
    """Finds segments and repetitions in a timeline whose first frame is at `first_s`."""
    segments = find_segments(timeline, counting)
    repetitions = count_repetitions(timeline, counting, segments)
    unknown = count_unknown(timeline, segments)
    return Prediction(timeline, counting, first_s, tuple(segments), tuple(repetitions), tuple(unknown))


def _number_in(segment: Segment, repetitions: Sequence[Repetition]) -> int:
    return sum(segment.first <= repetition.frame <= segment.last for repetition in repetitions)


def _rounded(parts: Sequence[Any]) -> list[dict[str, Any]]:
    fields = [dataclasses.asdict(part) for part in parts]
    return [{k: round(v, 3) if isinstance(v, float) else v for k, v in part.items()} for part in fields]
