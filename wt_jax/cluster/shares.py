"""Work of known sizes, shared out as evenly as it goes."""

from collections.abc import Sequence


def share_out(sizes: Sequence[int], n: int) -> list[list[int]]:
    """Indices of `sizes` in `n` shares of nearly the same sum, each ascending; none of them empty.

    The largest first, each to whoever has the least so far: no share is more than a third above the best
    (Graham, "Bounds on multiprocessing timing anomalies", 1969). Fewer shares where there are fewer sizes.
    """
    shares: list[list[int]] = [[] for _ in range(min(n, len(sizes)))]
    sums = [0] * len(shares)
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = min(range(len(shares)), key=lambda share: (sums[share], len(shares[share])))
        shares[least].append(i)
        sums[least] += sizes[i]
    return [sorted(share) for share in shares]
