"""The Grain pipeline: batches of window indices, balanced, deterministic by seed, sharded by process."""

import functools
from collections.abc import Callable
from typing import Any

import grain.python as grain
import numpy as np

from wt_jax import config
from wt_jax.input_pipeline.permutation import permuted
from wt_jax.input_pipeline.window_runs import Runs
from wt_jax.input_pipeline.windows import UNKNOWN

_PARTS = 1_000_000  # shares are kept in millionths, so that counting stays in integers
_CYCLE = 1000  # draws of a schedule, where strata are not drawn from in turn
_MOST_STORED = 2**22  # windows of a stratum whose order is kept in memory, 16 MB; of more it is computed
_READERS = 4  # threads, each a dispatch's frames ahead: a disk, or a network's, is kept waiting by fewer
_ENDLESS = 2**31 - 1  # batches; an epoch of training is a number of them


class StratifiedSampler:
    """Draws windows without end: those with a repetition start and those without, and of each its strata.

    The q-th window of the run is a closed formula of q and the seed: the share of positives is exact up to
    one window, and so is that of synthetic people among these and among the others. A schedule says which
    stratum each draw is from, and a stratum is gone through in one random permutation after another, so that
    its every window is drawn before any is drawn again.
    A stratum is a class (unknown is one of those without starts), or with `data.balance_sources` a source of
    it. Its share of the draws goes by the number of the class's windows, and of the source's among them, to
    the power of `data.balance_power`: 0 is all alike, 1 as they come. Windows of synthetic people have strata
    of their own, which share `data.synthetic` of the draws where the data has some as well.

    Raises ValueError where no window holds a repetition start, or none is without one.
    """

    def __init__(self, runs: Runs, options: config.Data, seed: int):
        self._seed = seed
        last = (runs.firsts_R + runs.counts_R * runs.stride_frames).max(initial=0)
        self._dtype = np.int32 if last < 2**31 else np.int64
        self._positive_parts = round(options.positive_ratio * _PARTS)
        self._strata = [_Strata(runs, positive, options) for positive in (False, True)]
        if not self._strata[1].runs:
            raise ValueError(
                "no training window holds a repetition start: the repetition head would learn nothing; add "
                "label files (data/README.md) for recordings of the train split"
            )
        if not self._strata[0].runs:
            raise ValueError(
                "every training window holds a repetition start: add recordings with rest or no-exercise"
            )
        n_strata = sum(len(strata.runs) for strata in self._strata)
        self._permutation = functools.lru_cache(n_strata + 1)(self._permute)  # one of each is in use

    def _permute(self, positive: int, stratum: int, epoch: int) -> np.ndarray:
        """The places in a stratum, in the order in which its `epoch`-th pass draws them."""
        order = np.arange(self._strata[positive].sizes[stratum], dtype=np.uint32)
        np.random.default_rng((self._seed, positive, stratum, epoch)).shuffle(order)
        return order

    def _drawn(self, positive: int, stratum: int, epoch: int, nth: np.ndarray) -> np.ndarray:
        """The places in a stratum of the `nth` draws of its `epoch`-th pass."""
        if (size := self._strata[positive].sizes[stratum]) <= _MOST_STORED:
            return self._permutation(positive, stratum, epoch)[nth].astype(np.int64)
        return permuted(nth, size, (self._seed, positive, stratum, epoch))

    def firsts(self, positions: np.ndarray) -> np.ndarray:
        """First frames of the windows at `positions` (int64) of the run's endless sequence: int32, or int64
        where there are more."""
        positive, nth_draw = _shared_out(positions, self._positive_parts)
        firsts = np.empty(len(positions), self._dtype)
        for i, strata in enumerate(self._strata):
            own = np.flatnonzero(positive == i)
            stratum, nth_of_stratum = strata.scheduled(nth_draw[own])
            for s in np.unique(stratum):
                at = own[stratum == s]
                epoch, nth = np.divmod(nth_of_stratum[stratum == s], strata.sizes[s])
                for e in np.unique(epoch):
                    places = self._drawn(i, int(s), int(e), nth[epoch == e])
                    firsts[at[epoch == e]] = strata.runs[s].firsts(places)
        return firsts


