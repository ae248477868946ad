"""Bootstrap intervals over groups, and what a report says of scores that cannot be computed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scored import CLASSES, times, windows

from wt_jax.evaluation.bootstrap import draw_groups, interval
from wt_jax.evaluation.score_report import score


def test_a_draw_takes_whole_groups_as_many_as_there_are():
    groups_N = np.array([0, 2, 0, 1, 2, 2])
    weights_DxN = draw_groups(groups_N, draws=50, seed=0)
    assert weights_DxN.shape == (51, 6)
    assert (weights_DxN[0] == 1).all()
    for drawn_N in weights_DxN[1:]:
        of_group = [set(drawn_N[groups_N == group]) for group in range(3)]
        assert [len(counts) for counts in of_group] == [1, 1, 1]
        assert sum(map(sum, of_group)) == 3
    assert len({tuple(drawn_N) for drawn_N in weights_DxN[1:]}) > 5


def test_an_interval_leaves_out_draws_without_a_score():
    values_D = np.append(np.arange(1001.0), [np.nan, np.nan])
    assert interval(values_D) == [25, 975]


def test_intervals_are_of_groups_not_of_recordings(said):
    """Two people, one always counted exactly, one never: draws of two people give 0, 1/2 or 1."""
    results = [said(f"squats/a{i}", times(4), 4) for i in range(5)]
    results += [said(f"squats/b{i}", times(4), 1) for i in range(5)]
    of_groups = [
        replace(one, recording=replace(one.recording, group=one.recording.name[7])) for one in results
    ]
    report = score(of_groups, CLASSES)
    assert report["groups"] == 2
    assert report["count"]["exact"] == 0.5
    assert report["intervals"]["count"]["exact"] == [0, 1]
    low, high = score(results, CLASSES)["intervals"]["count"]["exact"]  # ten people of one recording
    assert 0.1 <= low < 0.5 < high <= 0.9


def test_intervals_by_an_independent_bootstrap(said):
    rng = np.random.default_rng(1)
    counted = rng.integers(0, 7, 30)
    report = score([said(f"squats/{i:02}", times(3), int(n)) for i, n in enumerate(counted)], CLASSES)
    draws = rng.choice(np.abs(counted - 3), (4000, 30)).mean(1)
    assert report["intervals"]["count"]["mae"] == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.08)
    again = score([said(f"squats/{i:02}", times(3), int(n)) for i, n in enumerate(counted)], CLASSES)
    assert json.dumps(report) == json.dumps(again)


def test_a_draw_of_starts_is_scored_like_the_recordings_it_holds(said):
    """The interval of an area under a curve runs between those of the best and of the worst person."""
    results = [
        said("squats/a", [100, 300], starts=[100, 200, 300], heights=[0.9, 0.8, 0.7]),
        said("squats/b", [100, 300], starts=[100, 200], heights=[0.6, 0.65]),
    ]
    alone = [score([one], CLASSES)["rep_start"]["ap_4"] for one in results]
    assert alone == pytest.approx([(1 + 2 / 3) / 2, 1 / 4])
    report = score(results, CLASSES)
    assert report["intervals"]["rep_start"]["ap_4"] == pytest.approx(sorted(alone))


def test_one_group_has_no_interval(said):
    report = score([said("squats/a", times(3), 3), said("no-exercise/b", [])], CLASSES)
    assert report["count"]["obo"] == 1
    assert report["intervals"]["count"]["obo"] is None
    assert report["reasons"]["intervals.count"] == "recordings of one group alone: no interval"
    assert report["intervals"]["exercise"]["accuracy_recording"] == [1, 1]


@pytest.mark.parametrize(
    ("recordings", "key", "reason"),
    [
        ([("squats/a", None)], "count.obo", "no exercise recording with known repetitions"),
        ([("squats/a", None)], "rep_start.ap_4", "no exercise recording with known repetitions"),
        ([("squats/a", None)], "no_exercise.false_reps_per_minute", "no recording of no-exercise"),
        ([("squats/a", [])], "count.nmae", "no repetition in these recordings"),
        ([("squats/a", [])], "rep_start.ap_15", "no repetition in these recordings"),
        ([("squats/a", [])], "rep_start.recall_8", "no repetition in these recordings"),
        ([("squats/a", [])], "rep_start.f1_8", "no repetition in these recordings, and none found"),
        ([("squats/a", [9])], "rep_start.precision_8", "no start reaches the working height"),
        ([("squats/a", [9])], "rep_start.mean_abs_error_ms", "no start found within 15 frames"),
        ([("squats/a", [9])], "by_duration.from_3000_ms.count.mae", "no exercise recording"),
        ([("squats/a", [9])], "segmentation.auc", "this method has no windows"),
        ([("squats/a", [9])], "exercise.accuracy_window", "this method has no windows"),
    ],
)
def test_what_cannot_be_computed_is_null_with_a_reason(said, recordings, key, reason):
    report = score([said(name, true) for name, true in recordings], CLASSES)
    value, interval = report, report["intervals"]
    for part in key.split("."):
        value, interval = value[part], interval[part]
    assert value is None
    assert interval is None
    assert reason in report["reasons"][key]
    json.dumps(report, allow_nan=False)


def test_every_null_has_its_reason(said):
    report = score([said("squats/a", None, class_name=None), said("dips/b", [], 2, class_name=None)], CLASSES)
    reasons = report.pop("reasons")
    intervals = report.pop("intervals")

    def nulls(tree, *path):
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from nulls(value, *path, key)
            elif value is None:
                yield ".".join((*path, key))

    assert set(nulls(report)) == {key for key in reasons if "intervals" not in key}
    assert reasons["exercise.accuracy_recording"] == "it names no exercise"
    assert set(nulls(intervals)) >= set(nulls(report)) - {"exercise.confusion"}  # a table has no interval


def test_empty_segmentation_of_a_method_with_windows(said):
    report = score([said("squats/a", None, sums=windows(np.eye(3)))], CLASSES)
    assert report["exercise"]["accuracy_window"] == 1
    assert report["segmentation"]["auc"] is None
    assert report["reasons"]["segmentation.auc"] == "no window with known repetitions"
    no_start = windows(np.eye(3), quiet=(4, 0))
    report = score([said("squats/a", None, sums=no_start)], CLASSES)
    assert report["reasons"]["segmentation.precision"] == "no frame is said to be a start"
    assert report["segmentation"]["accuracy"] == 1


def test_recordings_without_anybody_in_them(said):
    report = score([said("no-exercise/a", [], recording={"invalid": range(900)})], CLASSES)
    assert report["no_exercise"]["false_reps_per_minute"] is None
    assert report["no_exercise"]["minutes"] == 0


def test_the_worst_are_listed(said):
    results = [said(f"squats/{i:02}", times(3), i) for i in range(20)]
    results.append(said("dips/x", None, class_name="squats"))
    worst = score(results, CLASSES)["worst"]
    assert [row["name"] for row in worst] == [f"squats/{i:02}" for i in range(19, 9, -1)]
    assert worst[0] == {
        "name": "squats/19", "class": "squats", "predicted": "squats", "repetitions": 3, "counted": 19,
        "counted_class_given": 19, "missed_15": 0, "false_15": 16,
    }  # fmt: skip
    assert score([said("squats/a", times(3), 3)], CLASSES)["worst"] == []


def test_refused(said):
    with pytest.raises(ValueError, match="no recording to score"):
        score([], CLASSES)
    with pytest.raises(ValueError, match="dips/a: class 'dips' is none of squats"):
        score([said("dips/a", None)], ("squats",))
    with pytest.raises(ValueError, match="squats/a: class 'dips' is none of squats"):
        score([said("squats/a", None, class_name="dips")], ("squats",))
