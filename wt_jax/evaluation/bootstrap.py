"""Intervals by a bootstrap over groups.

A draw takes whole groups, as many as there are, with replacement (Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, percentile intervals): recordings of one person are not independent.

Letters: N recordings, G groups, D draws.
"""

import numpy as np

_INTERVAL_PERCENT = (2.5, 97.5)


def draw_groups(groups_N: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """How often each draw holds each recording, (D + 1, N); row 0 is no draw, but all recordings once.

    `groups_N` are indices of groups, from 0 on without a gap.
    """
    n_groups = int(groups_N.max()) + 1
    drawn_DxG = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), draws)
    return np.concatenate([np.ones((1, len(groups_N))), drawn_DxG[:, groups_N]])


def interval(values_D: np.ndarray) -> list[float]:
    """[low, high] of 95 % of the draws of a score; those in which it is not defined (NaN) are left out."""
    return np.nanpercentile(values_D, _INTERVAL_PERCENT).tolist()
