"""How far an answer is to be trusted: a class's probability, and the heights at which a start is doubtful."""

import math
from dataclasses import dataclass, fields

SURE = 0.6  # least confidence of an exercise: of those below, half were wrong (29 of 551 people held back)
COVERAGE = 0.9  # of ranges of counts that are to hold the true one
_RANGES = {"class_slope": (0.1, 10.0), "class_offset": (-10.0, 10.0), "height_factor": (1.0, 10.0)}
_EDGE = 1e-3  # probabilities nearer to 0 and 1 are taken for that near: no network knows better


@dataclass(frozen=True)
class Doubt:
    """Fitted on validation (`inference.calibration.fit_doubt`), kept with `Counting`.

    The default takes probabilities as they are: those of models with averaged weights were found right to
    0.03 on people held back, and a factor at which 0.91 of the ranges held the true count.
    Raises ValueError naming a value out of range.
    """

    class_slope: float = 1.0  # of the logistic from a mean probability's logit to that of being right
    class_offset: float = 0.0
    height_factor: float = 1.2  # doubtful is a start from so many times below to above the working height

    def __post_init__(self) -> None:
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), _RANGES[field.name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"{field.name}={value!r}: must be a number from {low:g} to {high:g}")

    def confidence(self, probability: float) -> float:
        """How probable it is that a class of this mean probability is right: rising, in [0, 1]."""
        return 1 / (1 + math.exp(-self.class_slope * logit(probability) - self.class_offset))


def logit(probability: float) -> float:
    """Log odds, of probabilities at least a thousandth from 0 and 1."""
    within = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(within / (1 - within))
