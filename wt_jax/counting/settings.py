"""How a timeline is read: thresholds, and what a checkpoint was taught from a few clips."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from wt_jax.counting.doubt import Doubt
from wt_jax.counting.taught_motion import TaughtMotion

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
    # Exercises learned from a few clips (`wt_jax.adapt`): the network names them, if shyly, how somebody
    # moves has a say in it, and what repeats in their segments is counted, which no few clips teach better.
    taught: tuple[str, ...] = ()
    taught_threshold: float = 0.3  # `class_threshold` of these
    motions: tuple[TaughtMotion, ...] = ()  # of each of their clips

    def __post_init__(self) -> None:
        if isinstance(self.taught, str) or not all(isinstance(name, str) for name in self.taught):
            raise ValueError(f"taught={self.taught!r}: must be a list of names of exercises")
        object.__setattr__(self, "taught", tuple(self.taught))  # a list, as JSON has it
        if strangers := {one.class_name for one in self.motions} - set(self.taught):
            raise ValueError(f"motions: {', '.join(sorted(strangers))}: must be of what is taught")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            kind = "whole number" if type(getattr(Counting, name)) is int else "number"
            is_kind = isinstance(value, int | np.integer) or (kind == "number" and isinstance(value, float))
            if isinstance(value, bool) or not is_kind or not low <= value <= high:
                raise ValueError(f"{name}={value!r}: must be a {kind} from {low} to {high}")

    def values(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        motions = [{**asdict(one), "direction": list(one.direction)} for one in self.motions]
        return {**asdict(self), "taught": list(self.taught), "motions": motions}
