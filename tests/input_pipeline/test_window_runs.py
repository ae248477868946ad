import numpy as np
import pytest

from wt_jax.config import Data
from wt_jax.input_pipeline import balanced_sampler
from wt_jax.input_pipeline.balanced_sampler import StratifiedSampler
from wt_jax.input_pipeline.permutation import permuted
from wt_jax.input_pipeline.window_runs import joined, runs_of
from wt_jax.input_pipeline.windows import Windows


def windows_of(firsts, classes, positive):
    n = len(firsts)
    return Windows(
        np.array(firsts, np.int32), np.array(classes, np.int8), np.array(positive, bool),
        *np.zeros((2, n), np.int32), made_N=np.zeros(n, bool),
    )  # fmt: skip


def test_runs_by_hand():
    """Three apart, of two classes, one with a start in between; the last of a recording lies nearer."""
    windows = windows_of([5, 8, 11, 14, 16, 30, 33], [1, 1, 1, 1, 1, 1, 2], [0, 0, 1, 0, 0, 0, 0])
    runs = runs_of(windows, 3)
    assert runs.firsts_R.tolist() == [5, 11, 14, 16, 30, 33]
    assert runs.counts_R.tolist() == [2, 1, 1, 1, 1, 1]
    assert (len(runs), runs.n_positive) == (7, 1)
    assert runs.firsts(np.arange(7)).tolist() == windows.firsts_N.tolist()
    assert runs.only(runs.classes_R == 2).firsts(np.arange(1)).tolist() == [33]
    twice = joined([runs, runs.placed(2**31, source=40_000)])
    assert twice.sources_R.tolist() == [0] * 6 + [40_000] * 6  # more than 16 bits hold
    assert twice.firsts(np.array([13, 7, 0])).tolist() == [2**31 + 33, 2**31 + 5, 5]


def test_no_windows_are_no_runs():
    runs = runs_of(windows_of([], [], []), 3)
    assert len(runs) == 0 and len(runs.firsts_R) == 0 and runs.n_positive == 0


@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 1000, 4097])
def test_a_computed_order_holds_each_once(n):
    places = np.arange(n)
    order = permuted(places, n, (0, 1))
    assert sorted(order.tolist()) == places.tolist()
    assert permuted(places[::-1], n, (0, 1)).tolist() == order[::-1].tolist()
    if n > 5:
        assert order.tolist() != permuted(places, n, (0, 2)).tolist()


def test_a_computed_order_looks_random():
    """Of 4,096: half go up, neighbours lie a third of the whole apart on average, no digit is kept."""
    n = 4096
    order = np.concatenate([permuted(np.arange(n), n, (7, i)) for i in range(20)]).reshape(20, n)
    up = (np.diff(order) > 0).mean()
    assert abs(up - 0.5) < 0.01
    assert abs(np.abs(np.diff(order)).mean() / n - 1 / 3) < 0.01
    counts = np.bincount((order[:, : n // 4] // (n // 16)).ravel(), minlength=16) / (20 * n / 64)
    assert np.abs(counts - 1).max() < 0.15
    assert abs(np.corrcoef(order[0], order[1])[0, 1]) < 0.05


def test_windows_beyond_what_an_order_is_stored_of_are_each_drawn_once(monkeypatch):
    """In runs of billions of frames, so that 32 bits do not number them."""
    monkeypatch.setattr(balanced_sampler, "_MOST_STORED", 10)
    runs = runs_of(windows_of(range(100), [0, 1] * 50, [i % 10 == 0 for i in range(100)]), 1)
    runs = joined([runs, runs.placed(2**33, source=1)])
    sampler = StratifiedSampler(runs, Data(), 0)
    assert sampler._permutation.cache_info().currsize == 0
    firsts = sampler.firsts(np.arange(10**6, 10**6 + 4000))
    assert firsts.dtype == np.int64 and firsts.max() > 2**33
    assert sampler._permutation.cache_info().currsize == 0
    kind = [first % 2 for first in firsts.tolist() if first % 2**33 % 10]
    assert set(kind) == {0, 1}
    odd = [first for first in firsts.tolist() if first % 2 and first % 2**33 % 10]
    assert {odd.count(first) for first in odd} <= {len(odd) // 100 + i for i in (-1, 0, 1, 2)}
    assert len(set(odd)) == 100
