"""Recordings -> timelines: what the network says of overlapping windows, merged frame by frame.

Letters: N windows, B of a batch, T frames of a window, F frames of a recording, S frames that a window
spans at 30 a second (T times data.window_step), C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from wt_jax import config
from wt_jax.counting.taught_motion import uprightness
from wt_jax.counting.timeline import Timeline
from wt_jax.input_pipeline.features import make_inputs, needs_points
from wt_jax.input_pipeline.windows import BATCH_NAMES, frames_of, spaced
from wt_jax.models.batch_sizes import SMALL_BATCH, forward_batch
from wt_jax.models.tcn import make_model

_WINDOWS_PER_SPAN = 8  # windows that see a frame
EDGE_WEIGHT = 0.05  # of a window's outermost frames, beside 1 in its middle


class Pose(Protocol):
    """Frames at 30 a second, as in a Recording."""

    @property
    def angles_FxJ(self) -> np.ndarray:
        """float32 in [0, 1]."""
        ...

    @property
    def points_FxLx3(self) -> np.ndarray | None:
        """float16 pixels; None where only angles are known."""
        ...

    @property
    def valid_F(self) -> np.ndarray:
        """True where somebody is seen."""
        ...


class Frames(NamedTuple):
    """Frames at 30 a second of a video that is no recording (`joint_angles.pose_sequence`)."""

    angles_FxJ: np.ndarray
    points_FxLx3: np.ndarray | None
    valid_F: np.ndarray


def stride_frames(span_frames: int) -> int:
    """From one window of a timeline to the next."""
    return max(1, span_frames // _WINDOWS_PER_SPAN)


def window_firsts(n_frames: int, span_frames: int, overhang_frames: int = 0) -> np.ndarray:
    """First frames of a timeline's windows: every eighth of a span, and one that ends with the recording.

    One alone, that goes on beyond its end, where the recording is shorter than a span. `overhang_frames`
    (data.overhang) are added at both ends.
    """
    last = max(n_frames - span_frames, 0) + overhang_frames
    return spaced(-overhang_frames, last, stride_frames(span_frames))


def window_weights(span_frames: int) -> np.ndarray:
    """What each frame of a window counts in the merge, (S,): a triangle.

    A frame at a window's edge has been seen with half of its surroundings, the one in the middle with all.
    """
    middle_S = 1 - np.abs((np.arange(span_frames) + 0.5) / span_frames * 2 - 1)
    return EDGE_WEIGHT + (1 - EDGE_WEIGHT) * middle_S


class Merge:
    """The weighted mean of overlapping windows, as they are added."""

    def __init__(self, n_classes: int, window_frames: int, window_step: int):
        span = window_frames * window_step
        self._weights_S = window_weights(span)
        self._n_classes = n_classes
        self._below_S = np.arange(span) // window_step  # the window's frame at or before each of the span
        self._past_S = np.arange(span) % window_step
        self._window_step = window_step
        self._signal_F, self._weight_F = np.zeros(0), np.zeros(0)
        self._classes_FxC = np.zeros((0, n_classes))

    def add(self, firsts_N: np.ndarray, probabilities_NxC: np.ndarray, starts_NxT: np.ndarray) -> None:
        """The outputs of windows; between a window's frames the repetition signal is interpolated.

        What lies before frame 0 is dropped. Windows added together or one by one, in the same order, give
        the same sums to the last bit.
        """
        span = len(self._weights_S)
        self._make_room(int(firsts_N.max()) + span)
        starts_NxT = starts_NxT.astype(np.float64)
        slopes_NxT = np.diff(starts_NxT, axis=1, append=starts_NxT[:, -1:]) / self._window_step
        signal_NxS = slopes_NxT[:, self._below_S] * self._past_S + starts_NxT[:, self._below_S]
        frames_NxS = firsts_N[:, None] + np.arange(span)
        windows, places = np.nonzero(frames_NxS >= 0)  # in the windows' order, as are the sums
        frames, weights = frames_NxS[windows, places], self._weights_S[places]
        np.add.at(self._signal_F, frames, weights * signal_NxS[windows, places])
        np.add.at(self._weight_F, frames, weights)
        cells = frames[:, None] * self._n_classes + np.arange(self._n_classes)
        values = weights[:, None] * probabilities_NxC[windows]
        np.add.at(self._classes_FxC.reshape(-1), cells.ravel(), values.ravel())  # NumPy is fast in 1-D alone

    def _make_room(self, n_frames: int) -> None:
        missing = n_frames - len(self._weight_F)
        if missing > 0:
            more = max(missing, len(self._weight_F))  # doubles, so that a stream is not copied each time
            self._signal_F, self._weight_F = (np.pad(x, (0, more)) for x in (self._signal_F, self._weight_F))
            self._classes_FxC = np.pad(self._classes_FxC, ((0, more), (0, 0)))

    def timeline(
        self, classes: tuple[str, ...], pose: Pose, first: int = 0, upright_F: np.ndarray | None = None
    ) -> Timeline:
        """Of frames first..first+F-1, which `pose` is; some window must have seen each.

        `upright_F` is the pose's `uprightness`, of one that holds its landmarks no more.
        """
        if upright_F is None and pose.points_FxLx3 is not None:
            upright_F = uprightness(pose.points_FxLx3)
        valid_F = pose.valid_F
        at = slice(first, first + len(valid_F))
        weight_F = np.where(valid_F, self._weight_F[at], np.inf)
        return Timeline(
            classes,
            (self._classes_FxC[at] / weight_F[:, None]).astype(np.float32),
            (self._signal_F[at] / weight_F).astype(np.float32),
            valid_F,
            pose.angles_FxJ,
            upright_F,
        )


def cut(
    options: config.Config, pose: Pose, firsts_N: np.ndarray, with_points: bool = False
) -> dict[str, np.ndarray]:
    """Windows of a pose, on the host: mask_BxT, and points_BxTxLx3 or angles_BxTxJ, as the model needs.

    Of an exported model always `with_points`. They may reach over the pose's ends; what lies there is not
    real. Raises ValueError for a pose without landmarks where the model needs them.
    """
    frames_NxT = frames_of(firsts_N, options.data.window_frames, options.data.window_step)
    last = len(pose.valid_F) - 1
    inside_NxT = (frames_NxT >= 0) & (frames_NxT <= last)
    frames_NxT = np.clip(frames_NxT, 0, last)
    name = "points_FxLx3" if with_points or needs_points(options) else "angles_FxJ"
    values: np.ndarray | None = getattr(pose, name)
    if values is None:
        raise ValueError("the model needs landmarks, and these frames hold joint angles alone")
    return {
        BATCH_NAMES["real_F"]: pose.valid_F[frames_NxT] & inside_NxT,
        BATCH_NAMES[name]: values[frames_NxT],
    }


Outputs = tuple[jax.Array, jax.Array]  # probabilities_BxC, starts_BxT: of the windows, then of padding
Infer = Callable[[Any, dict[str, np.ndarray]], Outputs]


def batch_outputs(options: config.Config, platform: str) -> Callable[[Any, dict[str, jax.Array]], Outputs]:
    """Returns outputs(params, windows of `cut`), to be compiled for devices of this platform."""
    model = make_model(options, platform)

    def outputs(params: Any, batch: dict[str, jax.Array]) -> Outputs:
        inputs = make_inputs(options.data.inputs, batch)
        logits: Any = model.apply({"params": params}, inputs, batch["mask_BxT"])
        return jax.nn.softmax(logits[0]), jax.nn.sigmoid(logits[1])

    return outputs


def make_infer(options: config.Config, batch_sizes: Sequence[int]) -> Infer:
    """Returns infer(params, windows of `cut`) -> their outputs, on the device and perhaps not there yet.

    Of as many windows as the greatest of `batch_sizes` at most; padded to the least that holds them, so
    that there are no more programs than sizes.
    """
    outputs = jax.jit(batch_outputs(options, jax.default_backend()))

    def infer(params: Any, windows: dict[str, np.ndarray]) -> Outputs:
        n = len(windows["mask_BxT"])
        missing = min(size for size in batch_sizes if size >= n) - n
        if missing:
            windows = {name: np.concatenate([x, np.repeat(x[:1], missing, 0)]) for name, x in windows.items()}
        return outputs(params, windows)

    return infer


def make_timelines(
    options: config.Config, exported: Infer | None = None
) -> Callable[[Any, Sequence[Pose]], list[Timeline]]:
    """Returns timelines(params, poses), one timeline each; compiled once, whatever their lengths.

    By an `exported` model where one is given, which has its parameters in it.
    """
    data = options.data
    # Few shapes, for recordings of any length, so that little is compiled, and once.
    sizes = sorted({SMALL_BATCH, forward_batch(jax.default_backend())})
    infer, with_points = exported or make_infer(options, sizes), exported is not None

    def outputs(params: Any, poses: Sequence[Pose], firsts_N: np.ndarray, owners_N: np.ndarray) -> Iterator:
        """The outputs of all windows in batches, the device busy with the next while one is fetched."""
        pending: tuple | None = None
        for at in [*_batches(len(firsts_N), sizes), None]:
            sent = None
            if at is not None:
                cuts = [
                    cut(options, poses[i], firsts_N[at][owners_N[at] == i], with_points)
                    for i in np.unique(owners_N[at])
                ]
                windows = {name: np.concatenate([one[name] for one in cuts]) for name in cuts[0]}
                sent = (at, infer(params, windows))
            if pending:
                at, arrays = pending
                yield at, *(x[: at.stop - at.start] for x in jax.device_get(arrays))
            pending = sent

    def timelines(params: Any, poses: Sequence[Pose]) -> list[Timeline]:
        firsts = [window_firsts(len(pose.valid_F), data.span_frames, data.overhang_frames) for pose in poses]
        firsts_N = np.concatenate([np.zeros(0, int), *firsts])
        owners_N = np.repeat(np.arange(len(poses)), [len(of) for of in firsts])
        merges = [Merge(len(data.classes), data.window_frames, data.window_step) for _ in poses]
        for at, probabilities_BxC, starts_BxT in outputs(params, poses, firsts_N, owners_N):
            for i in np.unique(owners_N[at]):
                own_B = owners_N[at] == i
                merges[i].add(firsts_N[at][own_B], probabilities_BxC[own_B], starts_BxT[own_B])
        return [merge.timeline(data.classes, pose) for merge, pose in zip(merges, poses, strict=True)]

    return timelines


def _batches(n: int, sizes: Sequence[int]) -> Iterator[slice]:
    """Consecutive slices of `n` windows: of the greatest size that they fill, the rest in the least."""
    at = 0
    while at < n:
        size = max((size for size in sizes if size <= n - at), default=n - at)
        yield slice(at, at + size)
        at += size
