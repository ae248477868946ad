import jax
import numpy as np
import pytest

from wt_jax import config
from wt_jax.input_pipeline.windows import UNKNOWN, cut_windows, gather, make_sequences

CLASSES = ("push-ups", "squats", "no-exercise")
GAUSSIAN = config.Labels(kernel="gaussian", width_frames=4.0)


def index(recordings, stride=1, frames=30):
    sequences = make_sequences(recordings, CLASSES, GAUSSIAN)
    return sequences, cut_windows(recordings, sequences, frames, stride)


def test_sequences_lay_recordings_end_to_end(make_recording):
    a = make_recording("push-ups/a", 40, starts=(3,), invalid=(10, 11), unknown=range(35, 40))
    b = make_recording("no-exercise/b", 31)
    c = make_recording("squats/c", 5, starts=None)
    sequences = make_sequences([a, b, c], CLASSES, GAUSSIAN)
    np.testing.assert_array_equal(sequences.angles_FxJ, np.concatenate([r.angles_FxJ for r in (a, b, c)]))
    assert sequences.classes_F.tolist() == [0] * 35 + [UNKNOWN] * 5 + [2] * 31 + [1] * 5
    assert np.flatnonzero(~sequences.real_F).tolist() == [10, 11]
    # Unknown repetitions are not counted; a class that is unknown hides no repetition.
    assert np.flatnonzero(~sequences.counted_F).tolist() == [10, 11, *range(71, 76)]
    bump = 2.0 ** -(((np.arange(40) - 3) / 4) ** 2)
    np.testing.assert_allclose(sequences.targets_F[:40], bump, atol=1e-6)
    assert not sequences.targets_F[40:].any()


def test_targets_are_drawn_before_windows_are_cut(make_recording):
    """A start 2 frames after a window's last frame raises its last target to 2 ** -((2 / 4) ** 2)."""
    recordings = [make_recording("no-exercise/first", 33), make_recording("squats/a", 70, starts=(31, 60))]
    sequences, windows = index(recordings, stride=30)
    assert windows.firsts_N.tolist() == [0, 3, 33, 63, 73]
    assert windows.positive_N.tolist() == [False, False, False, True, True]
    assert windows.sources_N.dtype == np.int32  # as many as there are recordings
    batch = gather(sequences.arrays(), np.array([33, 63, 3], np.int32), 30)
    expected = 2.0 ** -((np.arange(31, 1, -1) / 4) ** 2)
    np.testing.assert_allclose(batch["targets_BxT"][0], expected, atol=1e-6)
    assert batch["targets_BxT"][0, -1] == pytest.approx(0.8409, abs=1e-4)
    assert batch["targets_BxT"][1, 1] == 1 and batch["targets_BxT"][1, 5] == 0.5
    assert not batch["targets_BxT"][2].any()  # a neighbour's start is another recording's


def test_kernel_and_width_are_those_of_the_config(make_recording):
    recording = make_recording("squats/a", 40, starts=(20,))
    labels = config.Labels(kernel="lorentzian", width_frames=2.0)
    targets = make_sequences([recording], CLASSES, labels).targets_F
    np.testing.assert_allclose(targets[[20, 22, 26]], [1, 0.5, 0.1], atol=1e-6)


@pytest.mark.parametrize(
    ("n_frames", "stride", "expected"),
    [
        (30, 1, [0]),
        (30, 15, [0]),
        (33, 1, [0, 1, 2, 3]),
        (60, 15, [0, 15, 30]),
        (62, 15, [0, 15, 30, 32]),  # the last window ends with the last frame
        (31, 100, [0, 1]),
    ],
)
def test_window_index_by_hand(make_recording, n_frames, stride, expected):
    recordings = [make_recording("squats/z", 32), make_recording("squats/a", n_frames)]
    _, windows = index(recordings, stride)
    assert [first - 32 for first in windows.firsts_N if first >= 32] == expected
    assert windows.firsts_N.dtype == np.int32


def test_windows_are_positive_where_they_hold_a_start(make_recording):
    _, windows = index([make_recording("squats/a", 50, starts=(0, 35))])
    assert np.flatnonzero(windows.positive_N).tolist() == [0, *range(6, 21)]
    assert not index([make_recording("squats/a", 50, starts=None)])[1].positive_N.any()
    assert not index([make_recording("squats/a", 50, starts=())])[1].positive_N.any()


