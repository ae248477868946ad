"""The scores of report.json, of a network or of a baseline, each with a 95 % interval over groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wt_jax.evaluation import scores
from wt_jax.evaluation.bootstrap import interval
from wt_jax.evaluation.recording_result import RecordingResult, is_right, result_rows
from wt_jax.evaluation.result_columns import ResultColumns, make_result_columns
from wt_jax.skeleton import NO_EXERCISE

NO_SOURCE = "not said"  # the source of recordings that a manifest gives none
_N_WORST = 10


def score(
    results: Sequence[RecordingResult], classes: Sequence[str], draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The scores as JSON. What cannot be computed is None, and says why under "reasons".

    "intervals" has the shape of the scores, [low, high] in place of each; draws in which a score is not
    defined are left out of its interval, and there is none where all recordings are of one group.
    Count scores are over exercise recordings with known repetitions, those with none among them, which
    nmae alone leaves out. Repetition starts are those of the same recordings, the class given.
    Raises ValueError for no recordings, and for a class that is not one of `classes`.
    """
    if not results:
        raise ValueError("no recording to score")
    for result in results:
        for name in (result.recording.class_name, result.class_name):
            if name is not None and name not in classes:
                raise ValueError(f"{result.recording.name}: class {name!r} is none of {', '.join(classes)}")
    columns = make_result_columns(results, classes, draws, seed)
    report: dict[str, Any] = {
        "recordings": len(results),
        "groups": int(columns.groups_N.max()) + 1,
        "bootstrap": {"draws": draws, "seed": seed},
        "intervals": {},
        "reasons": {},
    }

    def add(section: scores.ScoreGroup, *path: str) -> None:
        _add(report, section, columns.groups_N, path)

    def add_repetitions(among_N: np.ndarray, *path: str) -> None:
        for key, section in scores.repetition_scores(columns, among_N).items():
            add(section, *path, key)

    every_N = np.ones(len(results), bool)
    window_exercise, segmentation = scores.window_scores(columns, results)
    add(scores.exercise_scores(columns, every_N), "exercise")
    add(window_exercise, "exercise")
    add_repetitions(every_N)
    report |= {"by_exercise": {}, "by_duration": {}, "by_source": {}}
    for i, name in enumerate(classes):
        if (columns.class_N == i).any():
            add(scores.class_scores(columns, i), "by_exercise", name, "exercise")
            if name != NO_EXERCISE:
                add_repetitions(columns.class_N == i, "by_exercise", name)
    for name, among_N in scores.duration_bins(columns).items():
        add_repetitions(among_N, "by_duration", name)
    for source in np.unique(columns.sources_N).tolist():
        among_N, path = columns.sources_N == source, ("by_source", source or NO_SOURCE)
        report["by_source"][path[1]] = {"recordings": int(among_N.sum())}
        add(scores.exercise_scores(columns, among_N), *path, "exercise")
        add_repetitions(among_N, *path)
        add(scores.no_exercise_scores(columns, among_N), *path, "no_exercise")
    add(scores.no_exercise_scores(columns, every_N), "no_exercise")
    add(segmentation, "segmentation")
    report["worst"] = [row for row in result_rows(results)[:_N_WORST] if not is_right(row)]
    return report


def paired(
    results: Sequence[RecordingResult],
    others: Mapping[str, Sequence[RecordingResult]],
    classes: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Name -> "count", "exercise" -> score -> how much greater it is of `results` than of the other method.

    {"difference", "interval"}: 95 %, over the same draws of groups for both, which are judged on the same
    recordings in the same order; None where all are of one group. A score that either lacks is left out.
    """
    columns = make_result_columns(results, classes, draws, seed)
    ours = _end_to_end(columns)
    differences: dict[str, Any] = {name: {part: {} for part in ours} for name in others}
    for name, of_other in others.items():
        for part, theirs in _end_to_end(make_result_columns(of_other, classes, draws, seed)).items():
            n_groups = len(np.unique(columns.groups_N[theirs.among_N]))
            for key, other_D in theirs.values.items():
                by_D = ours[part].values[key] - other_D
                if np.isfinite(by_D[0]):
                    differences[name][part][key] = {
                        "difference": float(by_D[0]),
                        "interval": interval(by_D[1:]) if n_groups > 1 else None,
                    }
    return differences


def _end_to_end(columns: ResultColumns) -> dict[str, scores.ScoreGroup]:
    every_N = np.ones(len(columns.class_N), bool)
    return {
        "count": scores.end_to_end_counts(columns),
        "exercise": scores.exercise_scores(columns, every_N),
    }


def _add(
    report: dict[str, Any], section: scores.ScoreGroup, groups_N: np.ndarray, path: tuple[str, ...]
) -> None:
    """Writes a section at `path` of the report, its intervals and its reasons beside it."""
    target, intervals = report, report["intervals"]
    for key in path:
        target, intervals = target.setdefault(key, {}), intervals.setdefault(key, {})
    target |= section.numbers
    for key in (key for key, number in section.numbers.items() if number is None):
        report["reasons"][".".join((*path, key))] = section.why_empty
    n_groups = len(np.unique(groups_N[section.among_N]))
    for key, value_D in section.values.items():
        target[key] = intervals[key] = None
        if np.isnan(value_D[0]):
            why = section.why_null.get(key, section.why_empty) if n_groups else section.why_empty
            report["reasons"][".".join((*path, key))] = why
            continue
        target[key] = float(value_D[0])
        intervals[key] = interval(value_D[1:]) if n_groups > 1 else None
    if n_groups == 1:
        report["reasons"][".".join(("intervals", *path))] = "recordings of one group alone: no interval"
