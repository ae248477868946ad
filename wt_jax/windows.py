"""Recordings laid end to end, and the windows that may be cut from them, by index alone.

Letters: N windows, F frames of all recordings together, T frames of a window, J angles.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from wt_jax import config
from wt_jax.labels import soft_targets
from wt_jax.recordings import Recording

UNKNOWN = -1  # class of a frame outside the spans in which the recording's class is certain
_LEAST_REAL_SHARE = 0.5  # of a window's frames: a window with fewer says little about its class


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Every frame once: 107 bytes each, of which 100 are angles."""

    angles_FxJ: np.ndarray  # float32 in [0, 1], 0 where not real
    targets_F: np.ndarray  # float32 soft targets, 0 where repetitions are unknown
    classes_F: np.ndarray  # int8 index into data.classes, or UNKNOWN
    real_F: np.ndarray  # bool: a person was seen
    counted_F: np.ndarray  # bool: real, and repetitions are known: counts in the segmentation loss

    def arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of `Sequences` by their first frame."""

    firsts_N: np.ndarray  # int32
    classes_N: np.ndarray  # int8; UNKNOWN where any frame's class is
    positive_N: np.ndarray  # bool: holds a known repetition start
    names: tuple[str, ...]  # of the recordings that have windows
    too_short: tuple[str, ...]  # recordings with fewer frames than a window


def make_sequences(
    recordings: Sequence[Recording], classes: Sequence[str], labels: config.Labels
) -> Sequences:
    """Lays recordings end to end, with soft targets drawn on each whole recording."""
    n_frames = sum(len(r.valid_F) for r in recordings)
    first = next(iter(recordings))
    sequences = Sequences(
        np.empty((n_frames, first.angles_FxJ.shape[1]), np.float32),
        np.zeros(n_frames, np.float32),
        np.empty(n_frames, np.int8),
        np.empty(n_frames, bool),
        np.empty(n_frames, bool),
    )
    for recording, at in zip(recordings, _spans(recordings), strict=True):
        sequences.angles_FxJ[at] = recording.angles_FxJ
        sequences.classes_F[at] = np.where(
            recording.class_known_F, classes.index(recording.class_name), UNKNOWN
        )
        sequences.real_F[at] = recording.valid_F
        sequences.counted_F[at] = recording.valid_F & (recording.starts is not None)
        if recording.starts is not None:
            sequences.targets_F[at] = soft_targets(
                recording.starts, len(recording.valid_F), labels.kernel, labels.width_frames
            )
    return sequences


def _spans(recordings: Sequence[Recording]) -> list[slice]:
    ends = np.cumsum([0, *(len(r.valid_F) for r in recordings)])
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


def cut_windows(
    recordings: Sequence[Recording], sequences: Sequences, window_frames: int, stride_frames: int
) -> Windows:
    """The index of windows: every `stride_frames`, and one that ends with the recording's last frame.

    Windows with less than half of their frames real are left out, and so are windows of unknown class
    without a counted frame, which no loss would read.
    """
    firsts, positives, names, too_short = [], [], [], []
    for recording, at in zip(recordings, _spans(recordings), strict=True):
        last = len(recording.valid_F) - window_frames
        if last < 0:
            too_short.append(recording.name)
            continue
        names.append(recording.name)
        local = np.unique(np.append(np.arange(0, last + 1, stride_frames), last))
        starts = np.zeros(len(recording.valid_F), np.int32)
        starts[recording.starts if recording.starts is not None else []] = 1
        firsts.append(local + at.start)
        positives.append(_sums(starts, local, window_frames) > 0)
    firsts_N = np.concatenate(firsts, dtype=np.int32) if firsts else np.zeros(0, np.int32)
    positive_N = np.concatenate(positives) if positives else np.zeros(0, bool)
    n_unknown_N = _sums(sequences.classes_F == UNKNOWN, firsts_N, window_frames)
    classes_N = np.where(n_unknown_N == 0, sequences.classes_F[firsts_N], UNKNOWN).astype(np.int8)
    keep_N = _sums(sequences.real_F, firsts_N, window_frames) >= _LEAST_REAL_SHARE * window_frames
    keep_N &= (classes_N != UNKNOWN) | (_sums(sequences.counted_F, firsts_N, window_frames) > 0)
    return Windows(firsts_N[keep_N], classes_N[keep_N], positive_N[keep_N], tuple(names), tuple(too_short))


def _sums(values_F: np.ndarray, firsts_N: np.ndarray, window_frames: int) -> np.ndarray:
    """Sum of `values_F` over each window."""
    totals = np.concatenate([[0], np.cumsum(values_F, dtype=np.int64)])
    return totals[firsts_N + window_frames] - totals[firsts_N]


def gather(sequences: dict, firsts_B, window_frames: int) -> dict:
    """Cuts windows on the device; a first frame of -1 is padding, and nothing of it counts.

    Returns angles_BxTxJ, targets_BxT, mask_BxT (real), counted_BxT, labels_B and labelled_B (class known).
    """
    frames_BxT = jnp.maximum(firsts_B, 0)[:, None] + jnp.arange(window_frames)[None]
    padding_B = firsts_B < 0
    classes_BxT = sequences["classes_F"][frames_BxT]
    return {
        "angles_BxTxJ": sequences["angles_FxJ"][frames_BxT],
        "targets_BxT": sequences["targets_F"][frames_BxT],
        "mask_BxT": sequences["real_F"][frames_BxT],
        "counted_BxT": sequences["counted_F"][frames_BxT] & ~padding_B[:, None],
        "labels_B": classes_BxT[:, 0],
        "labelled_B": (classes_BxT.min(1) != UNKNOWN) & ~padding_B,
    }
