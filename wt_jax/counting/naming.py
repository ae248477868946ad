"""Which exercise a recording is named for, how sure that is, and what else it may be.

Letters: F frames of a recording, C classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.counting.doubt import SURE, Doubt
from wt_jax.counting.segments import Segment
from wt_jax.counting.timeline import Timeline
from wt_jax.skeleton import NO_EXERCISE


@dataclass(frozen=True)
class Candidate:
    """An exercise, or no-exercise, that a recording may be of."""

    exercise: str
    probability: float


@dataclass(frozen=True)
class Undecided:
    """The exercise named is not sure enough: the two most probable ones, the more probable first."""

    candidates: tuple[Candidate, ...]

    def __str__(self) -> str:
        return f"undecided: {' or '.join(f'{c.exercise} {c.probability:.2f}' for c in self.candidates)}?"


@dataclass(frozen=True)
class Naming:
    """`exercise` is None where nobody is seen; `confidence`, that it is right, is then 0."""

    exercise: str | None
    probability: float  # its mean over the frames that are said to be of it
    confidence: float
    undecided: Undecided | None


@dataclass(frozen=True, eq=False)
class Seen:
    """Frames with somebody in them, and their probabilities, (C,) summed up."""

    frames: int
    sum_C: np.ndarray

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(self.frames + other.frames, self.sum_C + other.sum_C)


def seen_by_class(
    timeline: Timeline, segments: Iterable[Segment], stop: int | None = None
) -> dict[str, Seen]:
    """What is seen in all segments of one class, before frame `stop`."""
    found: dict[str, Seen] = {}
    for segment in segments:
        at = slice(segment.first, segment.last + 1 if stop is None else min(segment.last + 1, stop))
        n_seen = int(timeline.valid_F[at].sum())
        sum_C = timeline.probabilities_FxC[at][timeline.valid_F[at]].sum(0, np.float64)
        if segment.odds != 1 and n_seen:
            sum_C = n_seen * _weighed(
                sum_C / n_seen, timeline.classes.index(segment.class_name), segment.odds
            )
        add_seen(found, {segment.class_name: Seen(n_seen, sum_C)})
    return found


def _weighed(probabilities_C: np.ndarray, label: int, odds: float) -> np.ndarray:
    """Probabilities, of which one is so many times likelier."""
    weights_C = np.where(np.arange(len(probabilities_C)) == label, odds, 1.0)
    return probabilities_C * weights_C / (probabilities_C * weights_C).sum()


def add_seen(to: dict[str, Seen], more: Mapping[str, Seen]) -> None:
    """Adds in place, class by class."""
    for name, seen in more.items():
        to[name] = to[name] + seen if name in to else seen


def name_exercise(classes: Sequence[str], seen: Mapping[str, Seen], doubt: Doubt) -> Naming:
    """The exercise that most frames are said to be of; no-exercise where none is of any.

    Its confidence is calibrated; what that leaves is shared among the other classes by their probabilities.
    """
    lengths = {name: seen[name].frames if name in seen else 0 for name in classes if name != NO_EXERCISE}
    named = max(lengths, key=lambda name: lengths[name], default=NO_EXERCISE)
    if not lengths.get(named):
        named = NO_EXERCISE
    if named not in seen or not seen[named].frames:
        return Naming(None, 0.0, 0.0, None)
    mean = dict(zip(classes, seen[named].sum_C / seen[named].frames, strict=True))
    probability = float(mean.pop(named, 0.0))
    confidence = doubt.confidence(probability) if named in classes else 0.0
    left = (1 - confidence) / max(sum(mean.values()), 1e-6)
    likely = {named: confidence} if named in classes else {}
    likely |= {name: float(share) * left for name, share in mean.items()}
    two = sorted(likely, key=lambda name: -likely[name])[:2]
    undecided = Undecided(tuple(Candidate(name, likely[name]) for name in two))
    return Naming(named, probability, confidence, undecided if confidence < SURE else None)
