"""How an exercise is moved that was learned from a few clips: which limbs, and how far.

A network that has seen five clips is shy of other people, filmed from elsewhere. Which joint angles change
together is much the same from anywhere: it says how much likelier the exercise is, or less likely.
Letters: F frames at 30 a second, J joint angles, M what is looked at of them (`principal_motion`), N clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.counting.principal_motion import FEWEST, N_CURVES, Repeated, repeated

# Chosen on recordings of people who taught nothing, clips of the first draw (benchmarks/adaptation.py).
_ALIKE = 0.75  # cosine of the angle to the nearest clip's direction from which it is moved as there
_UNLIKE = 0.5  # ... and below which it is not
_SHARE_OF_SWING = 0.5  # of the clips' median swing
_LEAST_LIKENESS = 0.9  # of what is done so often that it can be told
_ALIKE_ODDS, _UNLIKE_ODDS = 10.0, 0.2


@dataclass(frozen=True)
class TaughtMotion:
    """The main movement of one clip: a `direction` of unit length, of either sign, and its swing, half turns.

    Raises ValueError for another.
    """

    class_name: str
    direction: tuple[float, ...]
    swing: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "direction", tuple(self.direction))  # a list, as JSON has it
        numbers = (*self.direction, self.swing)
        are_numbers = all(isinstance(value, int | float) for value in numbers)
        if not isinstance(self.class_name, str) or not are_numbers or not np.isfinite(numbers).all():
            raise ValueError(f"motions: {self}: must be the name of an exercise, and numbers")
        if len(self.direction) != N_CURVES:
            raise ValueError(f"motions: {self}: direction must have {N_CURVES} numbers")


def taught_motion(class_name: str, angles_FxJ: np.ndarray, valid_F: np.ndarray) -> TaughtMotion:
    """Of a clip."""
    found = repeated(angles_FxJ, valid_F)
    return TaughtMotion(class_name, tuple(found.direction_M.round(4).tolist()), round(found.swing, 4))


def odds_by_motion(motions: Sequence[TaughtMotion], found: Repeated) -> dict[str, float]:
    """Of each exercise among the motions how many times likelier it is by what was found; 1 is no news."""
    names = dict.fromkeys(one.class_name for one in motions)
    return {name: _odds(found, [one for one in motions if one.class_name == name]) for name in names}


def _odds(found: Repeated, motions: Sequence[TaughtMotion]) -> float:
    cosines_N = np.abs(np.array([one.direction for one in motions]) @ found.direction_M)
    if not len(found.starts):
        return 1.0
    if cosines_N.max() < _UNLIKE:
        return _UNLIKE_ODDS
    reaches = found.swing >= _SHARE_OF_SWING * np.median([one.swing for one in motions])
    is_steady = len(found.starts) < FEWEST or found.alike >= _LEAST_LIKENESS
    return _ALIKE_ODDS if cosines_N.max() >= _ALIKE and reaches and is_steady else 1.0


def weighed(probability: float, odds: float) -> float:
    """A probability after news that makes it so many times likelier."""
    return odds * probability / (1 - probability + odds * probability)