def test_windows_touching_an_unknown_span_have_no_class(make_recording):
    recording = make_recording("squats/a", 70, starts=(5,), unknown=range(32, 40))
    sequences, windows = index([recording])
    assert np.flatnonzero(windows.classes_N == 1).tolist() == [0, 1, 2, 40]
    assert (windows.classes_N[3:40] == UNKNOWN).all() and len(windows.classes_N) == 41
    batch = gather(sequences.arrays(), np.array([2, 3, 39, 40], np.int32), 30)
    assert batch["labelled_B"].tolist() == [True, False, False, True]
    assert batch["counted_BxT"].all()


def test_windows_that_no_loss_would_read_are_left_out(make_recording):
    """Neither the class nor the repetitions of frames 32 to 39 are known."""
    recording = make_recording("squats/a", 70, starts=None, unknown=range(32, 40))
    sequences, windows = index([recording])
    assert windows.firsts_N.tolist() == [0, 1, 2, 40]
    batch = gather(sequences.arrays(), windows.firsts_N, 30)
    assert batch["labelled_B"].all() and not batch["counted_BxT"].any() and batch["mask_BxT"].all()


def test_a_recording_shorter_than_a_window_lies_anywhere_in_one_given_room(make_recording):
    recordings = [make_recording("squats/short", 27, starts=(3,)), make_recording("squats/long", 30)]
    assert index(recordings)[1].firsts_N.tolist() == [27]
    assert len(index(recordings[:1])[1].firsts_N) == 0
    sequences = make_sequences(recordings, CLASSES, GAUSSIAN, gap_frames=30)
    windows = cut_windows(recordings, sequences, 30, 1, gap_frames=30)
    assert len(sequences.real_F) == 30 + 27 + 30 + 30 + 30
    assert windows.firsts_N.tolist() == [27, 28, 29, 30, 87]
    assert windows.positive_N.tolist() == [True] * 4 + [False]
    batch = gather(sequences.arrays(), windows.firsts_N, 30)
    assert batch["labelled_B"].all() and batch["labels_B"].tolist() == [1] * 5
    assert batch["mask_BxT"][0].tolist() == [False] * 3 + [True] * 27


def test_windows_less_than_half_real_are_left_out(make_recording):
    """Frames 0 to 19 show nobody: the window from 5 on holds 15 real frames of 30."""
    sequences, windows = index([make_recording("squats/a", 50, starts=(2, 30), invalid=range(20))])
    assert windows.firsts_N.tolist() == list(range(5, 21))
    mask = gather(sequences.arrays(), np.array([5], np.int32), 30)["mask_BxT"]
    assert mask[0].tolist() == [False] * 15 + [True] * 15


def test_gather_cuts_windows_and_counts_no_padding(make_recording):
    recordings = [
        make_recording("squats/a", 40, starts=(3, 20), invalid=(12,)),
        make_recording("no-exercise/b", 33),
    ]
    sequences, _ = index(recordings)
    firsts = np.array([42, -1, 7, -1], np.int32)
    batch = jax.device_get(jax.jit(gather, static_argnums=2)(sequences.arrays(), firsts, 30))
    for row, first in ((0, 42), (2, 7)):
        at = slice(first, first + 30)
        for key, values in (
            ("angles_BxTxJ", sequences.angles_FxJ),
            ("targets_BxT", sequences.targets_F),
            ("mask_BxT", sequences.real_F),
            ("counted_BxT", sequences.counted_F),
        ):
            np.testing.assert_array_equal(batch[key][row], values[at])
    assert batch["labels_B"][[0, 2]].tolist() == [2, 1]
    assert batch["labelled_B"].tolist() == [True, False, True, False]
    assert not batch["counted_BxT"][[1, 3]].any() and not batch["counted_BxT"][2, 5]


def test_a_window_with_nobody_in_it_has_no_label(make_recording):
    sequences, _ = index([make_recording("squats/a", 70, invalid=range(35, 70))])
    batch = gather(sequences.arrays(), np.array([40, 20], np.int32), 30)
    assert batch["labels_B"].tolist() == [UNKNOWN, 1]
    assert batch["labelled_B"].tolist() == [False, True]
