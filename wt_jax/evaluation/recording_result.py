"""What a method, a network or a baseline, says of one recording, set beside what is true.

Letters: N recordings, P predicted starts, C classes.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from wt_jax.counting.decoding import Repetition, align, count_repetitions, find_candidates, working_height
from wt_jax.counting.naming import seen_by_class
from wt_jax.counting.principal_motion import motion_starts
from wt_jax.counting.segments import find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.data.recordings import Recording
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.training.metrics import Sums

TOLERANCES_FRAMES = (1, 2, 4, 8, 15)  # 33 to 500 ms
WIDEST = TOLERANCES_FRAMES[-1]


@dataclasses.dataclass(frozen=True, eq=False)
class RecordingResult:
    """One recording, and what a method says of it, twice over.

    Class given: `starts`, int32, sorted, with `heights`, how sure of each in [0, 1]. They reach down to
    heights where most are wrong, for the precision-recall curve; those of at least `working_height` count.
    In a recording of no-exercise they are what the method would have counted, had it been told to count.
    End to end: `class_name`, the exercise of the whole recording, None where the method names none, and
    `repetitions`, each with its own exercise.
    `sums`: the method's windows of this recording, None where it has no windows.
    """

    recording: Recording
    class_name: str | None
    starts: np.ndarray
    heights: np.ndarray
    working_height: float
    repetitions: tuple[Repetition, ...]
    sums: Sums | None = None

    def __post_init__(self):
        """Raises ValueError, with the recording's name, where the fields do not fit together."""
        checks = {
            "a height for each start": self.starts.shape == self.heights.shape == (self.starts.size,),
            "finite heights": bool(np.isfinite(self.heights).all()),
            "sorted starts": bool((np.diff(self.starts) > 0).all()),
            "starts inside the recording": bool(
                ((self.starts >= 0) & (self.starts < len(self.recording))).all()
            ),
        }
        for wanted, holds in checks.items():
            if not holds:
                raise ValueError(f"what was said of {self.recording.name} must have {wanted}")

    @property
    def is_exercise(self) -> bool:
        """Whether the recording is of an exercise, in truth."""
        return self.recording.class_name != NO_EXERCISE

    @property
    def n_true(self) -> int | None:
        """Repetitions that there are; None where nobody knows."""
        return None if self.recording.starts is None else len(self.recording.starts)

    @property
    def n_class_given(self) -> int:
        """Starts that count, the class given."""
        return int((self.heights >= self.working_height).sum())

    @property
    def n_end_to_end(self) -> int:
        """Repetitions counted as the recording's own exercise; in no-exercise, those of any."""
        own = self.recording.class_name
        return sum(r.class_name == own or not self.is_exercise for r in self.repetitions)


def make_result(
    recording: Recording, timeline: Timeline, counting: Counting, sums: Sums | None = None
) -> RecordingResult:
    """What a timeline says.

    The recording's class is the one of most probability over its valid frames, `Segment.odds` heard.
    """
    starts, heights = find_candidates(timeline.signal_F, timeline.valid_F, counting)
    segments = find_segments(timeline, counting)
    sum_C = sum(seen.sum_C for seen in seen_by_class(timeline, segments).values())
    height = working_height(heights, counting)
    tall = heights >= height
    aligned = align(timeline, starts[tall], recording.class_name)
    low = ~tall & ~np.isin(starts, aligned)  # candidates that do not count stay where they are
    starts, heights = np.append(starts[low], aligned), np.append(heights[low], heights[tall])
    if recording.class_name in counting.taught:
        starts = motion_starts(recording.angles_FxJ, recording.valid_F)
        heights, height = np.ones(len(starts), np.float32), 0.5
    order = np.argsort(starts)
    return RecordingResult(
        recording=recording,
        class_name=timeline.classes[int(np.argmax(sum_C))] if timeline.valid_F.any() else None,
        starts=starts[order],
        heights=heights[order],
        working_height=height,
        repetitions=tuple(count_repetitions(timeline, counting, segments)),
        sums=sums,
    )


