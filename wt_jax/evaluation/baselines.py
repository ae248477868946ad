"""What somebody would try in place of a network, judged like one.

majority    every recording is of the largest class, and nothing is counted.
key_angle   valleys of the one joint angle that an exercise is about. It has to be told the exercise; end to
            end that is what neighbours says of the recording, and nothing is counted in no-exercise.
neighbours  the nearest known poses and a counter of poses entered and left. Class given, it knows poses of
            that exercise alone; end to end every exercise has its counter. A pose is nearer to the next known
            one only half-way down: starts are moved back by the median delay seen in training.

None of them has windows. Told to count in a recording of no-exercise, key_angle watches the limb that moves
the most, and neighbours counts what it counts end to end.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from wt_jax.counting.decoding import Repetition
from wt_jax.counting.key_angle import angle_starts, key_angle
from wt_jax.data.recordings import Recording
from wt_jax.evaluation.knn_baseline import CONTRACTED, EXTENDED, Neighbours, State, count_visits
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.skeleton import NO_EXERCISE

_Confidences = dict[State, np.ndarray]


def baselines(
    train: Sequence[Recording], recordings: Sequence[Recording]
) -> dict[str, list[RecordingResult]]:
    """Name -> what it says of each of `recordings`, knowing only those of `train`.

    Raises ValueError where `train` is empty or has no moving body in it, or holds one of `recordings`.
    """
    if not train:
        raise ValueError("baselines need recordings to train on, and there are none")
    trained_on = {recording.content for recording in train}
    seen = [recording.name for recording in recordings if recording.content in trained_on]
    if seen:
        names = ", ".join(seen[:3])
        raise ValueError(f"baselines were trained on {len(seen)} of the recordings to judge: {names}")
    majority = Counter(recording.class_name for recording in train).most_common(1)[0][0]
    neighbours = Neighbours(train)
    delay_frames = _delay_frames(neighbours, train)
    results: dict[str, list[RecordingResult]] = {"majority": [], "key_angle": [], "neighbours": []}
    for recording in recordings:
        by_pose = _by_neighbours(neighbours, delay_frames, recording)
        results["majority"].append(_result(recording, majority, [], [], []))
        results["key_angle"].append(_by_key_angle(recording, by_pose.class_name))
        results["neighbours"].append(by_pose)
    return results


def _result(
    recording: Recording,
    class_name: str | None,
    starts: Sequence[int],
    heights: Sequence[float],
    repetitions: Sequence[Repetition],
) -> RecordingResult:
    return RecordingResult(
        recording, class_name, np.array(starts, np.int32), np.array(heights), 0.0, tuple(repetitions)
    )


def _by_key_angle(recording: Recording, class_name: str | None) -> RecordingResult:
    found = _angle_repetitions(recording, recording.class_name)
    end_to_end = []
    if class_name not in (None, NO_EXERCISE):
        end_to_end = _angle_repetitions(recording, class_name)
    return _result(recording, class_name, [r.frame for r in found], [r.confidence for r in found], end_to_end)


def _angle_repetitions(recording: Recording, class_name: str) -> list[Repetition]:
    """The surer, the further the limb bends until the next start: in half turns."""
    starts = angle_starts(recording.angles_FxJ, recording.valid_F, class_name)
    angle_F = key_angle(recording.angles_FxJ, recording.valid_F, class_name)
    parts = np.split(angle_F, starts)[1:]
    return [
        Repetition(int(start), float(part[0] - part.min()), class_name)
        for start, part in zip(starts, parts, strict=True)
    ]


def _by_neighbours(neighbours: Neighbours, delay_frames: int, recording: Recording) -> RecordingResult:
    confidences = neighbours.confidences(recording)
    by_class: dict[str, float] = {}
    for (class_name, _), share_F in confidences.items():
        by_class[class_name] = by_class.get(class_name, 0.0) + float(share_F.sum())
    said = max(by_class, key=lambda class_name: by_class[class_name])
    end_to_end = _visits(confidences, delay_frames)
    given = end_to_end
    if recording.class_name != NO_EXERCISE:
        given = _visits(neighbours.confidences(recording, recording.class_name), delay_frames)
    starts = {r.frame: r.confidence for r in given}  # exercises that start at one frame are one start
    return _result(
        recording, said if by_class[said] else None, list(starts), list(starts.values()), end_to_end
    )


def _visits(confidences: _Confidences, delay_frames: int) -> list[Repetition]:
    """Repetitions of all exercises, by frame, `delay_frames` before the contracted pose says so."""
    repetitions = [
        Repetition(max(visit.start - delay_frames, 0), visit.height, class_name)
        for class_name, state in confidences
        if state == CONTRACTED
        for visit in count_visits(confidences[class_name, EXTENDED], confidences[class_name, CONTRACTED])
    ]
    return sorted(repetitions, key=lambda repetition: repetition.frame)


def _delay_frames(neighbours: Neighbours, train: Sequence[Recording]) -> int:
    """How late visits start, by the true starts near them: the median, 0 where no start is known."""
    late = []
    for recording in train:
        if recording.class_name == NO_EXERCISE or recording.starts is None or not len(recording.starts):
            continue
        for visit in _visits(neighbours.confidences(recording, recording.class_name), 0):
            distances = visit.frame - recording.starts
            late.append(distances[np.abs(distances).argmin()])
    return max(int(np.median(late)), 0) if late else 0
