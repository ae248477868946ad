"""What a report comes to, in one sentence: how good it is, and whether its recordings can tell."""

from collections.abc import Mapping
from typing import Any

from wt_jax.data.loading import SYNTHETIC

PLAIN = "key_angle"  # the baseline that counts by one joint angle, what somebody would write in an afternoon
# With fewer groups nothing is clear: were one method the better in all of five, chance alone would do that in
# 6 of 100 such comparisons (the sign test: 2 * 0.5 ** 5), and percentile intervals are too narrow.
FEWEST_GROUPS = 6
_WIDEST = 0.2  # of a 95 % interval: a tenth to each side

_LABEL_MORE = "label recordings of more people with python -m wt_jax.label"
_BRING_OWN = "add recordings of your own, see data/README.md"
_SPLITS = {
    "train": "On recordings that it was trained on, which says nothing of new people, this",
    "val": "On validation, by which the checkpoint was chosen, this",
    "all": "On all recordings, those that it was trained on among them, this",
}


def verdict(report: Mapping[str, Any]) -> str:
    """The sentence of a report, as `score_report.score` and the evaluate command make it.

    Counts are end to end. Beside "baselines", if there are, with the interval of the difference to the plain
    angle counter where "paired" has it (`score_report.paired`); without them it says how to get them.
    """
    count, exercise = report["count"], report["exercise"]
    is_of_others = report["split"] in ("train", "all") and not report["recordings_trained_on"]
    begin = ("This" if is_of_others else _SPLITS.get(report["split"], "This")) + " model "
    plain = report.get("baselines", {}).get(PLAIN)
    if not count["recordings"]:
        clauses = [
            f"{begin}cannot be judged by its counts, as no exercise recording here has known repetitions: "
            f"{_remedy(report)}"
        ]
    else:
        counted = (
            f"{begin}counts {_share(count['obo'])} of {_recordings(count)} with known repetitions to within "
            "one repetition without being told the exercise"
        )
        if plain:
            share = _share(plain["count"]["obo"])
            clauses = [f"{counted}, the plain angle counter ({PLAIN}) {share}: {_beside_plain(report)}"]
        else:
            clauses = [f"{counted} ({_alone(report)})"]
    if exercise["accuracy_recording"] is not None:
        share = _share(exercise["accuracy_recording"])
        clauses.append(f"it names the right exercise in {share} of {_recordings(report)}")
    if not plain and report["split"] in ("val", "test"):
        clauses.append("add --baselines to compare it with a plain angle counter")
    if report["data"] == SYNTHETIC:
        clauses.append("synthetic people say little of real ones")
    return "; ".join(clauses) + "."


def _beside_plain(report: Mapping[str, Any]) -> str:
    if too_few := _too_few_groups(report):
        return f"{too_few} to say which is better: {_remedy(report)}"
    paired = report.get("paired", {}).get(PLAIN)
    if not paired or paired["count"]["obo"]["interval"] is None:
        return "whether that is chance is not known"
    difference, (low, high) = paired["count"]["obo"]["difference"], paired["count"]["obo"]["interval"]
    if low > 0:
        return f"better by {_share(difference)} (95 % interval {_share(low)} to {_share(high)})"
    if high < 0:
        return f"worse by {_share(-difference)} (95 % interval {_share(-high)} to {_share(-low)})"
    interval = f"the difference has a 95 % interval of {_share(low)} to {_share(high)}"
    if high - low > _WIDEST:
        return f"too few recordings to say which is better ({interval}): {_remedy(report)}"
    return f"not clearly different ({interval})"


def _alone(report: Mapping[str, Any]) -> str:
    if too_few := _too_few_groups(report):
        return f"{too_few} to rely on: {_remedy(report)}"
    low, high = report["intervals"]["count"]["obo"]
    interval = f"95 % interval {_share(low)} to {_share(high)}"
    return interval if high - low <= _WIDEST else f"{interval}, wide: {_remedy(report)}"


def _remedy(report: Mapping[str, Any]) -> str:
    return _BRING_OWN if report["data"] == SYNTHETIC else _LABEL_MORE


def _too_few_groups(report: Mapping[str, Any]) -> str:
    n = report["count"]["groups"]
    if n >= FEWEST_GROUPS:
        return ""
    return f"{n} {'person or source is' if n == 1 else 'people or sources are'} too few"


def _recordings(part: Mapping[str, Any]) -> str:
    return f"{part['recordings']} recording{'s'[: part['recordings'] != 1]}"


def _share(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # -0.00 is 0.00
