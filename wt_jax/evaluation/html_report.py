"""A report for people: one HTML page that needs nothing beside it."""

import base64
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from wt_jax.counting.key_angle import key_angle
from wt_jax.counting.segments import find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.console_report import (
    LINES,
    SUBSETS,
    THIS,
    methods_of,
    n_scored,
    number,
    reliability_lines,
    score_at,
    subsets,
    words,
)
from wt_jax.evaluation.recording_result import RecordingResult, is_right, result_rows, start_curve
from wt_jax.evaluation.verdict import verdict
from wt_jax.runtime.files import written_beside
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE
from wt_jax.visualization.plots import draw_timeline
from wt_jax.visualization.score_plots import (
    draw_confusion,
    draw_counts,
    draw_curves,
    draw_reliability,
    draw_trade_off,
)

_N_BEST, _N_WORST = 3, 6  # timelines
_CURVES_FRAMES = (4, 8, 15)


def write_html(
    path: Path | str,
    report: Mapping[str, Any],
    results: Sequence[RecordingResult],
    timelines: Mapping[str, Timeline],
    counting: Counting,
    others: Mapping[str, Sequence[RecordingResult]] | None = None,
) -> None:
    """Writes the page. `results` and `others` are what `report` and its other methods were scored from.

    `timelines`, by the names of recordings: of the worst and of the best, those that are there are drawn.
    """
    title = f"{report['data']}, {report['split']}"
    parts = [
        f"<h1>Scores: {html.escape(title)}</h1>",
        f'<p class="verdict">{html.escape(verdict(report))}</p>',
        f"<p>{report['recordings']} recordings of {report['groups']} groups (people or sources); repetitions "
        f"are known in {report['count']['recordings']} ({report['rep_start']['repetitions']} repetitions). "
        "Brackets: 95 % interval, bootstrap over groups. A dash: cannot be computed. "
        "Reasons, and the intervals of parts, show where the pointer rests.</p>",
        _scores_table(report),
        *(_subsets_table(report, kind) for kind in SUBSETS),
        "<h2>Exercise</h2>",
        _image(_confusion(report), "confusion matrices"),
        "<h2>Repetition starts</h2><p>The class is given. Dots: the working height.</p>",
        _image(_curves(report, results, others or {}), "precision-recall curves"),
        "<h2>Counts</h2>",
        _image(_counts(report, results), "true and counted repetitions"),
        *_trade_off(report),
        *_reliability(report),
        _worst_table(report),
        *_timelines(results, timelines, counting),
    ]
    with written_beside(path) as beside:
        beside.write_text(_PAGE.format(title=html.escape(title), body="\n".join(parts)), encoding="utf-8")


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _html_cell(report: Mapping[str, Any], *path: str) -> str:
    value, interval = score_at(report, *path), score_at(report["intervals"], *path)
    if value is None:
        return f'<span title="{html.escape(report["reasons"].get(".".join(path), ""))}">-</span>'
    if interval is None:
        return number(value)
    bounds = f"[{number(interval[0])}, {number(interval[1])}]"
    if len(path) > 2:  # of a part of the recordings, in a wide table
        return f'<span title="95 %: {bounds}">{number(value)}</span>'
    return f"{number(value)} <small>{bounds}</small>"


def _scores_table(report: Mapping[str, Any]) -> str:
    methods = methods_of(report)
    lines = [_row(["", *map(html.escape, methods)], "th")]
    for title, scores in LINES:
        lines.append(f'<tr class="group"><th colspan="{len(methods) + 1}">{title}</th></tr>')
        lines += [
            _row([label, *(_html_cell(m, *key.split(".")) for m in methods.values())])
            for key, label in scores
        ]
    return f"<h2>All scores</h2><table>{''.join(lines)}</table>"


def _subsets_table(report: Mapping[str, Any], kind: str) -> str:
    parts, columns = dict(subsets(report, kind)), SUBSETS[kind]
    if not parts:
        return ""
    lines = [_row(["", "recordings", "method", *(label for _, label in columns)], "th")]
    for name, part in parts.items():
        for i, (method, scores) in enumerate(methods_of(report).items()):
            cells = (_html_cell(scores, kind, name, *key.split(".")) for key, _ in columns)
            head = [html.escape(words(name)), n_scored(part)] if i == 0 else ["", ""]
            lines.append(_row([*head, html.escape(method), *cells]))
    about = " (median time between its starts)" if kind == "by_duration" else ""
    return f"<h2>{words(kind).capitalize()}{about}</h2><table>{''.join(lines)}</table>"


