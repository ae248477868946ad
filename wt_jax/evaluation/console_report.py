"""The table of a report for the console, and what its HTML page shows of the same scores."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wt_jax.evaluation.recording_result import TOLERANCES_FRAMES
from wt_jax.evaluation.score_report import NO_SOURCE
from wt_jax.evaluation.verdict import verdict
from wt_jax.skeleton import NO_EXERCISE

THIS = "this model"
_COUNTS = (("mae", "mean error, repetitions"), ("nmae", "mean error, share (nMAE)"),
           ("obo", "off by one at most (OBO)"), ("exact", "exact"))  # fmt: skip
LINES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("exercise", (
        ("exercise.accuracy_recording", "accuracy, recordings"),
        ("exercise.macro_f1_recording", "macro-F1, recordings"),
        ("exercise.accuracy_window", "accuracy, windows"),
        ("exercise.macro_f1_window", "macro-F1, windows"),
    )),
    ("count, end to end", tuple((f"count.{key}", label) for key, label in _COUNTS)),
    ("count, class given", tuple((f"count_class_given.{key}", label) for key, label in _COUNTS)),
    ("repetition starts, class given", (
        *((f"rep_start.ap_{n}", f"average precision, {n} frame{'s'[: n > 1]}") for n in TOLERANCES_FRAMES),
        *((f"rep_start.f1_{n}", f"F1, {n} frames") for n in (4, 8, 15)),
        ("rep_start.precision_15", "precision, 15 frames"),
        ("rep_start.recall_15", "recall, 15 frames"),
        ("rep_start.mean_abs_error_ms", "mean distance, ms"),
    )),
    (NO_EXERCISE, (
        ("no_exercise.false_reps_per_minute", "false repetitions a minute"),
        ("no_exercise.false_starts_per_minute", "... were it told to count"),
    )),
    ("frames of windows", tuple(
        (f"segmentation.{name}", name) for name in ("precision", "recall", "auc", "loss")
    )),
)  # fmt: skip
_COUNTED = (("count.obo", "OBO"), ("count.nmae", "nMAE"), ("count.exact", "exact"),
            ("count_class_given.obo", "OBO given"), ("count_class_given.nmae", "nMAE given"),
            ("rep_start.f1_8", "F1 at 8"), ("rep_start.f1_15", "F1 at 15"))  # fmt: skip
_ALL = (("count_class_given.obo", "OBO given"), ("count.obo", "OBO"), ("count.nmae", "nMAE"),
        ("count.exact", "exact"), ("rep_start.f1_15", "F1 at 15"), ("rep_start.f1_8", "F1 at 8"),
        ("exercise.accuracy_recording", "accuracy"), ("exercise.macro_f1_recording", "macro-F1"),
        ("no_exercise.false_reps_per_minute", "false/min"))  # fmt: skip
SUBSETS = {"by_exercise": _COUNTED, "by_duration": _COUNTED, "by_source": _ALL}


def table(report: Mapping[str, Any]) -> str:
    """The report for the console: its verdict, then a row a score, a column a method, with 95 % intervals."""
    methods = methods_of(report)
    count, starts, no_exercise = report["count"], report["rep_start"], report["no_exercise"]
    width = max(21, *(len(name) + 2 for name in methods))
    lines = [
        *textwrap.wrap(verdict(report), 110),
        "",
        f"data: {report['data']}   split: {report['split']}   recordings: {report['recordings']} of "
        f"{report['groups']} groups",
        f"repetitions known: {count['recordings']} recordings, {starts['repetitions']} repetitions   "
        f"{NO_EXERCISE}: {no_exercise['recordings']} recordings, {no_exercise['minutes']:.1f} minutes",
        "in brackets: 95 % interval, bootstrap over groups; - where a score cannot be computed",
        (f"{'':<36}" + "".join(f"{name:<{width}}" for name in methods)).rstrip(),
    ]
    for title, scores in LINES:
        shown = [
            (key, label)
            for key, label in scores
            if any(score_at(m, *key.split(".")) is not None for m in methods.values())
        ]
        if shown:
            lines.append(title)
        for key, label in shown:
            cells = (f"{_cell(method, *key.split('.')):<{width}}" for method in methods.values())
            lines.append(f"  {label:<34}" + "".join(cells).rstrip())
    for kind in SUBSETS:
        lines += parts_table(words(kind), dict(subsets(report, kind)), SUBSETS[kind])
    lines += reliability_lines(report)
    if report["worst"]:
        lines.append(
            f"worst recordings{'':<36}{'class said':<16}{'true':>6}{'counted':>9}{'class given':>13}"
        )
    for row in report["worst"]:
        lines.append(
            f"  {row['name'][:49]:<50}{row['predicted'] or '-':<16}{number(row['repetitions']):>6}"
            f"{row['counted']:>9}{row['counted_class_given']:>13}"
        )
    return "\n".join(lines)


def parts_table(
    title: str, parts: Mapping[str, Mapping[str, Any]], columns: Sequence[tuple[str, str]]
) -> list[str]:
    """Lines: a row a part of the recordings, with how many are scored there; [] without a part.

    `columns` are (path of a score in its part, label).
    """
    if not parts:
        return []
    lines = [f"{title:<36}" + "".join(f"{label:>11}" for _, label in columns)]
    for name, part in parts.items():
        cells = (f"{number(score_at(part, *key.split('.'))):>11}" for key, _ in columns)
        lines.append(f"  {f'{words(name)} ({n_scored(part)})':<34}" + "".join(cells))
    return lines


def reliability_lines(report: Mapping[str, Any]) -> list[str]:
    """Whether confidence and ranges hold, and of how many recordings that is said."""
    exercise, count = report["reliability"]["exercise"], report["reliability"]["count"]
    error, right, others = (
        number(exercise[key]) for key in ("expected_calibration_error", "right_undecided", "right_decided")
    )
    return [
        f"confidence: expected calibration error {error}, of {exercise['recordings']} recordings; "
        f"{exercise['undecided']} undecided, {right} of these right, of the others {others}",
        f"counts: {number(count['covered'])} of {count['recordings']} lie in their range "
        f"({count['claimed']:g} are to), {number(count['mean_width'])} wide on average; "
        f"{count['ranges']} are more than one number, {number(count['covered_plain'])} of the others right",
    ]


def methods_of(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the table has columns of: this model, those it was scored against, the baselines."""
    return {THIS: report, **report.get("against", {}), **report.get("baselines", {})}


