"""Recordings laid end to end, and the windows that may be cut from them, by index alone.

Letters: N windows, F frames of all recordings together, T frames of a window, J angles.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wt_jax import config
from wt_jax.data.labels import soft_targets
from wt_jax.data.recordings import REBUILD, AnyRecording
from wt_jax.input_pipeline.features import needs_points
from wt_jax.skeleton import N_ANGLES, N_LANDMARKS, NO_EXERCISE

UNKNOWN = -1  # class of a frame outside the spans in which the recording's class is certain
_TPU_ROW = 128
_LEAST_REAL_SHARE = 0.5  # of a window's frames: a window with fewer says little about its class


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Every frame once: 107 bytes each with angles, 205 with landmarks."""

    angles_FxJ: np.ndarray | None  # float32 in [0, 1], 0 where not real; None where there are points
    targets_F: np.ndarray  # float32 soft targets, 0 where repetitions are unknown
    classes_F: np.ndarray  # int8 index into data.classes, or UNKNOWN
    real_F: np.ndarray  # bool: a person was seen
    counted_F: np.ndarray  # bool: real, and repetitions are known: counts in the segmentation loss
    points_FxLx3: np.ndarray | None = None  # float16 pixels (joint_angles.point_sequence)

    def arrays(self, platform: str = "cpu") -> dict[str, np.ndarray]:
        """Those that there are, by the names of their fields, as devices of this platform hold them.

        A TPU's rows are of 128 numbers: of landmarks in rows of 99 it would make a copy in each dispatch.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        arrays = {name: value for name, value in values.items() if value is not None}
        if platform == "tpu" and self.points_FxLx3 is not None:
            rows_FxM = self.points_FxLx3.reshape(-1, 3 * N_LANDMARKS)
            arrays["points_FxLx3"] = np.pad(rows_FxM, ((0, 0), (0, -rows_FxM.shape[1] % _TPU_ROW)))
        return arrays


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of `Sequences` by their first frame."""

    firsts_N: np.ndarray  # int32
    classes_N: np.ndarray  # int8; UNKNOWN where any real frame's class is
    positive_N: np.ndarray  # bool: holds a known repetition start
    recordings_N: np.ndarray  # int32: which of the recordings
    sources_N: np.ndarray  # int32: recordings of one source have the same number
    made_N: np.ndarray  # bool: of synthetic people

    def without(self, others: "Windows") -> "Windows":
        """Those that do not begin where one of `others` does."""
        return self.only(~np.isin(self.firsts_N, others.firsts_N))

    def only(self, keep_N: np.ndarray) -> "Windows":
        """Those where the mask is True."""
        return Windows(**{f.name: getattr(self, f.name)[keep_N] for f in dataclasses.fields(self)})


def make_sequences(
    recordings: Sequence[AnyRecording],
    classes: Sequence[str],
    labels: config.Labels,
    *,
    points: bool = False,
    gap_frames: int = 0,
) -> Sequences:
    """Lays recordings end to end, with soft targets drawn on each whole recording.

    Landmarks in place of angles if `points`; `gap_frames` that are not real before, between and after, for
    windows that reach over a recording's ends. Raises ValueError for a recording without landmarks.
    """
    spans = spans_of(recordings, gap_frames)
    n_frames = (spans[-1].stop if spans else 0) + gap_frames
    sequences = Sequences(
        angles_FxJ=None if points else np.zeros((n_frames, N_ANGLES), np.float32),
        targets_F=np.zeros(n_frames, np.float32),
        classes_F=np.full(n_frames, UNKNOWN, np.int8),
        real_F=np.zeros(n_frames, bool),
        counted_F=np.zeros(n_frames, bool),
        points_FxLx3=np.zeros((n_frames, N_LANDMARKS, 3), np.float16) if points else None,
    )
    for kept, at in zip(recordings, spans, strict=True):
        recording = kept.load()
        if sequences.points_FxLx3 is not None:
            if recording.points_FxLx3 is None:
                raise ValueError(f"{recording.name} holds no landmarks: {REBUILD}")
            sequences.points_FxLx3[at] = recording.points_FxLx3
        if sequences.angles_FxJ is not None:
            sequences.angles_FxJ[at] = recording.angles_FxJ
        sequences.classes_F[at] = np.where(
            recording.class_known_F, classes.index(recording.class_name), UNKNOWN
        )
        sequences.real_F[at] = recording.valid_F
        if recording.starts is not None and (labels.rest or recording.class_name != NO_EXERCISE):
            sequences.counted_F[at] = recording.valid_F
            sequences.targets_F[at] = soft_targets(
                recording.starts, len(recording.valid_F), labels.kernel, labels.width_frames
            )
    return sequences


