"""What is said of one video: its exercises and repetitions, in seconds of that video."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wt_jax.counting.decoding import (
    Counting,
    Repetition,
    Segment,
    Timeline,
    align,
    count_repetitions,
    find_segments,
    find_starts,
)
from wt_jax.counting.key_angle import smooth_key_angle
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE

SCHEMA_VERSION = 1  # one more whenever a key of the document changes its meaning or goes


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


@dataclasses.dataclass(frozen=True)
class Undecided:
    """The most probable class is an exercise, and still too little of it is sure enough to be called one."""

    exercise: str
    probability: float  # its mean over the frames with somebody in them

    def __str__(self) -> str:
        return f"undecided: {self.exercise} {self.probability:.2f}?"


def most_probable(classes: Sequence[str], sum_C: np.ndarray, n_frames: int) -> Undecided | None:
    """Of probabilities summed over `n_frames`; None where that is no-exercise, or nobody was seen."""
    name = classes[int(sum_C.argmax())]
    if n_frames == 0 or name == NO_EXERCISE:
        return None
    return Undecided(name, float(sum_C.max()) / n_frames)


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of one video.

    `timeline` is what it says of every frame at 30 a second, from `first_s` on, in seconds of the video;
    `found_segments` and `found_repetitions` are what `counting` finds in it, in those frames.
    """

    timeline: Timeline
    counting: Counting
    first_s: float
    found_segments: tuple[Segment, ...]
    found_repetitions: tuple[Repetition, ...]

    def __repr__(self) -> str:
        seconds = len(self.timeline.valid_F) / FRAME_RATE_HZ
        said = "nobody seen"
        if self.exercise:
            said = f"{self.undecided or f'{self.exercise} {self.confidence:.2f}'}, {self.counts}"
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
                sum(segment.first <= start <= segment.last for start in self._starts()),
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
    def counts(self) -> dict[str, int]:
        """Repetitions of each exercise that was seen."""
        names = [repetition.class_name for repetition in self.found_repetitions]
        seen = {segment.class_name for segment in self.found_segments} | set(names)
        return {
            name: names.count(name) for name in self.timeline.classes if name in seen and name != NO_EXERCISE
        }

    @property
    def exercise(self) -> str | None:
        """The exercise that is done longest; no-exercise where none is done; None where nobody is seen."""
        if not self.timeline.valid_F.any():
            return None
        lengths = dict.fromkeys(self.counts, 0)
        for segment in self.found_segments:
            if segment.class_name in lengths:
                lengths[segment.class_name] += segment.last + 1 - segment.first
        return max(lengths, key=lambda name: lengths[name]) if lengths else NO_EXERCISE

    @property
    def undecided(self) -> Undecided | None:
        """The nearest exercise, where `exercise` is no-exercise only because none reached its threshold."""
        if self.exercise != NO_EXERCISE:
            return None
        valid_F = self.timeline.valid_F
        sum_C = self.timeline.probabilities_FxC[valid_F].sum(0, np.float64)
        return most_probable(self.timeline.classes, sum_C, int(valid_F.sum()))

    @property
    def confidence(self) -> float:
        """Mean probability of `exercise` in its segments; 0 where nobody is seen."""
        own = [segment for segment in self.found_segments if segment.class_name == self.exercise]
        lengths = [segment.last + 1 - segment.first for segment in own]
        return float(np.average([segment.confidence for segment in own], weights=lengths)) if own else 0.0

    @property
    def key_angle_F(self) -> np.ndarray | None:
        """The angle that `exercise` is about (`key_angle.smooth_key_angle`), None where there is none."""
        angles_FxJ = self.timeline.angles_FxJ
        if angles_FxJ is None or self.exercise is None:
            return None
        return smooth_key_angle(angles_FxJ, self.timeline.valid_F, self.exercise)

    def starts_as(self, exercise: str) -> np.ndarray:
        """Starts in seconds, float64, of a video that holds `exercise` and nothing else."""
        starts, _ = find_starts(self.timeline.signal_F, self.timeline.valid_F, self.counting)
        return self.first_s + align(self.timeline, starts, exercise) / FRAME_RATE_HZ

    def seconds(self, frame: int) -> float:
        """When a frame of the timeline is, in the video."""
        return self.first_s + frame / FRAME_RATE_HZ

    def so_far(self, time_s: float) -> tuple[str, dict[str, int]]:
        """The class at a time of the video, and the repetitions of each exercise that started by then."""
        frame = max(0, int(np.floor((time_s - self.first_s) * FRAME_RATE_HZ + 1e-6)))
        now = next((s for s in self.found_segments if frame <= s.last), None)
        if now is None:
            now = self.found_segments[-1] if self.found_segments else None
        started = [r.class_name for r in self.found_repetitions if r.frame <= frame]
        return now.class_name if now else NO_EXERCISE, {name: started.count(name) for name in self.counts}

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
            "undecided": _rounded([self.undecided])[0] if self.undecided else None,
            "counts": self.counts,
            "segments": _rounded(self.segments),
            "repetitions": _rounded(self.repetitions),
        }
        if source is None or model is None:
            return found
        return {
            "version": SCHEMA_VERSION,
            "source": dict(source),
            "model": {**model, "counting": dataclasses.asdict(self.counting)},
            "remark": remark or None,
            **found,
        }

    def _starts(self) -> list[int]:
        return [repetition.frame for repetition in self.found_repetitions]


def read_timeline(timeline: Timeline, counting: Counting, first_s: float) -> Prediction:
    """Finds segments and repetitions in a timeline whose first frame is at `first_s`."""
    segments = find_segments(timeline, counting)
    repetitions = count_repetitions(timeline, counting, segments)
    return Prediction(timeline, counting, first_s, tuple(segments), tuple(repetitions))


def _rounded(parts: Sequence[Any]) -> list[dict[str, Any]]:
    fields = [dataclasses.asdict(part) for part in parts]
    return [{k: round(v, 3) if isinstance(v, float) else v for k, v in part.items()} for part in fields]
