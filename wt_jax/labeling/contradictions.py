"""Labels beside what a model says that was not trained on them: where the two contradict each other.

Which of them is wrong, a person has to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.counting.decoding import align, find_starts
from wt_jax.counting.prediction import Prediction
from wt_jax.counting.timeline import smooth
from wt_jax.data.recordings import Recording
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE

_NEAR_FRAMES = 20  # from a label: the same start; some labels lie anywhere in the pause before a repetition
_MOVED_WEIGHT = 0.25  # of a label that is there, but elsewhere: found and labelled are as many


@dataclass(frozen=True)
class Contradiction:
    """One recording, and what a model says against its labels; times in seconds of the video.

    `missing_s` are starts that it finds and that have no label, `extra_s` labels where it finds none. `says`
    is the exercise that it would call it. `weight` grows with how many starts are contradicted, and how sure
    it is; where none is, with how sure it is of the other exercise.
    """

    recording: str
    n_labelled: int | None  # None: repetitions unknown, so that only the exercise can be wrong
    n_found: int
    missing_s: tuple[float, ...]
    extra_s: tuple[float, ...]
    says: str
    weight: float

    @property
    def is_of_starts(self) -> bool:
        """Whether labels of starts are contradicted, and not which exercise it is alone."""
        return bool(self.missing_s or self.extra_s) and not self.recording.startswith(f"{NO_EXERCISE}/")


def find_contradiction(recording: Recording, prediction: Prediction) -> Contradiction | None:
    """What a model says against the labels of a recording, None where it agrees.

    Starts are those of a model that is told the exercise; in no-exercise, all that it would count. Only
    frames where the class is certain and somebody is seen are asked.
    """
    timeline, own = prediction.timeline, recording.class_name
    asked_F = timeline.valid_F & recording.class_known_F
    if not asked_F.any():
        return None
    mean_C = timeline.probabilities_FxC[asked_F].mean(0)
    says = timeline.classes[int(mean_C.argmax())]
    weight = float(mean_C.max() - mean_C[timeline.classes.index(own)])
    starts, heights = _found(own, prediction)
    starts, heights = starts[asked_F[starts]], heights[asked_F[starts]]
    missing, extra = np.zeros(0, int), np.zeros(0, int)
    if recording.starts is not None:
        is_free, is_extra = _unmatched(starts, recording.starts)
        missing, extra = starts[is_free], recording.starts[is_extra]
        sure_F = smooth(timeline.signal_F, prediction.counting.smoothing_frames)
        near = [sure_F[max(0, x - _NEAR_FRAMES) : x + _NEAR_FRAMES + 1].max() for x in extra]
        sure = [*heights[is_free], *(1.0 - height for height in near)]
        n_moved = min(len(missing), len(extra))
        n_wrong = len(sure) - 2 * n_moved + _MOVED_WEIGHT * n_moved
        weight = n_wrong * float(np.mean(sure)) if sure and own != NO_EXERCISE else weight
    if says == own and not missing.size and not extra.size:
        return None
    return Contradiction(
        recording=recording.name,
        n_labelled=None if recording.starts is None else len(recording.starts),
        n_found=len(starts),
        missing_s=tuple(prediction.seconds(int(frame)) for frame in missing),
        extra_s=tuple(prediction.seconds(int(frame)) for frame in extra),
        says=says,
        weight=weight,
    )


def _found(class_name: str, prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Starts, in frames, and how sure of each."""
    if class_name == NO_EXERCISE:
        counted = prediction.found_repetitions
        return np.array([r.frame for r in counted], int), np.array([r.confidence for r in counted])
    timeline = prediction.timeline
    if class_name in prediction.counting.taught:
        starts = np.rint((prediction.any_starts_s - prediction.first_s) * FRAME_RATE_HZ).astype(int)
        return starts, np.ones(len(starts))
    starts, heights = find_starts(timeline.signal_F, timeline.valid_F, prediction.counting)
    return align(timeline, starts, class_name).astype(int), heights


def _unmatched(found: np.ndarray, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the starts found, and of those labelled, that have no partner: the nearest pairs go first."""
    is_free, is_extra = np.ones(len(found), bool), np.ones(len(labelled), bool)
    distances = np.abs(found[:, None] - labelled[None])
    for i, j in zip(*np.unravel_index(np.argsort(distances, axis=None), distances.shape), strict=True):
        if distances[i, j] <= _NEAR_FRAMES and is_free[i] and is_extra[j]:
            is_free[i] = is_extra[j] = False
    return is_free, is_extra


def _seconds_text(times_s: tuple[float, ...], most: int = 4) -> str:
    """Times as they are shown: "1.2 4.0", and ".." after so many."""
    return " ".join([*(f"{time_s:.1f}" for time_s in times_s[:most]), *[".."][: len(times_s) > most]]) or "-"


def table(contradictions: Sequence[Contradiction]) -> str:
    """The contradictions, a line each."""
    heads = ("recording", "labelled", "found", "no label at s", "label too many at s", "it would say")
    rows = [heads]
    for one in contradictions:
        labelled = "?" if one.n_labelled is None else f"{one.n_labelled}"
        own = one.recording.split("/")[0]
        says = one.says if one.says != own else "-"
        starts = "?" if one.n_labelled is None else _seconds_text(one.missing_s)
        extra = "?" if one.n_labelled is None else _seconds_text(one.extra_s)
        rows.append((one.recording, labelled, f"{one.n_found}", starts, extra, says))
    wide = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    return "\n".join(
        "  ".join(f"{cell:<{w}}" for cell, w in zip(r, wide, strict=True)).rstrip() for r in rows
    )
