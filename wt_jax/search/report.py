"""What a search has come to: a table, and a page with Optuna's own plots."""

import csv
import html
import shlex

import optuna.visualization as plots
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from wt_jax.runtime.files import written_beside
from wt_jax.search.experiment_file import write_experiment
from wt_jax.search.space import Space, in_words, short, with_values
from wt_jax.search.study import Study
from wt_jax.storage.places import url_of

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
color: #1b1b1b; background: #fff } h1, h2 { line-height: 1.2 } .wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap }
th { border-bottom: 1px solid #888 } tr.best td { font-weight: bold } tr.pruned
td { color: #666 } pre { background: #f3f3f3; padding: 1rem; overflow-x: auto }
"""
_SHOWN = 10


def write_results(study: Study, name: str, n_folds: int) -> list[str]:
    """Writes what the search has come to in its folder; returns what to say of it."""
    write_table(study)
    if study.best is None:
        return ["no trial has come to its end yet"]
    number, loss = study.best.number, study.best.value
    how = f"mean of {n_folds} folds" if n_folds > 1 else "validation"
    file, url = study.folder / "best.py", url_of(study.folder)
    command = f"python -m wt_jax.train --config {file.name if url else shlex.quote(str(file))}"
    own = {"workdir": f"{url}-best" if url else str(study.folder / "best")}
    best = with_values(study.options, study.values(number) | own)
    about = (
        f"Found by wt_jax.tune: trial {number} of {len(study.trials)}, from {name}.\n\n"
        f"Command: {command}\n"
        f"Score: segmentation loss {loss:.4f} ({how}), the best of {len(study.trials)} trials: flattered by "
        "the choice\n"
    )
    write_experiment(file, best, about)
    write_page(study, f"Search: {name}, {len(study.trials)} trials", file.read_text())
    return [
        table(study),
        f"best: trial {number}, segmentation loss {loss:.4f} ({how}): {in_words(study.values(number))}",
        f"in {study.folder}: best.py, trials.csv, search.html",
        f"next: {'copy best.py from there; ' if url else ''}{command}",
    ]


def rows_of(study: Study) -> tuple[list[str], list[list[str]]]:
    """The table's head, and a row for each trial that came to an end: the best first, pruned ones last."""
    head = ["trial", "loss", "epochs", "how", *_short_names(study.space)]
    trials = sorted(study.trials, key=lambda trial: (trial.state != TrialState.COMPLETE, _loss(trial)))
    return head, [_row(trial, study.space) for trial in trials]


def _short_names(space: Space) -> list[str]:
    """Keys without their sections, where that names one alone."""
    names = [key.rpartition(".")[2] for key in space]
    return [name if names.count(name) == 1 else key for name, key in zip(names, space, strict=True)]


def _row(trial: FrozenTrial, space: Space) -> list[str]:
    how = "done" if trial.state == TrialState.COMPLETE else "pruned"
    values = [short(trial.params[key]) for key in space]
    return [str(trial.number), f"{_loss(trial):.4f}", str(len(trial.intermediate_values)), how, *values]


def _loss(trial: FrozenTrial) -> float:
    """At its end, or where it was pruned."""
    if trial.value is not None:
        return trial.value
    return trial.intermediate_values[max(trial.intermediate_values)]


def table(study: Study) -> str:
    """The best of them, for the console."""
    head, rows = rows_of(study)
    shown = [head, *rows[:_SHOWN]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(head))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in shown]
    if len(rows) > _SHOWN:
        lines.append(f"... {len(rows) - _SHOWN} more in {study.folder / 'trials.csv'}")
    return "\n".join(lines)


def write_table(study: Study) -> None:
    """trials.csv in the search's folder."""
    head, rows = rows_of(study)
    with written_beside(study.folder / "trials.csv") as beside, beside.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def write_page(study: Study, title: str, best: str) -> None:
    """search.html in the search's folder: one file, that needs no network. `best` is the experiment found."""
    head, rows = rows_of(study)
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    figures = {"Over time": plots.plot_optimization_history(study.study)}
    if len(complete) > 1:
        figures["Which key decides"] = plots.plot_param_importances(
            study.study, evaluator=PedAnovaImportanceEvaluator()
        )
        figures["Which values go together"] = plots.plot_parallel_coordinate(study.study)
        figures["Of each key"] = plots.plot_slice(study.study)
        figures["Epoch by epoch"] = plots.plot_intermediate_values(study.study)
    parts = [
        f"<h2>{name}</h2><div class=wide>{figure.to_html(full_html=False, include_plotlyjs=i == 0)}</div>"
        for i, (name, figure) in enumerate(figures.items())
    ]
    number = str(study.best.number) if study.best else ""
    lines = [_line(row, "td", "best" if row[0] == number else row[3]) for row in rows]
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        f"<h2>The best</h2><pre>{html.escape(best)}</pre>{''.join(parts)}"
        f"<h2>All trials</h2><div class=wide><table>{_line(head, 'th')}{''.join(lines)}</table></div></html>"
    )
    with written_beside(study.folder / "search.html") as beside:
        beside.write_text(page, encoding="utf-8")


def _line(cells: list[str], tag: str, kind: str = "") -> str:
    return f"<tr class='{kind}'>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
