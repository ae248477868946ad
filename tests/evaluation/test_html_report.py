"""Figures, the console's table and the HTML page."""

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from wt_jax.counting.decoding import Repetition, count_repetitions
from wt_jax.counting.segments import Segment, find_segments
from wt_jax.counting.settings import Counting
from wt_jax.counting.timeline import Timeline
from wt_jax.evaluation.console_report import table
from wt_jax.evaluation.html_report import write_html
from wt_jax.evaluation.recording_result import make_result
from wt_jax.evaluation.reliability import reliability
from wt_jax.evaluation.score_report import score
from wt_jax.evaluation.trade_off import trade_off
from wt_jax.evaluation.verdict import verdict
from wt_jax.visualization.plots import draw_timeline
from wt_jax.visualization.score_plots import draw_confusion, draw_counts, draw_curves

CLASSES = ("squats", "dips", "no-exercise")
COUNTING = Counting(smoothing_frames=1, class_smoothing_frames=0)


def timeline(n_frames, class_name, starts, invalid=()):
    probabilities_FxC = np.zeros((n_frames, 3), np.float32)
    probabilities_FxC[:, CLASSES.index(class_name)] = 1
    valid_F = np.ones(n_frames, bool)
    valid_F[list(invalid)] = False
    distance_FxP = np.abs(np.arange(n_frames)[:, None] - np.array([*starts, 10**6]))
    signal_F = np.exp(-(distance_FxP.min(1) ** 2) / 32) * valid_F
    return Timeline(CLASSES, probabilities_FxC * valid_F[:, None], signal_F.astype(np.float32), valid_F)


@pytest.fixture(scope="module")
def scored(make_recording):
    """Two recordings, one counted right and one not, in a report with a baseline that says nothing."""
    recordings = [
        replace(make_recording("squats/right", 300, (40, 90, 150)), source="<phone>"),
        make_recording("dips/<wrong>", 300, (40, 90, 150)),
        make_recording("no-exercise/still", 300),
    ]
    timelines = {
        "squats/right": timeline(300, "squats", (40, 90, 150)),
        "dips/<wrong>": timeline(300, "squats", (40, 250)),
        "no-exercise/still": timeline(300, "no-exercise", (), range(60, 90)),
    }
    results = [make_result(r, timelines[r.name], COUNTING) for r in recordings]
    silent = [make_result(r, timeline(300, "no-exercise", (), range(300)), COUNTING) for r in recordings]
    report = {"data": "<here>", "split": "val"} | score(results, CLASSES, draws=50)
    report["baselines"] = {"silent": score(silent, CLASSES, draws=50)}
    report["false_repetitions"] = trade_off(results, list(timelines.values()), COUNTING)
    report["reliability"] = reliability(results, list(timelines.values()), COUNTING)
    return report, results, timelines, {"silent": silent}


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts if text.get_text()]


def test_a_timeline_says_its_segments_and_counts():
    one = timeline(900, "squats", (100, 200, 700))
    repetitions = [
        Repetition(100, 0.9, "squats"),
        Repetition(200, 0.8, "squats"),
        Repetition(700, 0.7, "dips"),
    ]
    segments = [
        Segment("squats", 0, 399, 0.9),
        Segment("no-exercise", 400, 599, 1),
        Segment("dips", 600, 899, 1),
    ]
    figure = draw_timeline(
        one, segments, repetitions, true_starts=np.array([100, 205]), key_angle_F=np.full(900, 0.5),
        counting=COUNTING,
    )  # fmt: skip
    assert texts(figure) == ["squats: 2", "no-exercise", "dips: 1", "1", "2", "1"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [*CLASSES, "least height", "repetition signal", "true start (2)", "counted (3)"]
    angle = figure.axes[2].lines[0].get_ydata()
    assert set(angle) == {90.0}  # degrees


@pytest.mark.parametrize(("minutes", "rows"), [(0.1, 1), (1.2, 1), (10, 10), (60, 20)])
def test_a_long_recording_is_cut_into_rows(minutes, rows):
    starts = np.arange(50, minutes * 1800, 60).astype(int)
    one = timeline(int(minutes * 1800), "squats", starts[:200])
    repetitions = count_repetitions(one, COUNTING, find_segments(one, COUNTING))
    figure = draw_timeline(one, find_segments(one, COUNTING), repetitions)
    assert len(figure.axes) == 2 * rows
    spans = [axis.get_xlim() for axis in figure.axes[::2]]
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(minutes * 60)
    assert all(before[1] == pytest.approx(after[0]) for before, after in itertools.pairwise(spans))
    numbers = [text for text in texts(figure) if text.isdigit()]
    assert len(numbers) == len(set(numbers))  # no start is numbered in two rows
    assert len(numbers) >= len(repetitions) / 4


def test_a_timeline_of_nothing_is_drawn(tmp_path):
    empty = Timeline(CLASSES, np.zeros((0, 3)), np.zeros(0), np.zeros(0, bool))
    draw_timeline(empty, [], []).savefig(tmp_path / "empty.png")
    unseen = timeline(60, "squats", (), range(60))
    figure = draw_timeline(unseen, find_segments(unseen, COUNTING), [], true_starts=np.zeros(0))
    figure.savefig(tmp_path / "unseen.png")
    assert "nobody seen" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_confusions_curves_and_counts():
    figure = draw_confusion({"recordings": [[3, 1], [0, 1200]]}, ("a", "b"))
    assert texts(figure) == ["3", "1", "1,200"]
    curve = {"recall": np.array([0.5, 1]), "precision": np.array([1, 0.75]), "working": (0.5, 1.0)}
    none = {"recall": np.zeros(0), "precision": np.zeros(0), "working": (0.0, None)}
    axis = draw_curves({"4 frames": {"model": curve, "silent": none}}).axes[0]
    line, dot, empty = axis.lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0, 0.5, 1], [1, 1, 0.75])
    assert line.get_drawstyle() == "steps-pre"  # 0.5 x 1 + 0.5 x 0.75, the average precision
    assert (dot.get_xdata(), dot.get_ydata()) == ([0.5], [1.0])
    assert empty.get_xdata().tolist() == [0]
    counts = [("a", 3, 4), ("a", 3, 4), ("b", 9, 9)]
    axis = draw_counts({"end to end": counts, "given": []}, ("a", "b")).axes[0]
    assert [points.get_offsets().tolist() for points in axis.collections[1:]] == [[[3, 4]], [[9, 9]]]