def spans_of(recordings: Sequence[AnyRecording], gap_frames: int) -> list[slice]:
    """Where each lies among the frames of `make_sequences`."""
    ends = np.cumsum([0, *(len(r) + gap_frames for r in recordings)])
    return [slice(int(a) + gap_frames, int(b)) for a, b in itertools.pairwise(ends)]


def cut_windows(
    recordings: Sequence[AnyRecording],
    sequences: Sequences,
    span_frames: int,
    stride_frames: int,
    gap_frames: int = 0,
    overhang_frames: int = 0,
) -> Windows:
    """The index of windows: every `stride_frames`, and one that ends with the recording's last frame.

    Windows with less than half of their frames real are left out, and so are windows of unknown class
    without a counted frame, which no loss would read. A recording shorter than a window lies anywhere in
    one, and others reach over its ends by `overhang_frames`, given room for it: a recording has no windows
    where the `gap_frames` of `make_sequences` are too few.
    """
    firsts, reals, owners, sources = [], [], [], []
    is_made = np.array([recording.is_made for recording in recordings], bool)
    numbers: dict[str, int] = {}
    starts_F = np.zeros(len(sequences.real_F), bool)
    for i, (recording, at) in enumerate(zip(recordings, spans_of(recordings, gap_frames), strict=True)):
        low, high = sorted((0, len(recording) - span_frames))
        low, high = low - overhang_frames, high + overhang_frames
        if max(-low, high + span_frames - len(recording)) > gap_frames:
            continue
        local = spaced(low, high, stride_frames)
        starts_F[at.start + (recording.starts if recording.starts is not None else np.zeros(0, int))] = True
        firsts.append(local + at.start)
        reals.append(np.full(len(local), min(len(recording), span_frames)))
        owners.append(np.full(len(local), i, np.int32))
        sources.append(np.full(len(local), numbers.setdefault(recording.source, len(numbers)), np.int32))
    firsts_N = np.concatenate(firsts, dtype=np.int32) if firsts else np.zeros(0, np.int32)
    most_real_N = np.concatenate(reals) if reals else np.zeros(0, int)
    recordings_N = np.concatenate(owners) if owners else np.zeros(0, np.int32)
    sources_N = np.concatenate(sources) if sources else np.zeros(0, np.int32)
    classes_N = _window_classes(sequences, firsts_N, span_frames)
    keep_N = _sums(sequences.real_F, firsts_N, span_frames) >= _LEAST_REAL_SHARE * most_real_N
    keep_N &= (classes_N != UNKNOWN) | (_sums(sequences.counted_F, firsts_N, span_frames) > 0)
    positive_N = _sums(starts_F, firsts_N, span_frames) > 0
    windows = Windows(
        firsts_N=firsts_N,
        classes_N=classes_N,
        positive_N=positive_N,
        recordings_N=recordings_N,
        sources_N=sources_N,
        made_N=is_made[recordings_N],
    )
    return windows.only(keep_N)


def spaced(low: int, high: int, stride: int) -> np.ndarray:
    """First frames from `low` on every `stride`, and `high`."""
    return np.unique(np.append(np.arange(low, high + 1, stride), high))


def _window_classes(sequences: Sequences, firsts_N: np.ndarray, span_frames: int) -> np.ndarray:
    """The class of each window's real frames, int8; UNKNOWN where that of any is, or none is real."""
    known_F = sequences.classes_F != UNKNOWN
    n_unknown_N = _sums(sequences.real_F & ~known_F, firsts_N, span_frames)
    # The last real frame up to each frame: for a window's last frame it lies in the window, if any does.
    last_real_F = np.maximum.accumulate(np.where(sequences.real_F, np.arange(len(known_F)), -1))
    at_N = last_real_F[firsts_N + span_frames - 1]
    is_known_N = (n_unknown_N == 0) & (at_N >= firsts_N)
    return np.where(is_known_N, sequences.classes_F[at_N], UNKNOWN).astype(np.int8)


def _sums(values_F: np.ndarray, firsts_N: np.ndarray, span_frames: int) -> np.ndarray:
    """Sum of `values_F` over each window."""
    totals = np.concatenate([[0], np.cumsum(values_F, dtype=np.int64)])
    return totals[firsts_N + span_frames] - totals[firsts_N]


# An array of whole recordings: what a batch of windows cut from it is called.
BATCH_NAMES = {
    "angles_FxJ": "angles_BxTxJ",
    "points_FxLx3": "points_BxTxLx3",
    "targets_F": "targets_BxT",
    "real_F": "mask_BxT",
    "counted_F": "counted_BxT",
}


