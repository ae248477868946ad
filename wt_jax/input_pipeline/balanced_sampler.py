"""The Grain pipeline: batches of window indices, balanced, deterministic by seed, sharded by process."""

import functools

import grain.python as grain
import numpy as np

from wt_jax import config
from wt_jax.input_pipeline.windows import UNKNOWN, Windows

_PARTS = 1_000_000  # the positive share is kept in millionths, so that counting stays in integers
_SLOTS = 1000  # turns of a round, where they are not turn about
_ENDLESS = 2**31 - 1  # batches; an epoch is a number of them


class Pools:
    """Windows with a repetition start and those without, in decks that are endlessly reshuffled.

    The q-th window of the run is a closed formula of q and the seed: the share of positives is exact up to
    one window, the decks of a pool take turns, and a deck's every window is seen before any is seen again.
    A deck is a class (unknown is one of the pool without starts), or with `data.balance_sources` a source of
    it. Turns go by the number of a class's windows, and of a source's among them, to the power of
    `data.balance_power`: 0 is turn about, 1 as they come.

    Raises ValueError where no window holds a repetition start, or none is without one.
    """

    def __init__(self, windows: Windows, options: config.Data, seed: int):
        self._seed = seed
        self._positive_parts = round(options.positive_ratio * _PARTS)
        self._pools = [_Pool(windows, positive, options) for positive in (False, True)]
        if not self._pools[1].decks:
            raise ValueError(
                "no training window holds a repetition start: the repetition head would learn nothing; add "
                "label files (data/README.md) for recordings of the train split"
            )
        if not self._pools[0].decks:
            raise ValueError(
                "every training window holds a repetition start: add recordings with rest or no-exercise"
            )
        n_decks = sum(len(pool.decks) for pool in self._pools)
        self._shuffled = functools.lru_cache(n_decks + 1)(self._shuffle)  # one order of each is in use

    def _shuffle(self, pool: int, deck: int, turn: int) -> np.ndarray:
        return np.random.default_rng((self._seed, pool, deck, turn)).permutation(
            self._pools[pool].decks[deck]
        )

    def firsts(self, positions: np.ndarray) -> np.ndarray:
        """First frames (int32) of the windows at `positions` (int64) of the run's endless sequence."""
        before = positions * self._positive_parts // _PARTS  # positives among the earlier positions
        positive = (positions + 1) * self._positive_parts // _PARTS > before
        drawn = np.where(positive, before, positions - before)
        firsts = np.empty(len(positions), np.int32)
        for i, pool in enumerate(self._pools):
            of_pool = np.flatnonzero(positive == i)
            round_, slot = np.divmod(drawn[of_pool], len(pool.turns))
            deck, card = pool.turns[slot], round_ * pool.turns_a_round[pool.turns[slot]] + pool.nth_turn[slot]
            for d in np.unique(deck):
                at = of_pool[deck == d]
                turn, place = np.divmod(card[deck == d], len(pool.decks[d]))
                for t in np.unique(turn):
                    firsts[at[turn == t]] = self._shuffled(i, int(d), int(t))[place[turn == t]]
        return firsts


class _Pool:
    """Decks, and whose turn it is in each slot of a round."""

    def __init__(self, windows: Windows, positive: bool, options: config.Data):
        power, self.decks, weights = options.balance_power, [], []
        for index in (UNKNOWN, *range(int(windows.classes_N.max(initial=0)) + 1)):
            of_class_N = (windows.classes_N == index) & (windows.positive_N == positive)
            sources = np.unique(windows.sources_N[of_class_N]) if options.balance_sources else [None]
            decks = [
                windows.firsts_N[of_class_N if source is None else of_class_N & (windows.sources_N == source)]
                for source in sources
            ]
            sizes = np.array([len(deck) for deck in decks], np.float64)
            if sizes.sum():
                self.decks += decks
                weights += list(sizes.sum() ** power * sizes**power / (sizes**power).sum())
        self.turns = _turns(np.array(weights))
        self.turns_a_round = np.bincount(self.turns, minlength=len(weights))
        self.nth_turn = np.array(
            [(self.turns[:i] == deck).sum() for i, deck in enumerate(self.turns)], np.int64
        )


def _turns(weights: np.ndarray) -> np.ndarray:
    """A round of turns in proportion to `weights`, each deck's spread evenly; everyone has one at least."""
    if not len(weights) or (weights == weights[0]).all():
        return np.arange(len(weights))
    shares = np.maximum(weights / weights.sum(), 1 / _SLOTS)
    shares /= shares.sum()
    turns, credit = [], np.zeros(len(shares))
    for _ in range(_SLOTS):
        credit += shares
        turns.append(int(credit.argmax()))
        credit[turns[-1]] -= 1
    return np.array(turns)


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
    pools = Pools(windows, options.data, options.seed)
    source = Batches(pools, batch_size, process, processes)
    dataset = grain.MapDataset.source(source).batch(options.train.steps_per_dispatch)
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)))


def padded_batches(firsts_N: np.ndarray, batch_size: int) -> np.ndarray:
    """All windows once, in order: (batches, batch) int32, the last one padded with -1."""
    padded = np.full(-(-len(firsts_N) // batch_size) * batch_size, -1, np.int32)
    padded[: len(firsts_N)] = firsts_N
    return padded.reshape(-1, batch_size)
