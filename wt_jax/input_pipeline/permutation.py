"""A random order of however many: computed where it is asked for, so that nothing of it is stored."""

import numpy as np

_ROUNDS = 6  # of the network; four make it pseudo-random (Luby and Rackoff, 1988)


def permuted(places: np.ndarray, n: int, seed: tuple[int, ...]) -> np.ndarray:
    """Where each of `places` (int64, in [0, n)) goes in the random order of n that `seed` draws.

    A Feistel network over the least even number of bits that holds n; what comes out above is put in again
    until it lies below (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
    """
    half = max((n - 1).bit_length() + 1, 2) // 2
    keys = np.random.default_rng(seed).integers(2**32, size=_ROUNDS, dtype=np.uint64)
    values = places.astype(np.uint64)
    above = np.ones(len(values), bool)
    while above.any():
        values[above] = _mixed(values[above], keys, half)
        above = values >= n
    return values.astype(np.int64)


def _mixed(values: np.ndarray, keys: np.ndarray, half: int) -> np.ndarray:
    bits, mask = np.uint64(half), np.uint64(2**half - 1)
    left, right = values >> bits, values & mask
    for key in keys:
        left, right = right, left ^ (_hashed(right ^ key) & mask)
    return left << bits | right


def _hashed(values: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): each bit of it depends on each given."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)
