"""The results of many recordings as columns, an array a field, from which scores are computed at once.

Letters: N recordings, P predicted starts, K tolerances, D draws, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.data.splits import group_key
from wt_jax.evaluation.bootstrap import draw_groups
from wt_jax.evaluation.recording_result import TOLERANCES_FRAMES, RecordingResult, match
from wt_jax.skeleton import FRAME_RATE_HZ


@dataclass(frozen=True, eq=False)
class ResultColumns:
    """One row a recording, and one a predicted start of the recordings in `known_N`, by falling height."""

    weights_DxN: np.ndarray  # `bootstrap.draw_groups`
    groups_N: np.ndarray  # index of the group
    sources_N: np.ndarray  # str, `Recording.source`
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
    """The columns of `results`, whose classes are all among `classes`, and their bootstrap draws."""
    keys = [group_key(result.recording.group) for result in results]
    groups_N = np.unique(keys, return_inverse=True)[1]
    known_N = np.array([result.is_exercise and result.recording.starts is not None for result in results])
    starts = [_start_columns(result, i) for i, result in enumerate(results) if known_N[i]]
    columns = {name: np.concatenate([of[name] for of in (_no_starts(), *starts)]) for name in _no_starts()}
    order = np.argsort(-columns["height_P"], kind="stable")
    return ResultColumns(
        weights_DxN=draw_groups(groups_N, draws, seed),
        groups_N=groups_N,
        sources_N=np.array([result.recording.source for result in results]),
        classes=tuple(classes),
        class_N=np.array([classes.index(result.recording.class_name) for result in results]),
        said_N=np.array(
            [
                len(classes) if result.class_name is None else classes.index(result.class_name)
                for result in results
            ]
        ),
        known_N=known_N,
        true_N=np.array([result.n_true or 0 for result in results]),
        end_to_end_N=np.array([result.n_end_to_end for result in results]),
        class_given_N=np.array([result.n_class_given for result in results]),
        period_s_N=np.array([_period_s(result.recording.starts) for result in results]),
        minutes_N=np.array([result.recording.valid_F.sum() / FRAME_RATE_HZ / 60 for result in results]),
        **{name: column[order] for name, column in columns.items()},
    )


def _period_s(starts: np.ndarray | None) -> float:
    return np.nan if starts is None or len(starts) < 2 else float(np.median(np.diff(starts))) / FRAME_RATE_HZ


def _start_columns(result: RecordingResult, index: int) -> dict[str, np.ndarray]:
    """The columns with P of one recording's predicted starts."""
    true = np.asarray(result.recording.starts)
    matched_KxP = np.array([match(true, result.starts, result.heights, k) for k in TOLERANCES_FRAMES])
    hits_PxK = matched_KxP.T >= 0
    distance_P = np.zeros(len(result.starts))
    hit_P = hits_PxK[:, -1]
    distance_P[hit_P] = np.abs(true[matched_KxP[-1][hit_P]] - result.starts[hit_P])
    return {
        "recording_P": np.full(len(result.starts), index),
        "height_P": result.heights,
        "working_P": result.heights >= result.working_height,
        "hits_PxK": hits_PxK,
        "distance_P": distance_P,
    }


def _no_starts() -> dict[str, np.ndarray]:
    """Their types and shapes, where nothing is predicted."""
    return {
        "recording_P": np.zeros(0, int),
        "height_P": np.zeros(0),
        "working_P": np.zeros(0, bool),
        "hits_PxK": np.zeros((0, len(TOLERANCES_FRAMES)), bool),
        "distance_P": np.zeros(0),
    }
