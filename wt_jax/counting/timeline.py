"""What a model says of every frame of a recording.

Letters: F frames at 30 a second, C classes, J joint angles.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy  # its parts are imported where they are first used: half a second before training starts

from wt_jax.counting.principal_motion import Repeated, repeated
from wt_jax.counting.taught_motion import mean_upright

SMOOTHING_ENDS = 3.0  # standard deviations from its middle: what bounds the delay of a stream


@dataclass(frozen=True, eq=False)
class Timeline:
    """What the model says of every frame of one recording.

    `probabilities_FxC` float32, rows sum to 1; `signal_F` float32 in [0, 1], the probability that a
    repetition starts; both 0 where `valid_F` is False (nobody seen). With the `angles_FxJ` of the recording,
    starts are moved to where the limb begins to bend; None leaves them where the signal is highest.
    `upright_F` says how upright the torso is (`taught_motion.uprightness`), where landmarks are known.
    """

    classes: tuple[str, ...]
    probabilities_FxC: np.ndarray
    signal_F: np.ndarray
    valid_F: np.ndarray
    angles_FxJ: np.ndarray | None = None
    upright_F: np.ndarray | None = None
    _repeated: dict[tuple[int, int], Repeated] = field(default_factory=dict, init=False, repr=False)

    def repeated(self, first: int, last: int) -> Repeated | None:
        """What is repeated in frames first..last, both inside; None without angles. Found once."""
        if self.angles_FxJ is None:
            return None
        if (first, last) not in self._repeated:
            at = slice(first, last + 1)
            self._repeated[first, last] = repeated(self.angles_FxJ[at], self.valid_F[at])
        return self._repeated[first, last]

    def upright(self, first: int, last: int) -> float | None:
        """Mean of `upright_F` in frames first..last, both inside; None where it is not known."""
        at = slice(first, last + 1)
        return mean_upright(None if self.upright_F is None else self.upright_F[at], self.valid_F[at])


def smooth(values_F: np.ndarray, sigma_frames: float) -> np.ndarray:
    """A Gaussian over the first axis, 0 beyond the ends; `values_F` itself where sigma is 0."""
    values_F = np.asarray(values_F, np.float64)
    if sigma_frames <= 0 or not len(values_F):
        return values_F
    return scipy.ndimage.gaussian_filter1d(
        values_F, sigma_frames, axis=0, mode="constant", truncate=SMOOTHING_ENDS
    )
