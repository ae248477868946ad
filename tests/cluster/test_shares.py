import pytest
from hypothesis import given
from hypothesis import strategies as st

from wt_jax.cluster.shares import share_out


@pytest.mark.parametrize(
    ("sizes", "n", "shares"),
    [
        ([5, 4, 3, 3, 3], 2, [[0, 3], [1, 2, 4]]),  # 8 and 10
        ([1, 1, 9], 2, [[2], [0, 1]]),
        ([7], 3, [[0]]),
        ([0, 0], 2, [[0], [1]]),
        ([], 2, []),
    ],
)
def test_by_hand(sizes, n, shares):
    assert share_out(sizes, n) == shares


@given(st.lists(st.integers(0, 10**6), max_size=40), st.integers(1, 8))
def test_each_once_and_evenly(sizes, n):
    shares = share_out(sizes, n)
    assert sorted(i for share in shares for i in share) == list(range(len(sizes)))
    assert all(share == sorted(share) and share for share in shares)
    sums = [sum(sizes[i] for i in share) for share in shares]
    if sums:
        assert max(sums) <= max(max(sizes), 4 / 3 * (sum(sizes) / len(shares)) + max(sizes) / 3)
