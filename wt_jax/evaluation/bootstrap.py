"""RecordingResult recordings as columns, and how often each is in every bootstrap draw of them.

Letters: N recordings, G groups, P predicted starts, K tolerances, D draws, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.data.splits import group_key
from wt_jax.evaluation.recording_result import TOLERANCES_FRAMES, RecordingResult, match
from wt_jax.skeleton import FRAME_RATE_HZ


@dataclass(frozen=True, eq=False)
class ResultColumns:
    """One row a recording, and one a predicted start of the recordings in `known_N`, by falling height.

    Row 0 of `weights_DxN` is all ones, the others say how often a draw holds each recording.
    """

    weights_DxN: np.ndarray
    groups_N: np.ndarray  # index of the group
    classes: tuple[str, ...]
    class_N: np.ndarray  # index of the true class
    said_N: np.ndarray  # of the predicted one, C where none is named
    known_N: np.ndarray  # an exercise, with known repetitions
    true_N: np.ndarray  # repetitions, 0 where not known
    end_to_end_N: np.ndarray
    class_given_N: np.ndarray
    period_s_N: np.ndarray  # median time between true starts; NaN with less than two
    minutes_N: np.ndarray  # with somebody in the picture
    recording_P: np.ndarray
    height_P: np.ndarray
    working_P: np.ndarray  # bool: reaches the working height
    hits_PxK: np.ndarray  # bool: has a true start
    distance_P: np.ndarray  # frames from it at the widest tolerance; 0 without


def make_result_columns(
    results: Sequence[RecordingResult], classes: Sequence[str], draws: int, seed: int
) -> ResultColumns:
    keys = [group_key(one.recording.group) for one in results]
    groups, groups_N = np.unique(keys, return_inverse=True)
    drawn_DxG = np.random.default_rng(seed).multinomial(
        len(groups), np.full(len(groups), 1 / len(groups)), draws
    )
    known_N = np.array([one.is_exercise and one.recording.starts is not None for one in results])
    starts = [_starts(one, i) for i, one in enumerate(results) if known_N[i]]
    columns = (
        [np.concatenate(column) for column in zip(*starts, strict=True)] if starts else _starts_of_none()
    )
    order = np.argsort(-columns[1], kind="stable")
    return ResultColumns(
        np.concatenate([np.ones((1, len(results))), drawn_DxG[:, groups_N]]),
        groups_N,
        tuple(classes),
        np.array([classes.index(one.recording.class_name) for one in results]),
        np.array(
            [len(classes) if one.class_name is None else classes.index(one.class_name) for one in results]
        ),
        known_N,
        np.array([one.n_true or 0 for one in results]),
        np.array([one.n_end_to_end for one in results]),
        np.array([one.n_class_given for one in results]),
        np.array([_period_s(one.recording.starts) for one in results]),
        np.array([one.recording.valid_F.sum() / FRAME_RATE_HZ / 60 for one in results]),
        *(column[order] for column in columns),
    )


def _period_s(starts: np.ndarray | None) -> float:
    return np.nan if starts is None or len(starts) < 2 else float(np.median(np.diff(starts))) / FRAME_RATE_HZ


def _starts(one: RecordingResult, index: int) -> tuple[np.ndarray, ...]:
    true = np.asarray(one.recording.starts)
    matched_KxP = np.array([match(true, one.starts, one.heights, k) for k in TOLERANCES_FRAMES])
    hits_PxK = matched_KxP.T >= 0
    distance_P = np.zeros(len(one.starts))
    hit_P = hits_PxK[:, -1]
    distance_P[hit_P] = np.abs(true[matched_KxP[-1][hit_P]] - one.starts[hit_P])
    working_P = one.heights >= one.working_height
    return np.full(len(one.starts), index), one.heights, working_P, hits_PxK, distance_P


def _starts_of_none() -> list[np.ndarray]:
    no = np.zeros(0)
    return [no.astype(int), no, no.astype(bool), np.zeros((0, len(TOLERANCES_FRAMES)), bool), no]