def gather(
    sequences: dict, firsts_B, window_frames: int, window_step: int = 1, stretch_B: jax.Array | None = None
) -> dict:
    """Cuts windows on the device; a first frame of -1 is padding, and nothing of it counts.

    `stretch_B` makes a window cover so many times the frames, about its own middle; what lies between two
    frames is interpolated, and real where both are. Returns angles_BxTxJ or points_BxTxLx3, targets_BxT,
    mask_BxT (real), counted_BxT, labels_B and labelled_B (class known).
    """
    padding_B, firsts_B = firsts_B < 0, jnp.maximum(firsts_B, 0)
    if stretch_B is None:
        frames_BxT = frames_of(firsts_B, window_frames, window_step)

        def blend(name: str) -> jax.Array:
            return sequences[name][frames_BxT]

        both = blend
    else:
        offsets_T = jnp.arange(window_frames) * window_step
        middle = window_frames * window_step / 2
        exact_BxT = middle + (offsets_T - middle)[None] * stretch_B[:, None]
        below_BxT = jnp.floor(exact_BxT)
        share_BxT = exact_BxT - below_BxT
        last = sequences["real_F"].shape[0] - 1
        frames_BxT = jnp.clip(firsts_B[:, None] + below_BxT.astype(jnp.int32), 0, last)
        next_BxT = jnp.minimum(frames_BxT + (share_BxT > 0), last)

        def blend(name: str) -> jax.Array:
            low = sequences[name][frames_BxT].astype(jnp.float32)
            share = share_BxT.reshape(*share_BxT.shape, *(1,) * (low.ndim - 2))
            return low + share * (sequences[name][next_BxT] - low)

        def both(name: str) -> jax.Array:
            return sequences[name][frames_BxT] & sequences[name][next_BxT]

    pose = "points_FxLx3" if "points_FxLx3" in sequences else "angles_FxJ"
    batch = {BATCH_NAMES[name]: blend(name) for name in (pose, "targets_F")}
    if pose == "points_FxLx3" and sequences[pose].ndim == 2:  # in rows, as a TPU holds them
        points_BxTxM = batch["points_BxTxLx3"][..., : 3 * N_LANDMARKS]
        batch["points_BxTxLx3"] = points_BxTxM.reshape(*frames_BxT.shape, N_LANDMARKS, 3)
    batch |= {BATCH_NAMES[name]: both(name) for name in ("real_F", "counted_F")}
    labels_B = _labels(sequences["classes_F"][frames_BxT], batch["mask_BxT"])
    return {
        **batch,
        "counted_BxT": batch["counted_BxT"] & ~padding_B[:, None],
        "labels_B": labels_B,
        "labelled_B": (labels_B != UNKNOWN) & ~padding_B,
    }


def _labels(classes_BxT: jax.Array, mask_BxT: jax.Array) -> jax.Array:
    """The class of each window's real frames; UNKNOWN where that of any is, or none is real."""
    highest_Bx1 = jnp.where(mask_BxT, classes_BxT, UNKNOWN).max(1, keepdims=True)
    return jnp.where(mask_BxT, classes_BxT, highest_Bx1).min(1)  # UNKNOWN lies below every class


def frames_of(firsts_N: Any, window_frames: int, window_step: int) -> Any:
    """The frames (N, T) of windows by their first ones; of JAX on the device, of NumPy on the host."""
    xp = jnp if isinstance(firsts_N, jax.Array) else np
    return firsts_N[:, None] + (xp.arange(window_frames) * window_step)[None]


def reach_frames(options: config.Config) -> int:
    """Frames before and after itself that a window may be read from, where `augment.speed` stretches it."""
    stretch = (math.exp(options.augment.speed) - 1) / 2
    return math.ceil(options.data.span_frames * stretch) + 1 if stretch else 0


def gap_frames(options: config.Config) -> int:
    """Between recordings: room for a short one at either end of a window, the overhang, and the reach."""
    return math.ceil(options.data.span_frames * (1 + options.data.overhang)) + 1 + reach_frames(options)


def lay_out(
    options: config.Config, recordings: Sequence[AnyRecording], stride_frames: int, spare: bool = False
) -> tuple[Sequences, Windows]:
    """The frames that the model's inputs need and the windows to cut from them, with room to move.

    `spare`: without those that `data.eval_stride_frames` cuts.
    """
    span, gap, overhang = options.data.span_frames, gap_frames(options), options.data.overhang_frames
    sequences = make_sequences(
        recordings, options.data.classes, options.labels, points=needs_points(options), gap_frames=gap
    )
    windows = cut_windows(recordings, sequences, span, stride_frames, gap, overhang)
    if not spare:
        return sequences, windows
    spared = cut_windows(recordings, sequences, span, options.data.eval_stride_frames, gap, overhang)
    return sequences, windows.without(spared)
