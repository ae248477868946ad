"""Figures of scores, for reports. Made without pyplot: no window, no state that is left behind."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wt_jax.visualization.plots import COLOURS, class_colours


def draw_confusion(confusions: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str]) -> Figure:
    """Tables of counts, true by predicted, shaded by the share of their row."""
    figure = Figure(figsize=(1.5 + 4.6 * len(confusions), 4.6), layout="constrained")
    for axis, (title, counts) in zip(
        figure.subplots(1, len(confusions), squeeze=False)[0], confusions.items(), strict=True
    ):
        table = np.asarray(counts, np.float64)
        share = table / np.maximum(table.sum(1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (i, j), count in np.ndenumerate(table):
            if count:
                axis.text(
                    j, i, f"{count:,.0f}", ha="center", va="center", fontsize=9,
                    color="white" if share[i, j] > 0.6 else "black",
                )  # fmt: skip
        axis.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
        axis.set_yticks(range(len(classes)), classes)
        axis.set(title=title, xlabel="predicted", ylabel="true")
    return figure


def draw_curves(curves: Mapping[str, Mapping[str, dict[str, Any]]]) -> Figure:
    """Precision over recall.

    Panel -> method -> arrays `precision` and `recall`, and `working`, (recall, precision) as it counts.
    """
    figure = Figure(figsize=(5.2 * len(curves), 4.6), layout="constrained")
    for axis, (title, methods) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True
    ):
        for i, (name, curve) in enumerate(methods.items()):
            colour = COLOURS[i % len(COLOURS)]
            recall, precision = np.append(0, curve["recall"]), curve["precision"]
            precision = np.append(precision[:1], precision) if len(precision) else np.zeros(1)
            axis.plot(
                recall, precision, color=colour, label=name, drawstyle="steps-pre"
            )  # its area is the AP
            if None not in curve["working"]:
                axis.plot(*curve["working"], "o", color=colour, markersize=7, markeredgecolor="white")
        axis.set(title=title, xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        axis.grid(alpha=0.3)
    axis.legend(fontsize=9, loc="lower left")
    return figure


def draw_counts(counts: Mapping[str, Sequence[tuple[str, int, int]]], classes: Sequence[str]) -> Figure:
    """Counted over true repetitions. Panel -> (class, true, counted) of each recording."""
    figure = Figure(figsize=(5.2 * len(counts), 4.8), layout="constrained")
    colours = class_colours(classes)
    most = max((max(row[1:]) for rows in counts.values() for row in rows), default=1) + 1
    for axis, (title, rows) in zip(
        figure.subplots(1, len(counts), squeeze=False)[0], counts.items(), strict=True
    ):
        axis.plot([0, most], [0, most], color="#888888", linewidth=0.8)
        axis.fill_between(
            [0, most], [-1, most - 1], [1, most + 1], color="#eeeeee", label="off by one at most"
        )
        for name in classes:
            points = [row[1:] for row in rows if row[0] == name]
            if points:
                where, sizes = np.unique(np.array(points), axis=0, return_counts=True)
                axis.scatter(*where.T, s=24 + 14 * (sizes - 1), color=colours[name], alpha=0.8, label=name)
        axis.set(
            title=title, xlabel="true repetitions", ylabel="counted", xlim=(-0.6, most), ylim=(-0.6, most)
        )
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=9, loc="upper left")
    return figure


def draw_trade_off(
    curves: Mapping[str, Sequence[Mapping[str, float]]], working: Mapping[str, float]
) -> Figure:
    """How much of the counting a lower rate of false repetitions costs.

    What is moved -> points `at`, `false_reps_per_minute`, `obo`; `working` is the point as it counts.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    for i, (name, points) in enumerate(curves.items()):
        false, obo = ([point[key] for point in points] for key in ("false_reps_per_minute", "obo"))
        axis.plot(false, obo, ".-", color=COLOURS[i], linewidth=1, label=name.replace("_", " "))
        for point, x, y in zip(points, false, obo, strict=True):
            axis.annotate(
                f"{point['at']:g}", (x, y), (3, -10 if i else 4), textcoords="offset points", fontsize=8,
                color=COLOURS[i],
            )  # fmt: skip
    at = working["false_reps_per_minute"], working["obo"]
    axis.plot(*at, "o", color="black", markersize=9, fillstyle="none", label="as it counts")
    # Roots: what matters lies between none and one a minute, and the curve begins at dozens.
    axis.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axis.set(xlabel="false repetitions a minute", ylabel="counted within one, end to end")
    axis.set_xlim(left=0)
    axis.set_xticks([x for x in (0, 0.1, 0.5, 1, 2, 5, 10, 20, 50) if x <= axis.get_xlim()[1]])
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9, loc="lower right")
    return figure


def draw_reliability(bins: Sequence[Mapping[str, float]]) -> Figure:
    """Share right over confidence, with how many recordings each bin holds.

    `bins` have `from`, `recordings`, `confidence`, `right`; they are as wide as the first decimal.
    """
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#888888", linewidth=0.8)
    firsts, right = [one["from"] for one in bins], [one["right"] for one in bins]
    axis.bar(firsts, right, 0.1, align="edge", color=COLOURS[0], alpha=0.35, edgecolor="white")
    axis.plot([one["confidence"] for one in bins], right, "o", color=COLOURS[0], markersize=5)
    for one in bins:
        axis.annotate(f"{one['recordings']:.0f}", (one["from"] + 0.05, 0.015), ha="center", fontsize=8)
    axis.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1.02))
    return figure
