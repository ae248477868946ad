import dataclasses
import itertools
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from wt_jax import config
from wt_jax.config import Data
from wt_jax.input_pipeline.balanced_sampler import (
    Batches,
    StratifiedSampler,
    make_train_batches,
    padded_batches,
)
from wt_jax.input_pipeline.window_runs import runs_of
from wt_jax.input_pipeline.windows import UNKNOWN, Windows, cut_windows, make_sequences

# (class, holds a start): how many windows. Firsts tell class and kind apart: see `kind`.
COUNTS = {(UNKNOWN, False): 4, (0, False): 7, (1, False): 3, (2, False): 5, (0, True): 6, (1, True): 2}


@pytest.fixture(scope="module")
def windows():
    kinds = [kind for kind, count in COUNTS.items() for _ in range(count)]
    kinds = [kinds[i] for i in np.random.default_rng(0).permutation(len(kinds))]
    classes, positive = zip(*kinds, strict=True)
    firsts = 100 + 10 * np.arange(len(kinds), dtype=np.int32)
    return Windows(
        firsts,
        np.array(classes, np.int8),
        np.array(positive),
        *np.zeros((2, len(kinds)), np.int16),
        made_N=np.zeros(len(kinds), bool),
    )


@pytest.fixture(scope="module")
def kind(windows):
    """First frame -> (class, holds a start)."""
    return dict(
        zip(
            windows.firsts_N.tolist(),
            zip(windows.classes_N.tolist(), windows.positive_N.tolist(), strict=True),
            strict=True,
        )
    )


