"""False repetitions a minute against recall, as a threshold moves: what another working point would cost."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from wt_jax.counting.decoding import count_taught, find_candidates, working_height
from wt_jax.counting.segments import class_scores, cut_segments, segments_of
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE

_MOVED = {
    "class_threshold": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    "peak_height": (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
}


def trade_off(
    results: Sequence[RecordingResult], timelines: Sequence[Timeline], counting: Counting
) -> dict[str, Any]:
    """Curves and working point, each point with `false_reps_per_minute` and `obo`, end to end.

    "curves": what is moved -> points by rising value `at`, all else as `counting` has it; {} where there is
    no exercise with known repetitions, or no no-exercise with anybody in it: then "working" holds None.
    """
    known_N = np.array([one.is_exercise and one.n_true is not None for one in results])
    rest_N = np.array([not one.is_exercise for one in results])
    minutes = sum(one.recording.valid_F.sum() for one in results if not one.is_exercise) / FRAME_RATE_HZ / 60
    if not known_N.any() or not minutes:
        return {"curves": {}, "working": {"false_reps_per_minute": None, "obo": None}}
    true_N = np.array([one.n_true or 0 for one in results])
    changes: list[dict[str, Any]] = [{name: at} for name, values in _MOVED.items() for at in values]
    settings = [counting, *(dataclasses.replace(counting, **change) for change in changes)]
    both = zip(results, timelines, strict=True)
    counts_NxS = np.array([_counts(one, timeline, settings) for one, timeline in both])
    points = [
        {
            "false_reps_per_minute": float(counts_N[rest_N].sum() / minutes),
            "obo": float((np.abs(counts_N - true_N)[known_N] <= 1).mean()),
        }
        for counts_N in counts_NxS.T
    ]
    working, *moved = points
    found = iter(moved)
    return {
        "curves": {name: [{"at": at, **next(found)} for at in values] for name, values in _MOVED.items()},
        "working": working,
    }


def _counts(one: RecordingResult, timeline: Timeline, settings: Sequence[Counting]) -> list[int]:
    """`RecordingResult.n_end_to_end` by settings that smooth alike, which is done once."""
    scores_FxC = class_scores(timeline, settings[0])
    starts, heights = find_candidates(timeline.signal_F, timeline.valid_F, settings[0])
    at = {setting.class_threshold: setting for setting in settings}
    segments = {value: cut_segments(timeline, scores_FxC, setting) for value, setting in at.items()}
    own, counts = one.recording.class_name, []
    for setting in settings:
        tall = heights >= working_height(heights, setting)
        found = segments[setting.class_threshold]
        names = [one.class_name for one in segments_of(starts[tall], found)]
        names = [name for name in names if name not in setting.taught]
        names += [one.class_name for one in count_taught(timeline, setting, found)]
        counts.append(sum(name == own if own != NO_EXERCISE else name != own for name in names))
    return counts