def score_at(report: Mapping[str, Any] | None, *path: str) -> Any:
    """report["a"]["b"] for "a", "b"; None where there is none."""
    value: Any = report
    for key in path:
        value = None if value is None else value.get(key)
    return value


def number(value: float | None) -> str:
    """A score as tables show it: three decimals, one from 10 on; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value}" if isinstance(value, int) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _cell(report: Mapping[str, Any], *path: str) -> str:
    value, interval = score_at(report, *path), score_at(report["intervals"], *path)
    if value is None or interval is None:
        return number(value)
    digits = 2 if interval[1] < 10 else 0
    return f"{number(value)} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def words(key: str) -> str:
    """A key of the report as a title has it."""
    return key if key == NO_EXERCISE else key.replace("_", " ")


def subsets(report: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Parts with something to score; none by source where no recording has one."""
    if set(report[kind]) == {NO_SOURCE}:
        return iter(())
    return ((name, part) for name, part in report[kind].items() if part.get("recordings") or n_counted(part))


def n_counted(part: Mapping[str, Any]) -> int:
    """Recordings with known repetitions of a part of the report."""
    return score_at(part, "count", "recordings") or 0


def n_scored(part: Mapping[str, Any]) -> str:
    """How many recordings a part has with known repetitions, and in all, where it has others."""
    n = n_counted(part)
    return f"{n} of {part['recordings']}" if "recordings" in part else f"{n}"