def draw(windows, n, seed=0, ratio=0.2):
    sampler = StratifiedSampler(runs_of(windows), Data(positive_ratio=ratio), seed)
    return sampler.firsts(np.arange(n, dtype=np.int64)).tolist()


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.03])
def test_share_of_positives_is_exact(windows, kind, ratio):
    positive = np.array([kind[first][1] for first in draw(windows, 2000, ratio=ratio)])
    assert positive.sum() == 2000 * ratio
    for batch_size in (8, 32):
        of_batches = positive[: 2000 // batch_size * batch_size].reshape(-1, batch_size).sum(1)
        assert np.abs(of_batches - ratio * batch_size).max() < 1
    running = positive.cumsum() - ratio * np.arange(1, 2001)
    assert np.abs(running).max() < 1


def test_share_of_positives_far_into_a_run(windows, kind):
    """Billions of windows in, where 32-bit counting would be over."""
    at = np.arange(10**10 + 3, 10**10 + 1003, dtype=np.int64)
    assert (
        sum(kind[first][1] for first in StratifiedSampler(runs_of(windows), Data(), 0).firsts(at).tolist())
        == 200
    )


def test_classes_are_drawn_in_turn_with_and_without_starts(windows, kind):
    kinds = [kind[first] for first in draw(windows, 600)]
    for positive, classes in ((False, [UNKNOWN, 0, 1, 2]), (True, [0, 1])):
        turns = [label for label, holds_start in kinds if holds_start == positive]
        assert turns == list(itertools.islice(itertools.cycle(classes), len(turns)))


def test_every_window_is_seen_before_any_is_seen_again(windows, kind):
    firsts = draw(windows, 1500)
    for one_kind, count in COUNTS.items():
        seen = [first for first in firsts if kind[first] == one_kind]
        epochs = [seen[i : i + count] for i in range(0, len(seen) - count + 1, count)]
        assert len(epochs) > 20
        assert all(len(set(epoch)) == count for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > 1  # each time in another order


def test_sequence_is_a_function_of_seed_and_position(windows):
    whole = draw(windows, 400)
    assert draw(windows, 400) == whole != draw(windows, 400, seed=1)
    sampler = StratifiedSampler(runs_of(windows), Data(), 0)
    at = np.random.default_rng(0).permutation(400)
    assert sampler.firsts(at).tolist() == [whole[i] for i in at]


def test_shares_of_processes_make_up_the_batch(windows):
    sampler = StratifiedSampler(runs_of(windows), Data(), 3)
    whole = Batches(sampler, 8, process=0, processes=1)
    shares = [Batches(StratifiedSampler(runs_of(windows), Data(), 3), 8, process, 2) for process in range(2)]
    for i in (0, 1, 17, 2**31 - 2):
        assert whole[i].shape == (8,) and whole[i].dtype == np.int32
        np.testing.assert_array_equal(np.concatenate([share[i] for share in shares]), whole[i])


def test_checkpoints_of_earlier_versions_go_on_with_the_same_draws(windows):
    """Grain writes the text into its checkpoints and refuses to go on with another one."""
    options = Data(positive_ratio=0.25, balance_power=0.5, balance_sources=True)
    numbered = dataclasses.replace(windows, sources_N=np.arange(len(windows.firsts_N), dtype=np.int16) % 3)
    share = Batches(StratifiedSampler(runs_of(numbered), options, 5), 8, process=1, processes=2)
    assert repr(share) == "Batches(batch_size=8, share=[4, 7])"
    assert share[0].tolist() == [170, 220, 120, 210]
    assert share[1000].tolist() == [110, 220, 120, 210]


def test_iterator_stacks_the_batches_of_a_dispatch(windows, tiny_config):
    batches = make_train_batches(runs_of(windows), tiny_config)
    assert tiny_config.train.steps_per_dispatch == 2
    whole = np.array(draw(windows, 5 * 2 * 8)).reshape(5, 2, 8)
    for expected in whole:
        firsts_KxB = next(batches)
        assert firsts_KxB.dtype == np.int32
        np.testing.assert_array_equal(firsts_KxB, expected)
    for process in range(2):
        share = next(make_train_batches(runs_of(windows), tiny_config, process, 2))
        np.testing.assert_array_equal(share, whole[0][:, 4 * process : 4 * process + 4])


def test_iterator_goes_on_from_every_position(windows, tiny_config):
    batches, states, drawn = make_train_batches(runs_of(windows), tiny_config), [], []
    for _ in range(34):
        states.append(batches.get_state())
        drawn.append(next(batches))
    for position in range(31):
        again = make_train_batches(runs_of(windows), tiny_config)
        again.set_state(states[position])
        for expected in drawn[position : position + 4]:
            np.testing.assert_array_equal(next(again), expected)


def test_iterator_differs_by_seed(windows, tiny_config):
    other = config.unflatten({**config.flatten(tiny_config), "seed": 1})
    a, b, again = (
        next(make_train_batches(runs_of(windows), options)) for options in (tiny_config, other, tiny_config)
    )
    np.testing.assert_array_equal(a, again)
    assert not np.array_equal(a, b)


@pytest.mark.parametrize(
    ("n", "batch_size", "expected"),
    [
        (5, 2, [[0, 1], [2, 3], [4, -1]]),
        (4, 2, [[0, 1], [2, 3]]),
        (2, 5, [[0, 1, -1, -1, -1]]),
        (0, 3, []),
    ],
)
def test_padded_batches_hold_every_window_once(n, batch_size, expected):
    batches = padded_batches(np.arange(n, dtype=np.int32), batch_size)
    assert [batch.tolist() for batch in batches] == expected
    assert all(batch.dtype == np.int32 for batch in batches)


@pytest.mark.parametrize(
    ("positive", "message"),
    [
        (False, "no training window holds a repetition start.*add label files"),
        (True, "every training window holds a repetition start: add recordings with rest"),
    ],
)
def test_windows_of_one_kind_alone_are_refused(windows, positive, message):
    one_kind = dataclasses.replace(windows, positive_N=np.full(len(windows.firsts_N), positive))
    with pytest.raises(ValueError, match=message):
        StratifiedSampler(runs_of(one_kind), Data(), 0)


def test_a_batch_that_processes_do_not_divide_is_refused(windows, tiny_config):
    with pytest.raises(ValueError, match=r"train\.batch_size=8: must be a multiple of the 3 processes"):
        make_train_batches(runs_of(windows), tiny_config, 0, 3)


def test_classes_without_windows_are_never_drawn(kind, windows):
    few = np.isin(windows.classes_N, [0, 2])
    some = Windows(*(getattr(windows, field.name)[few] for field in dataclasses.fields(windows)))
    assert Counter(kind[first] for first in draw(some, 1000)) == {
        (0, True): 200,
        (0, False): 400,
        (2, False): 400,
    }


@pytest.mark.parametrize("share", [0.3, 0.77, 0.05])
@pytest.mark.parametrize("power", [0.0, 0.5])
def test_the_share_of_synthetic_people_is_exact(share, power):
    """To one window, at every point of the run, with a repetition start and without; and so are classes."""
    windows = with_made(((UNKNOWN, 50, 0), (0, 400, 30), (1, 90, 70), (2, 35, 110)))
    drawn = rows(windows, 3000, Data(synthetic=share, balance_power=power))
    for positive in (False, True):
        made = windows.made_N[drawn[windows.positive_N[drawn] == positive]]
        running = made.cumsum() - share * np.arange(1, len(made) + 1)
        assert np.abs(running).max() < 1 and len(made) > 500
    assert windows.positive_N[drawn].sum() == 600
    if power == 0:
        for made in (False, True):
            classes = windows.classes_N[drawn[(windows.made_N == made)[drawn] & ~windows.positive_N[drawn]]]
            counts = np.unique(classes, return_counts=True)[1]
            assert np.ptp(counts) <= 1


def test_a_class_that_only_synthetic_people_have_is_drawn_from_them_alone():
    windows = with_made(((0, 40, 30), (1, 40, 30), (2, 0, 20)))
    drawn = rows(windows, 3000, Data(synthetic=0.3))
    of_2 = windows.classes_N[drawn] == 2
    assert windows.made_N[drawn[of_2]].all()
    assert abs(of_2.mean() - 0.3 / 3) < 0.002


def test_where_no_real_window_holds_a_start_all_that_do_are_of_synthetic_people():
    windows = with_made(((0, 40, 30), (1, 40, 30)))
    windows = windows.only(windows.made_N | ~windows.positive_N)
    drawn = rows(windows, 2000, Data(synthetic=0.3))
    positive = windows.positive_N[drawn]
    assert positive.sum() == 400 and windows.made_N[drawn[positive]].all()
    assert windows.made_N[drawn[~positive]].sum() == 480


@pytest.mark.parametrize("made", [False, True])
def test_without_the_other_kind_the_share_changes_nothing(made):
    windows = with_made(((0, 40, 30), (1, 20, 30)))
    windows = windows.only(windows.made_N == made)
    for share in (0.0, 0.6):
        np.testing.assert_array_equal(
            rows(windows, 500, Data(synthetic=share)), rows(windows, 500, Data(synthetic=0.2))
        )


def with_made(counts) -> Windows:
    """Of (class, real windows, made windows) twice as many: half of them hold a start, of a known class."""
    rows = [
        (label, positive, made)
        for label, *numbers in counts
        for made, number in enumerate(numbers)
        for positive in ((False,) if label == UNKNOWN else (False, True))
        for _ in range(number)
    ]
    classes, positive, made = (np.array(column) for column in zip(*rows, strict=True))
    sources = np.zeros(len(rows), np.int16)
    firsts = np.arange(len(rows), dtype=np.int32)
    return Windows(firsts, classes.astype(np.int8), positive, firsts, sources, made.astype(bool))


def rows(windows: Windows, n: int, options: Data) -> np.ndarray:
    """Which windows are drawn: their places in the index."""
    firsts = StratifiedSampler(runs_of(windows), options, 0).firsts(np.arange(n, dtype=np.int64))
    return np.searchsorted(windows.firsts_N, firsts)


def test_memory_stays_near_that_of_the_sequences(make_recording, tiny_config):
    """Sequences, window index and sampler of stride-1 windows, measured after two epochs of every stratum."""
    recordings = [
        make_recording(f"{name}/{i}", 5000, starts=range(0, 5000, 100) if name != "no-exercise" else ())
        for name in ("squats", "dips", "no-exercise")
        for i in range(3)
    ]
    tracemalloc.start()
    sequences = make_sequences(recordings, tiny_config.data.classes, tiny_config.labels)
    windows = cut_windows(recordings, sequences, 30, 1)
    sampler = StratifiedSampler(runs_of(windows), Data(), 0)
    for first in range(0, 150_000, 32):
        sampler.firsts(np.arange(first, first + 32, dtype=np.int64))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    of_sequences = sum(array.nbytes for array in sequences.arrays().values())
    assert of_sequences == 107 * 45_000
    assert len(windows.firsts_N) == 9 * 4971
    assert of_sequences < held < 1.25 * of_sequences