def test_the_table_shows_scores_intervals_methods_and_the_worst(scored):
    report = scored[0]
    shown = table(report)
    assert " ".join(shown.partition("\n\n")[0].split()) == verdict(report)
    assert "this model counts 0.50 of 2 recordings" in verdict(report)
    assert "data: <here>   split: val   recordings: 3 of 3 groups" in shown
    assert "repetitions known: 2 recordings, 6 repetitions   no-exercise: 1 recordings, 0.2 minutes" in shown
    assert re.search(r"this model +silent\n", shown)
    assert re.search(r"exact +0\.500 \[0\.00, 1\.00\] +0\.000 \[0\.00, 0\.00\]\n", shown)
    assert re.search(r"precision, 15 frames +0\.800 \[[\d.]+, [\d.]+\] +-\n", shown)
    assert re.search(r"accuracy, recordings +0\.667 \[[\d.]+, [\d.]+\] +-\n", shown)
    assert "windows" not in shown  # no method has any
    assert re.search(r"dips/<wrong> +squats +3 +0 +2", shown)
    assert "squats/right" not in shown
    assert re.search(r"<phone> \(1 of 1\)( +1\.000){2} +0\.000( +1\.000){5} +-\n", shown)
    assert "confidence: expected calibration error 0.332, of 3 recordings; 0 undecided, - of these" in shown
    assert "counts: 1.000 of 1 lie in their range (0.9 are to), 0.000 wide on average; 0 are" in shown
    assert re.search(r"not said \(1 of 2\) +1\.000 +0\.000", shown)
    assert max(map(len, shown.splitlines())) <= 140
    assert not [line for line in shown.splitlines() if line != line.rstrip()]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.sources, self.said = [], 0, [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for key, value in attributes if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def test_the_page_stands_alone(scored, tmp_path):
    report, results, timelines, baselines = scored
    path = tmp_path / "report.html"
    write_html(path, json.loads(json.dumps(report)), results, timelines, COUNTING, baselines)
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    # Confusion, curves, counts, false repetitions, reliability, the worst and the best.
    assert len(page.sources) == 7
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in page.sources)
    assert "http" not in text.replace("charset", "")
    said = " ".join(page.said)
    assert page.said.index(verdict(report)) < page.said.index("All scores")
    assert "<here>" in said  # escaped: read back as text
    assert "dips/<wrong>" in said
    assert "By source" in said and "<phone>" in said
    assert 'title="no start reaches the working height">-' in text
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_without_timelines_and_without_truth(make_recording, tmp_path):
    said = timeline(300, "squats", (40,))
    unknown = [make_result(make_recording("squats/a", 300, None), said, COUNTING)]
    report = {"data": "here", "split": "val"} | score(unknown, CLASSES, draws=10)
    report["false_repetitions"] = trade_off(unknown, [said], COUNTING)
    report["reliability"] = reliability(unknown, [said], COUNTING)
    write_html(tmp_path / "report.html", report, unknown, {}, COUNTING)
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.sources) == 4
    assert "By source" not in page.said  # nobody said any
    assert "repetitions known: 0 recordings, 0 repetitions" in table(report)
