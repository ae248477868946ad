"""The Grain pipeline: batches of window indices, balanced, deterministic by seed, sharded by process."""

import functools
from collections.abc import Iterator, Sequence

import grain.python as grain
import numpy as np

from wt_jax import config
from wt_jax.windows import UNKNOWN, Windows

_PARTS = 1_000_000  # the positive share is kept in millionths, so that counting stays in integers
_ENDLESS = 2**31 - 1  # batches; an epoch is a number of them


class Pools:
    """Windows by class, those with a repetition start and those without, each an endless reshuffled deck.

    The q-th window of the run is a closed formula of q and the seed: the share of positives is exact up
    to one window, classes take turns within each pool, and a deck's every window is seen before any is
    seen again. A class is one deck, or with `balance_sources` one of each of its sources, which take turns.
    Windows of unknown class are a turn of their own in the pool without starts.

    Raises ValueError where no window holds a repetition start, or none is without one.
    """

    def __init__(self, windows: Windows, positive_ratio: float, seed: int, balance_sources: bool = False):
        self._seed = seed
        self._positive_parts = round(positive_ratio * _PARTS)
        sources_N = windows.sources_N if balance_sources else np.zeros_like(windows.sources_N)
        self._pools = [list(self._by_class(windows, positive, sources_N)) for positive in (False, True)]
        if not self._pools[1]:
            raise ValueError(
                "no training window holds a repetition start: the repetition head would learn nothing; add "
                "label files (data/README.md) for recordings of the train split"
            )
        if not self._pools[0]:
            raise ValueError(
                "every training window holds a repetition start: add recordings with rest or no-exercise"
            )
        n_decks = sum(len(decks) for pool in self._pools for decks in pool)
        self._shuffled = functools.lru_cache(n_decks + 1)(self._shuffle)  # one order of each is in use

    @staticmethod
    def _by_class(windows: Windows, positive: bool, sources_N: np.ndarray) -> Iterator[list[np.ndarray]]:
        """The decks of each class that has windows in this pool."""
        for index in (UNKNOWN, *range(int(windows.classes_N.max(initial=0)) + 1)):
            of_class_N = (windows.classes_N == index) & (windows.positive_N == positive)
            if of_class_N.any():
                yield [
                    windows.firsts_N[of_class_N & (sources_N == source)]
                    for source in np.unique(sources_N[of_class_N])
                ]

    def _shuffle(self, pool: int, turn: int, of_class: int, source: int) -> np.ndarray:
        deck = self._pools[pool][of_class][source]
        return np.random.default_rng(
            (self._seed, pool, of_class, turn, source)[: 5 if source else 4]
        ).permutation(deck)

    def firsts(self, positions: np.ndarray) -> np.ndarray:
        """First frames (int32) of the windows at `positions` (int64) of the run's endless sequence."""
        before = positions * self._positive_parts // _PARTS  # positives among the earlier positions
        positive = (positions + 1) * self._positive_parts // _PARTS > before
        drawn = np.where(positive, before, positions - before)
        firsts = np.empty(len(positions), np.int32)
        for pool, classes in enumerate(self._pools):
            in_class, nth = drawn % len(classes), drawn // len(classes)
            for c in np.unique(in_class[positive == pool]):
                decks = classes[c]
                source, card = nth % len(decks), nth // len(decks)
                of_class = (positive == pool) & (in_class == c)
                for d in np.unique(source[of_class]):
                    at = np.flatnonzero(of_class & (source == d))
                    turn, place = np.divmod(card[at], len(decks[d]))
                    for t in np.unique(turn):
                        order = self._shuffled(pool, int(t), int(c), int(d))
                        firsts[at[turn == t]] = order[place[turn == t]]
        return firsts


class Batches(grain.RandomAccessDataSource):
    """Batch i of the run: (local batch,) int32 first frames, this process's share of the global batch."""

    def __init__(self, pools: Pools, batch_size: int, process: int, processes: int):
        self._pools, self._batch_size = pools, batch_size
        local = batch_size // processes
        self._share = np.arange(process * local, (process + 1) * local, dtype=np.int64)

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index) -> np.ndarray:
        return self._pools.firsts(int(index) * self._batch_size + self._share)

    def __repr__(self) -> str:  # part of Grain's checkpoint: must not hold an address
        return f"Batches(batch_size={self._batch_size}, share={self._share[[0, -1]].tolist()})"


def make_train_batches(
    windows: Windows, options: config.Config, process: int = 0, processes: int = 1
) -> grain.DatasetIterator:
    """Endless iterator of (K, local batch) int32: the batches of one dispatch. Grain saves its position.

    Raises ValueError for a batch that the processes do not divide.
    """
    batch_size = options.train.batch_size
    if batch_size % processes:
        raise ValueError(f"train.batch_size={batch_size}: must be a multiple of the {processes} processes")
    pools = Pools(windows, options.data.positive_ratio, options.seed, options.data.balance_sources)
    source = Batches(pools, batch_size, process, processes)
    dataset = grain.MapDataset.source(source).batch(options.train.steps_per_dispatch)
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)))


def padded_batches(firsts_N: np.ndarray, batch_size: int) -> Sequence[np.ndarray]:
    """All windows once, in order: (batch,) int32 arrays, the last one padded with -1."""
    padded = np.full(-(-len(firsts_N) // batch_size) * batch_size, -1, np.int32)
    padded[: len(firsts_N)] = firsts_N
    return np.split(padded, len(padded) // batch_size) if len(padded) else []