def _worst_table(report: Mapping[str, Any]) -> str:
    if not report["worst"]:
        return ""
    keys = ("name", "predicted", "repetitions", "counted", "counted_class_given", "missed_15", "false_15")
    lines = [_row(["recording", "class said", "true", "counted", "class given", "missed", "false"], "th")]
    for row in report["worst"]:
        lines.append(_row(html.escape("-" if row[key] is None else f"{row[key]}") for key in keys))
    return (
        "<h2>Worst recordings</h2><p>By repetitions that the end-to-end count is off. Missed and false: "
        f"class given, 15 frames.</p><table>{''.join(lines)}</table>"
    )


def _confusion(report: Mapping[str, Any]) -> Figure:
    exercise = report["exercise"]
    tables = {"recordings": exercise["confusion_recording"], "windows": exercise["confusion"]}
    return draw_confusion({k: v for k, v in tables.items() if v is not None}, exercise["classes"])


def _curves(
    report: Mapping[str, Any],
    results: Sequence[RecordingResult],
    others: Mapping[str, Sequence[RecordingResult]],
) -> Figure:
    methods = methods_of(report)
    panels: dict[str, dict[str, Any]] = {}
    for frames in _CURVES_FRAMES:
        panel = panels.setdefault(f"{frames} frames, {1000 * frames / FRAME_RATE_HZ:.0f} ms", {})
        for name, of_method in {THIS: results, **others}.items():
            _, precision, recall = start_curve(of_method, frames)
            starts = methods[name]["rep_start"]
            working = (starts[f"recall_{frames}"], starts[f"precision_{frames}"])
            panel[name] = {"precision": precision, "recall": recall, "working": working}
    return draw_curves(panels)


def _counts(report: Mapping[str, Any], results: Sequence[RecordingResult]) -> Figure:
    known = [one for one in results if one.is_exercise and one.n_true is not None]
    points = {
        "end to end": [(one.recording.class_name, one.n_true or 0, one.n_end_to_end) for one in known],
        "class given": [(one.recording.class_name, one.n_true or 0, one.n_class_given) for one in known],
    }
    return draw_counts(points, report["exercise"]["classes"])


def _trade_off(report: Mapping[str, Any]) -> Iterator[str]:
    found = report["false_repetitions"]
    if found["curves"]:
        yield (
            "<h2>False repetitions against recall</h2><p>Exercises counted to within one, over repetitions "
            "counted during other activities, as the class threshold moves, or the least height of a start. "
            "The upper left is better.</p>"
        )
        yield _image(draw_trade_off(found["curves"], found["working"]), "false repetitions against recall")


def _reliability(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Does it know when it is wrong?</h2>"
    yield "".join(f"<p>{html.escape(line)}</p>" for line in reliability_lines(report))
    if bins := report["reliability"]["exercise"]["bins"]:
        yield _image(draw_reliability(bins), "share right over confidence")


def _timelines(
    results: Sequence[RecordingResult], timelines: Mapping[str, Timeline], counting: Counting
) -> Iterator[str]:
    by_name = {one.recording.name: one for one in results}
    ranked = [row for row in result_rows(results) if row["name"] in timelines]
    right = [row for row in ranked if is_right(row) and row["class"] != NO_EXERCISE]
    best = sorted(right, key=lambda row: (-(row["repetitions"] or 0), row["missed_15"] or 0))
    worst = [row for row in ranked if not is_right(row)]
    for title, chosen in (("Worst", worst[:_N_WORST]), ("Best", best[:_N_BEST])):
        if chosen:
            yield f"<h2>{title} recordings, as they were read</h2>"
        for row in chosen:
            one, timeline = by_name[row["name"]], timelines[row["name"]]
            recording = one.recording
            known = "not known" if one.n_true is None else f"{one.n_true}"
            text = f"{row['name']}: said {row['predicted']}, counted {row['counted']}, true {known}"
            figure = draw_timeline(
                timeline,
                find_segments(timeline, counting),
                one.repetitions,
                title=text,
                true_starts=recording.starts,
                key_angle_F=key_angle(recording.angles_FxJ, recording.valid_F, recording.class_name),
                counting=counting,
            )
            yield _image(figure, text)


def _image(figure: Figure, text: str) -> str:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    encoded = base64.b64encode(data.getvalue()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{encoded}">'


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Scores: {title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 1250px; margin: 2em auto; padding: 0 1em }}
h1 {{ font-size: 1.5em }} .verdict {{ font-size: 1.15em; max-width: 62em }}
h2 {{ font-size: 1.15em; margin: 2em 0 .5em }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
td, th {{ padding: .2em .8em .2em 0; text-align: left; white-space: nowrap }}
td {{ font-variant-numeric: tabular-nums }} th {{ font-weight: 600 }} tr {{ border-bottom: 1px solid #eee }}
.group th {{ padding-top: .9em; color: #4477aa }} small {{ color: #777 }}
img {{ max-width: 100%; display: block; margin: .8em 0 }}
</style></head><body>
{body}
</body></html>
"""
