"""Figures of timelines. Made without pyplot: no window, no state that is left behind.

Letters: F frames of a recording, C classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wt_jax.counting.decoding import Repetition, find_candidates, working_height
from wt_jax.counting.prediction import Prediction
from wt_jax.counting.segments import Segment
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline, smooth
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE

_ROW_S = 60.0  # of a long recording, so that single repetitions are seen
_MOST_ROWS = 20  # then rows grow longer
_MOST_MARKED = 40  # starts of a row that carry their number
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee", "#ee8866")  # P. Tol, bright
_GREY = "#c8c8c8"  # no exercise, nobody seen
_SAID, _TRUE, _ANGLE = "#d6301d", "#000000", "#b3bfca"
_SAID_AT, _NUMBER_AT, _TRUE_AT = 1.13, 1.24, -0.12  # rails above and below the signal, which is in 0..1
_LOWEST, _HIGHEST = -0.25, 1.42


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """The same for the same classes in every picture; grey for no exercise."""
    exercises = [name for name in classes if name != NO_EXERCISE]
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(exercises)}
    return colours | {NO_EXERCISE: _GREY}


def draw_timeline(
    timeline: Timeline,
    segments: Sequence[Segment],
    repetitions: Sequence[Repetition],
    *,
    title: str = "",
    true_starts: np.ndarray | None = None,
    key_angle_F: np.ndarray | None = None,
    counting: Counting | None = None,
) -> Figure:
    """One recording to look at: which exercise, in segments, above the repetition signal and its starts.

    A long one is cut into rows of a minute. `true_starts` are frames; `key_angle_F` is in [0, 1], half
    turns, and is drawn in degrees. With `counting` the signal is drawn as starts are found in it, smoothed,
    and with the least height of a start.
    """
    n_frames = len(timeline.signal_F)
    seconds = max(n_frames / FRAME_RATE_HZ, 1.0)
    n_rows = min(max(int(np.ceil((seconds - 15) / _ROW_S)), 1), _MOST_ROWS)
    row_s = seconds / n_rows
    figure = Figure(figsize=(13, 0.9 + 2.3 * n_rows), layout="constrained")
    axes = figure.subplots(2 * n_rows, 1, squeeze=False, gridspec_kw={"height_ratios": [0.8, 1.6] * n_rows})[
        :, 0
    ]
    colours = class_colours(timeline.classes)
    for row in range(n_rows):
        upper, lower = axes[2 * row : 2 * row + 2]
        first_s = row * row_s
        _draw_classes(upper, timeline, segments, repetitions, colours, (first_s, first_s + row_s))
        _draw_signal(lower, timeline, repetitions, true_starts, key_angle_F, counting)
        for axis in (upper, lower):
            axis.set_xlim(first_s, first_s + row_s)
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))
            axis.xaxis.set_major_locator(MaxNLocator(13, steps=[1, 2, 3, 5, 6, 10]))
        upper.tick_params(labelbottom=False)
        _number_starts(lower, repetitions, first_s, row_s)
    names = [*timeline.classes]
    handles = [upper.fill_between([], [], [], color=colours[name]) for name in names]
    handles += lower.get_legend_handles_labels()[0]
    names += lower.get_legend_handles_labels()[1]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9, frameon=False)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", parse_math=False)  # a $ in a file's name is a $
    return figure


def draw_prediction(
    prediction: Prediction, title: str = "", true_starts_s: np.ndarray | None = None
) -> Figure:
    """What is said of one video: classes, repetition signal, counted starts, key angle.

    `true_starts_s` are in seconds of that video.
    """
    if true_starts_s is not None:
        true_starts_s = np.asarray(true_starts_s) - prediction.first_s
    return draw_timeline(
        prediction.timeline,
        prediction.found_segments,
        prediction.found_repetitions,
        title=title,
        true_starts=None if true_starts_s is None else true_starts_s * FRAME_RATE_HZ,
        key_angle_F=prediction.key_angle_F,
        counting=prediction.counting,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:02.0f}" if rest == int(rest) else f"{int(minutes)}:{rest:04.1f}"


def _draw_classes(
    axis: Axes,
    timeline: Timeline,
    segments: Sequence[Segment],
    repetitions: Sequence[Repetition],
    colours: Mapping[str, str],
    span_s: tuple[float, float],
) -> None:
    times_s = np.arange(len(timeline.signal_F)) / FRAME_RATE_HZ
    axis.stackplot(
        times_s,
        timeline.probabilities_FxC.T,
        colors=[colours[name] for name in timeline.classes],
        linewidth=0,
        alpha=0.75,
    )
    axis.set(ylim=(0, 1.38), yticks=[0, 1], ylabel="exercise")
    for segment in segments:
        start_s, stop_s = segment.first / FRAME_RATE_HZ, (segment.last + 1) / FRAME_RATE_HZ
        axis.fill_between([start_s, stop_s], 1.03, 1.38, color=colours[segment.class_name], linewidth=0)
        axis.axvline(stop_s, 0.75, 1, color="white", linewidth=1)
        seen_s = min(stop_s, span_s[1]) - max(start_s, span_s[0])
        text = segment.class_name
        if text != NO_EXERCISE:
            n = sum(segment.first <= repetition.frame <= segment.last for repetition in repetitions)
            text += f": {n}"
        if seen_s > 0.0085 * len(text) * (span_s[1] - span_s[0]):  # else it would lie over its neighbour
            middle_s = max(start_s, span_s[0]) + seen_s / 2
            colour = "black" if text == NO_EXERCISE else "white"
            axis.text(middle_s, 1.2, text, ha="center", va="center", fontsize=8.5, color=colour, clip_on=True)


def _draw_signal(
    axis: Axes,
    timeline: Timeline,
    repetitions: Sequence[Repetition],
    true_starts: np.ndarray | None,
    key_angle_F: np.ndarray | None,
    counting: Counting | None,
) -> None:
    times_s = np.arange(len(timeline.signal_F)) / FRAME_RATE_HZ
    if key_angle_F is not None:
        right = axis.twinx()
        right.plot(times_s, np.where(timeline.valid_F, key_angle_F * 180, np.nan), color=_ANGLE, linewidth=1)
        right.set(ylim=(180 * _LOWEST, 180 * _HIGHEST), yticks=[0, 90, 180])
        right.set_ylabel("key angle, °", color="#7d8b98")
        right.tick_params(colors="#7d8b98")
        axis.set_zorder(right.get_zorder() + 1)
        axis.patch.set_visible(False)
    if not timeline.valid_F.all():
        axis.fill_between(
            times_s, _LOWEST, _HIGHEST, where=~timeline.valid_F, step="mid", color=_GREY, alpha=0.5,
            linewidth=0, label="nobody seen",
        )  # fmt: skip
    signal_F = timeline.signal_F
    if counting is not None:
        _, heights = find_candidates(timeline.signal_F, timeline.valid_F, counting)
        working, factor = working_height(heights, counting), counting.doubt.height_factor
        axis.axhspan(working / factor, working * factor, color="#888888", alpha=0.15, linewidth=0)
        axis.axhline(
            working,
            color="#888888",
            linewidth=0.7,
            linestyle=":",
            label="least height",
        )
        axis.plot(times_s, signal_F, color=COLOURS[0], linewidth=0.6, alpha=0.4)
        signal_F = np.where(timeline.valid_F, smooth(signal_F, counting.smoothing_frames), 0)
    axis.plot(times_s, signal_F, color=COLOURS[0], linewidth=1.2, label="repetition signal")
    frames = np.array([repetition.frame for repetition in repetitions], int)
    axis.vlines(frames / FRAME_RATE_HZ, 0, _SAID_AT, color=_SAID, linewidth=0.8, alpha=0.45)
    if true_starts is not None:
        true_s = np.asarray(true_starts) / FRAME_RATE_HZ
        axis.plot(
            true_s, np.full(len(true_s), _TRUE_AT), "^", color=_TRUE, markersize=5.5,
            label=f"true start ({len(true_s)})",
        )  # fmt: skip
    axis.plot(
        frames / FRAME_RATE_HZ, np.full(len(frames), _SAID_AT), "v", color=_SAID, markersize=5.5,
        label=f"counted ({len(frames)})",
    )  # fmt: skip
    axis.set(ylim=(_LOWEST, _HIGHEST), yticks=[0, 0.5, 1], ylabel="start")
    axis.grid(axis="x", alpha=0.25)


def _number_starts(axis: Axes, repetitions: Sequence[Repetition], first_s: float, row_s: float) -> None:
    """How many it is by then, of its exercise, beside each start."""
    so_far: dict[str, int] = {}
    numbered = []
    for repetition in repetitions:
        so_far[repetition.class_name] = so_far.get(repetition.class_name, 0) + 1
        if first_s <= repetition.frame / FRAME_RATE_HZ < first_s + row_s:
            numbered.append((repetition, so_far[repetition.class_name]))
    every = 1 + len(numbered) // _MOST_MARKED
    for repetition, number in numbered[every - 1 :: every]:
        axis.text(
            repetition.frame / FRAME_RATE_HZ, _NUMBER_AT, f"{number}", fontsize=7.5, ha="center",
            color=_SAID, clip_on=True,
        )  # fmt: skip
