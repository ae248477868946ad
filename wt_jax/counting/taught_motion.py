"""How an exercise is moved that was learned from a few clips: which limbs, how far, upright or lying.

A network that has seen five clips is shy of other people, filmed from elsewhere. Which joint angles change
together, and whether somebody is upright or lies, are much the same from anywhere: they say how much
likelier the exercise is, or less likely.
Letters: F frames at 30 a second, J joint angles, L landmarks, M what is looked at of the angles
(`principal_motion`), N clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wt_jax.counting.principal_motion import FEWEST, N_CURVES, Repeated, repeated
from wt_jax.skeleton import HIPS, SHOULDERS

# Chosen on recordings of people who taught nothing, clips of the first draw (benchmarks/adaptation.py).
_ALIKE = 0.75  # cosine of the angle to the nearest clip's direction from which it is moved as there
_UNLIKE = 0.5  # ... and below which it is not
_AS_UPRIGHT = 0.4  # the greatest difference from that clip's torso
_NOT_AS_UPRIGHT = 0.6  # ... and the least from every clip's from which it is not: who lies does no pull-downs
_DEPTH = 0.5  # of how far away a landmark is, which pose models guess, so much is believed
_SHARE_OF_SWING = 0.5  # of the clips' median swing
_LEAST_LIKENESS = 0.9  # of what is done so often that it can be told
_ALIKE_ODDS, _UNLIKE_ODDS = 30.0, 0.2


@dataclass(frozen=True)
class TaughtMotion:
    """The main movement of one clip: a `direction` of unit length, of either sign, and its swing, half turns.

    `upright` is the mean of `uprightness`, None where nobody knows it. Raises ValueError for another.
    """

    class_name: str
    direction: tuple[float, ...]
    swing: float
    upright: float | None = None  # unknown of a checkpoint that an older wt_jax wrote

    def __post_init__(self) -> None:
        object.__setattr__(self, "direction", tuple(self.direction))  # a list, as JSON has it
        numbers = (*self.direction, self.swing, 0.0 if self.upright is None else self.upright)
        are_numbers = all(isinstance(value, int | float) for value in numbers)
        if not isinstance(self.class_name, str) or not are_numbers or not np.isfinite(numbers).all():
            raise ValueError(f"motions: {self}: must be the name of an exercise, and numbers")
        if len(self.direction) != N_CURVES:
            raise ValueError(f"motions: {self}: direction must have {N_CURVES} numbers")
        if self.upright is not None and not -1 <= self.upright <= 1:
            raise ValueError(f"motions: {self}: upright must be from -1 to 1")

    def is_of_the_clip_of(self, other: "TaughtMotion") -> bool:
        """Whether both are of one clip, whatever is known of how upright somebody is."""
        return replace(self, upright=None) == replace(other, upright=None)


def uprightness(points_FxLx3: np.ndarray) -> np.ndarray:
    """Cosine between the torso, from hips to shoulders, and straight up in the image: (F,) float64.

    Near 1 of who stands or sits, and near 0 of who lies, from beside as from head or feet (by depth, of which
    `_DEPTH` is believed); -1 head down, 0 where nobody is seen.
    """
    torso_Fx3 = _middle(points_FxLx3, SHOULDERS) - _middle(points_FxLx3, HIPS)
    torso_Fx3[:, 2] *= _DEPTH
    return -torso_Fx3[:, 1] / np.maximum(np.linalg.norm(torso_Fx3, axis=1), 1e-4)


def mean_upright(upright_F: np.ndarray | None, valid_F: np.ndarray) -> float | None:
    """Of the frames with somebody; None where there is none, or nobody knows."""
    return None if upright_F is None or not valid_F.any() else float(upright_F[valid_F].mean())


def _middle(points_FxLx3: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    return points_FxLx3[:, pair].astype(np.float64).mean(1)


def taught_motion(
    class_name: str, angles_FxJ: np.ndarray, valid_F: np.ndarray, upright_F: np.ndarray | None = None
) -> TaughtMotion:
    """Of a clip; `upright_F` is its `uprightness`."""
    found = repeated(angles_FxJ, valid_F)
    upright = mean_upright(upright_F, valid_F)
    return TaughtMotion(
        class_name,
        tuple(found.direction_M.round(4).tolist()),
        round(found.swing, 4),
        None if upright is None else round(upright, 4),
    )


def odds_by_motion(
    motions: Sequence[TaughtMotion], found: Repeated, upright: float | None = None
) -> dict[str, float]:
    """Of each exercise among the motions how many times likelier it is by what was found; 1 is no news."""
    names = dict.fromkeys(one.class_name for one in motions)
    return {name: _odds(found, upright, [one for one in motions if one.class_name == name]) for name in names}


def _odds(found: Repeated, upright: float | None, motions: Sequence[TaughtMotion]) -> float:
    cosines_N = np.abs(np.array([one.direction for one in motions]) @ found.direction_M)
    if not len(found.starts):
        return 1.0
    differences_N = np.array([_difference(upright, one.upright) for one in motions])
    if cosines_N.max() < _UNLIKE or differences_N.min() > _NOT_AS_UPRIGHT:
        return _UNLIKE_ODDS
    is_alike = ((cosines_N >= _ALIKE) & (differences_N <= _AS_UPRIGHT)).any()
    reaches = found.swing >= _SHARE_OF_SWING * np.median([one.swing for one in motions])
    is_steady = len(found.starts) < FEWEST or found.alike >= _LEAST_LIKENESS
    return _ALIKE_ODDS if is_alike and reaches and is_steady else 1.0


def _difference(one: float | None, other: float | None) -> float:
    return 0.0 if one is None or other is None else abs(one - other)


def weighed(probability: float, odds: float) -> float:
    """A probability after news that makes it so many times likelier."""
    return odds * probability / (1 - probability + odds * probability)