def _shared_out(positions: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each draw, whether it is of those that get `parts` of _PARTS, and how many like it came before."""
    before = positions * parts // _PARTS
    is_one = (positions + 1) * parts // _PARTS > before
    return is_one, np.where(is_one, before, positions - before)


class _Strata:
    """The strata of the windows with a repetition start, or of those without, and the schedules of draws."""

    def __init__(self, runs: Runs, positive: bool, options: config.Data):
        self.runs: list[Runs] = []  # the windows of each stratum
        self._turns = []  # of the data's own strata, and of those of synthetic people
        for made in (False, True):
            strata, weights = _strata_of(
                runs.only((runs.positive_R == positive) & (runs.made_R == made)), options
            )
            self._turns.append(_Turns(weights, len(self.runs)))
            self.runs += strata
        self.sizes = [len(stratum) for stratum in self.runs]
        own, made_ones = (turns.n_strata for turns in self._turns)
        self._made_parts = round(options.synthetic * _PARTS) if own and made_ones else _PARTS * (not own)

    def scheduled(self, nth_draw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each draw its stratum, and how many were drawn from that one before."""
        made, nth_of_kind = _shared_out(nth_draw, self._made_parts)
        stratum, nth_of_stratum = np.empty((2, len(nth_draw)), np.int64)
        for i, turns in enumerate(self._turns):
            if (own := made == i).any():
                stratum[own], nth_of_stratum[own] = turns.at(nth_of_kind[own])
        return stratum, nth_of_stratum


class _Turns:
    """The schedule of some strata, the first of which is number `first`."""

    def __init__(self, weights: list[float], first: int):
        self.n_strata, self._first = len(weights), first
        self._schedule = _schedule(np.array(weights))
        self._draws_a_cycle = np.bincount(self._schedule, minlength=len(weights))
        self._earlier_draws = np.array(  # of the same stratum, in the same cycle
            [(self._schedule[:i] == stratum).sum() for i, stratum in enumerate(self._schedule)], np.int64
        )

    def at(self, nth_draw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each draw its stratum, and how many were drawn from that one before."""
        cycle, slot = np.divmod(nth_draw, len(self._schedule))
        stratum = self._schedule[slot]
        return self._first + stratum, cycle * self._draws_a_cycle[stratum] + self._earlier_draws[slot]


def _strata_of(runs: Runs, options: config.Data) -> tuple[list[Runs], list[float]]:
    """The strata of windows, and in what proportion they are drawn."""
    strata: list[Runs] = []
    weights: list[float] = []
    power = options.balance_power
    for index in (UNKNOWN, *range(int(runs.classes_R.max(initial=0)) + 1)):
        of_class = runs.only(runs.classes_R == index)
        parts = [of_class]
        if options.balance_sources:
            parts = [of_class.only(of_class.sources_R == s) for s in np.unique(of_class.sources_R)]
        sizes = np.array([len(part) for part in parts], np.float64)
        if sizes.sum():
            strata += parts
            weights += list(sizes.sum() ** power * sizes**power / (sizes**power).sum())
    return strata, weights


def _schedule(weights: np.ndarray) -> np.ndarray:
    """A cycle of draws: each stratum's, in proportion to `weights`, spread evenly; all have one at least."""
    if not len(weights) or (weights == weights[0]).all():
        return np.arange(len(weights))
    shares = np.maximum(weights / weights.sum(), 1 / _CYCLE)
    shares /= shares.sum()
    schedule, credit = [], np.zeros(len(shares))
    for _ in range(_CYCLE):
        credit += shares
        schedule.append(int(credit.argmax()))
        credit[schedule[-1]] -= 1
    return np.array(schedule)


class Batches(grain.RandomAccessDataSource):
    """Batch i of the run: (local batch,) int32 first frames, this process's share of the global batch."""

    def __init__(self, sampler: StratifiedSampler, batch_size: int, process: int, processes: int):
        self._sampler, self._batch_size = sampler, batch_size
        local = batch_size // processes
        self._share = np.arange(process * local, (process + 1) * local, dtype=np.int64)

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index) -> np.ndarray:
        return self._sampler.firsts(int(index) * self._batch_size + self._share)

    def __repr__(self) -> str:  # part of Grain's checkpoint: must not hold an address
        return f"Batches(batch_size={self._batch_size}, share={self._share[[0, -1]].tolist()})"


def make_train_batches(
    runs: Runs,
    options: config.Config,
    process: int = 0,
    processes: int = 1,
    read: Callable[[np.ndarray], Any] | None = None,
) -> grain.DatasetIterator:
    """Endless iterator of (K, local batch) first frames, the batches of one dispatch, or of what `read` makes
    of them, ahead of time. Grain saves its position.

    Raises ValueError for a batch that the processes do not divide.
    """
    batch_size = options.train.batch_size
    if batch_size % processes:
        raise ValueError(f"train.batch_size={batch_size}: must be a multiple of the {processes} processes")
    batches = Batches(StratifiedSampler(runs, options.data, options.seed), batch_size, process, processes)
    dataset = grain.MapDataset.source(batches).batch(options.train.steps_per_dispatch)
    threads = 1
    if read is not None:
        dataset, threads = dataset.map(read), _READERS
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)))


def shares(firsts: np.ndarray, n_devices: int) -> np.ndarray:
    """(..., B) to (D, ..., B / D): of each batch what each device gets."""
    return np.moveaxis(firsts.reshape(*firsts.shape[:-1], n_devices, -1), -2, 0)


def padded_batches(firsts_N: np.ndarray, batch_size: int) -> np.ndarray:
    """All windows once, in order: (batches, batch) of their type, the last one padded with -1."""
    padded = np.full(-(-len(firsts_N) // batch_size) * batch_size, -1, firsts_N.dtype)
    padded[: len(firsts_N)] = firsts_N
    return padded.reshape(-1, batch_size)
