"""Exercises by the nearest known poses, and a counter of poses entered and left: a baseline.

The recipe of MediaPipe's pose classification guide
(https://google.github.io/mediapipe/solutions/pose_classification.html): a few hundred sample poses of each
terminal state of each exercise; of a frame's nearest samples by the largest difference in any feature, then
of these by the mean difference, count the states; smooth the counts; a repetition is a visit to the
contracted state. It knows poses by distances between joints, here they are the joint angles that a
recording holds, without those of fingers and feet, which the guide leaves out as well.

Letters: F frames at 30 a second, J angles, M sample poses, S states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from wt_jax.counting.key_angle import key_angle
from wt_jax.data.recordings import Recording
from wt_jax.skeleton import ANGLE_NAMES, NO_EXERCISE

EXTENDED, CONTRACTED, ANY = "extended", "contracted", "any"
State = tuple[str, str]  # (class, EXTENDED or CONTRACTED); no-exercise has the one state ANY
_JOINTS = ("neck", "shoulder", "elbow", "spine", "hip", "knee")
_FEATURES = [ANGLE_NAMES.index(f"{joint}_{side}") for joint in _JOINTS for side in ("left", "right")]
_MIRRORED = [i ^ 1 for i in range(len(_FEATURES))]  # left and right are neighbours
_SAMPLES_A_STATE = 200  # "about a few hundred"
_LEAST_SWING = 0.1  # half turns of the key angle: with less in a recording it has no terminal states
_TERMINAL = 0.15  # share of that swing at either end
_NEAREST_BY_MAX, _NEAREST_BY_MEAN = 30, 10
_WINDOW_FRAMES, _SMOOTHING = 10, 0.2  # the weight of a frame is 0.8 of the next one's
_ENTER, _EXIT = 0.6, 0.4  # shares of the nearest samples
_FRAMES_AT_ONCE = 1000  # bounds the memory of distances


@dataclass(frozen=True, eq=False)
class Visit:
    """A repetition: the contracted pose was entered and left again."""

    start: int  # the last frame in the extended pose since the visit before; the first in the other without
    height: float  # largest confidence of the contracted pose; rounded, so that equal ones are equal


class Neighbours:
    """Sample poses of known states.

    `states` are those that have samples; a class without a moving recording has none and is never named.
    """

    def __init__(self, recordings: Iterable[Recording], seed: int = 0):
        """Collects samples, over recordings as evenly as may be. Raises ValueError where there are none."""
        found: dict[State, list[np.ndarray]] = {}
        for recording in recordings:
            for state, frames in _terminal_frames(recording).items():
                found.setdefault(state, []).append(recording.angles_FxJ[frames][:, _FEATURES])
        if not found:
            raise ValueError("no recording to take sample poses from: nobody moves in any of them")
        rng = np.random.default_rng(seed)
        self.states = tuple(sorted(found))
        samples = [_evenly(found[state], _quota(state), rng) for state in self.states]
        self._samples_MxJ = np.concatenate(samples).astype(np.float64)
        self._state_M = np.repeat(np.arange(len(self.states)), [len(of_state) for of_state in samples])

    def confidences(self, recording: Recording, class_name: str | None = None) -> dict[State, np.ndarray]:
        """State -> smoothed share of a frame's nearest samples, (F,) in [0, 1]; 0 where nobody is seen.

        With a class name, by the samples of its two states alone.
        """
        chosen = [i for i, state in enumerate(self.states) if class_name in (None, state[0])]
        among_M = np.isin(self._state_M, chosen)
        shares_FxS = np.zeros((len(recording), len(self.states)))
        valid = np.flatnonzero(recording.valid_F)
        if not among_M.any():
            return {}
        for frames in np.array_split(valid, 1 + len(valid) // _FRAMES_AT_ONCE):
            poses_FxJ = recording.angles_FxJ[frames][:, _FEATURES].astype(np.float64)
            shares_FxS[frames] = self._shares(poses_FxJ, among_M)
        return {self.states[i]: _smooth(shares_FxS[:, i]) for i in chosen}

    def _shares(self, poses_FxJ: np.ndarray, among_M: np.ndarray) -> np.ndarray:
        """Of the nearest samples to each pose, or to its mirror image, the share in each state (F, S)."""
        samples_MxJ, state_M = self._samples_MxJ[among_M], self._state_M[among_M]
        mirrored_FxJ = poses_FxJ[:, _MIRRORED]
        largest_FxM = np.minimum(
            cdist(poses_FxJ, samples_MxJ, "chebyshev"), cdist(mirrored_FxJ, samples_MxJ, "chebyshev")
        )
        near_FxN = _smallest(largest_FxM, _NEAREST_BY_MAX)
        near_FxNxJ = samples_MxJ[near_FxN]
        mean_FxN = np.minimum(
            np.abs(near_FxNxJ - poses_FxJ[:, None]).mean(2),
            np.abs(near_FxNxJ - mirrored_FxJ[:, None]).mean(2),
        )
        nearest_FxN = np.take_along_axis(near_FxN, _smallest(mean_FxN, _NEAREST_BY_MEAN), 1)
        counts_FxS = np.zeros((len(poses_FxJ), len(self.states)))
        np.add.at(counts_FxS, (np.arange(len(poses_FxJ))[:, None], state_M[nearest_FxN]), 1)
        return counts_FxS / nearest_FxN.shape[1]


def count_visits(extended_F: np.ndarray, contracted_F: np.ndarray) -> list[Visit]:
    """Repetitions of one exercise, from the confidences of its two states.

    The contracted pose is entered above 0.6 and left below 0.4; one that is never left is not counted.
    """
    visits = []
    entered, left = -1, 0
    for frame, confidence in enumerate(contracted_F):
        if entered < 0 and confidence > _ENTER:
            entered = frame
        elif entered >= 0 and confidence < _EXIT:
            extended = np.flatnonzero(extended_F[left:entered] > _ENTER)
            start = left + int(extended[-1]) if len(extended) else entered
            visits.append(Visit(start, round(float(contracted_F[entered:frame].max()), 6)))
            entered, left = -1, frame
    return visits


def _terminal_frames(recording: Recording) -> dict[State, np.ndarray]:
    sure_F = recording.valid_F & recording.class_known_F
    sure = np.flatnonzero(sure_F)
    if not len(sure):
        return {}
    if recording.class_name == NO_EXERCISE:
        return {(NO_EXERCISE, ANY): sure}
    angle = key_angle(recording.angles_FxJ, recording.valid_F, recording.class_name)[sure]
    low, high = np.percentile(angle, [5, 95])
    if high - low < _LEAST_SWING:
        return {}
    margin = _TERMINAL * (high - low)
    return {
        (recording.class_name, EXTENDED): sure[angle >= high - margin],
        (recording.class_name, CONTRACTED): sure[angle <= low + margin],
    }


def _quota(state: State) -> int:
    return _SAMPLES_A_STATE * (2 if state[1] == ANY else 1)  # a class has as many, whatever its states


def _evenly(poses: Sequence[np.ndarray], quota: int, rng: np.random.Generator) -> np.ndarray:
    """At most `quota` poses, as many of each recording as of any other that has them."""
    ranks = np.concatenate([rng.permutation(len(of_one)) for of_one in poses])
    order = np.lexsort((rng.random(len(ranks)), ranks))
    return np.concatenate(poses)[order[:quota]]


def _smallest(values_FxN: np.ndarray, n: int) -> np.ndarray:
    """Columns of the `n` smallest of each row, in no order; all where there are no more."""
    if values_FxN.shape[1] <= n:
        return np.broadcast_to(np.arange(values_FxN.shape[1]), values_FxN.shape)
    return np.argpartition(values_FxN, n, axis=1)[:, :n]


def _smooth(share_F: np.ndarray) -> np.ndarray:
    """An exponential average over the last frames, as long as there are as many."""
    weights = (1 - _SMOOTHING) ** np.arange(_WINDOW_FRAMES)
    sums_F = np.convolve(share_F, weights)[: len(share_F)]
    return sums_F / np.cumsum(weights)[np.minimum(np.arange(len(share_F)), _WINDOW_FRAMES - 1)]