def make_results(
    recordings: Sequence[Recording], timelines: Sequence[Timeline], counting: Counting
) -> list[RecordingResult]:
    """What the timelines say of their recordings, one after the other."""
    return [make_result(*of, counting) for of in zip(recordings, timelines, strict=True)]


def match(
    true_starts: np.ndarray, starts: np.ndarray, heights: np.ndarray, tolerance_frames: int
) -> np.ndarray:
    """For each predicted start the index of its true one, -1 without: int (P,).

    Greedy: by falling height, each takes the nearest true start that is still free and at most
    `tolerance_frames` away. Of equal heights the earlier frame is first, of equally near true starts the
    earlier is taken. So the starts above any height are matched as if there were no others.
    """
    matched_P = np.full(len(starts), -1)
    free = np.ones(len(true_starts), bool)
    for i in np.lexsort((starts, -heights)):
        distances = np.where(free, np.abs(true_starts - starts[i]), tolerance_frames + 1)
        if distances.size and distances.min() <= tolerance_frames:
            matched_P[i] = distances.argmin()
            free[matched_P[i]] = False
    return matched_P


def precision_recall(
    heights_P: np.ndarray, hits_P: np.ndarray, n_true: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Falling distinct heights, and precision and recall of the starts of at least that height.

    `hits_P` is True for a start with a true one. Recall is NaN where there is no true start.
    """
    order = np.argsort(-heights_P, kind="stable")
    heights_P, hits_P = heights_P[order], hits_P[order]
    ends = last_of_each(heights_P)
    found = np.cumsum(hits_P)[ends].astype(np.float64)
    return heights_P[ends], found / (ends + 1), found / n_true if n_true else np.full(len(ends), np.nan)


def start_curve(
    results: Sequence[RecordingResult], tolerance_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`precision_recall` of the starts of exercise recordings with known repetitions, the class given."""
    heights, hits, n_true = [np.zeros(0)], [np.zeros(0, bool)], 0
    for result in results:
        true_starts = result.recording.starts
        if result.is_exercise and true_starts is not None:
            heights.append(result.heights)
            hits.append(match(true_starts, result.starts, result.heights, tolerance_frames) >= 0)
            n_true += len(true_starts)
    return precision_recall(np.concatenate(heights), np.concatenate(hits), n_true)


def last_of_each(sorted_P: np.ndarray) -> np.ndarray:
    """Where each run of equal values ends."""
    return np.flatnonzero(np.append(sorted_P[1:] != sorted_P[:-1], len(sorted_P) > 0)[: len(sorted_P)])


def result_rows(results: Sequence[RecordingResult]) -> list[dict[str, Any]]:
    """One row a recording, the worst first: by repetitions that the end-to-end count is off, a wrong class,
    then starts missed or false at 15 frames with the class given. None where the truth is not known.
    """
    return sorted(map(_row, results), key=_badness)


def is_right(row: dict[str, Any]) -> bool:
    """The class is right, and the count as far as it is known."""
    return row["class"] == row["predicted"] and row["repetitions"] in (None, row["counted"])


def _row(result: RecordingResult) -> dict[str, Any]:
    missed = false = None
    if result.is_exercise and result.recording.starts is not None:
        working = result.heights >= result.working_height
        matched = match(result.recording.starts, result.starts[working], result.heights[working], WIDEST)
        false = int((matched < 0).sum())
        missed = len(result.recording.starts) - (len(matched) - false)
    return {
        "name": result.recording.name,
        "class": result.recording.class_name,
        "predicted": result.class_name,
        "repetitions": result.n_true,
        "counted": result.n_end_to_end,
        "counted_class_given": result.n_class_given if result.is_exercise else 0,
        "missed_15": missed,
        "false_15": false,
    }


def _badness(row: dict[str, Any]) -> tuple:
    off = 0 if row["repetitions"] is None else abs(row["counted"] - row["repetitions"])
    wrong = row["class"] != row["predicted"]
    return -off, not wrong, -(row["missed_15"] or 0) - (row["false_15"] or 0), row["name"]
