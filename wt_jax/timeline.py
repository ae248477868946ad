"""Recordings -> timelines: what the network says of overlapping windows, merged frame by frame.

Letters: B windows of a batch, T frames of a window, F frames of a recording, S frames that a window
spans at 30 a second (T times data.window_step), C classes.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from wt_jax import config
from wt_jax.inputs import make_inputs, needs_points
from wt_jax.model import make_model
from wt_jax.repetitions import Timeline
from wt_jax.windows import spaced

_BATCH = 64  # windows in one call: one shape for recordings of any length, so nothing is compiled again
_WINDOWS_PER_SPAN = 8  # windows that see a frame
_EDGE_WEIGHT = 0.05  # of a window's outermost frames, beside 1 in its middle


class Pose(Protocol):
    """Frames at 30 a second, as in a Recording."""

    @property
    def angles_FxJ(self) -> np.ndarray: ...

    @property
    def points_FxLx3(self) -> np.ndarray | None: ...

    @property
    def valid_F(self) -> np.ndarray: ...


class Frames(NamedTuple):
    """Frames at 30 a second of a video that is no recording (`angles.angle_sequence`, `point_sequence`)."""

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
    return _EDGE_WEIGHT + (1 - _EDGE_WEIGHT) * middle_S


class Merge:
    """The weighted mean of overlapping windows, added one at a time."""

    def __init__(self, n_classes: int, window_frames: int, window_step: int):
        self._positions_T = np.arange(window_frames) * window_step
        self._weights_S = window_weights(window_frames * window_step)
        self._signal_F, self._weight_F = np.zeros(0), np.zeros(0)
        self._classes_FxC = np.zeros((0, n_classes))

    def add(self, first: int, probabilities_C: np.ndarray, starts_T: np.ndarray) -> None:
        """One window's outputs; between its frames the repetition signal is interpolated.

        What lies before frame 0 is dropped.
        """
        span = len(self._weights_S)
        missing = first + span - len(self._weight_F)
        if missing > 0:
            more = max(missing, len(self._weight_F))  # doubles, so that a stream is not copied each time
            self._signal_F, self._weight_F = (np.pad(x, (0, more)) for x in (self._signal_F, self._weight_F))
            self._classes_FxC = np.pad(self._classes_FxC, ((0, more), (0, 0)))
        inside = np.arange(max(0, -first), span)
        at = slice(first + int(inside[0]), first + span)
        weights = self._weights_S[inside]
        self._signal_F[at] += weights * np.interp(inside, self._positions_T, starts_T)
        self._classes_FxC[at] += weights[:, None] * probabilities_C
        self._weight_F[at] += weights

    def timeline(self, classes: tuple[str, ...], pose: Pose, first: int = 0) -> Timeline:
        """Of frames first..first+F-1, which `pose` is; some window must have seen each."""
        valid_F = pose.valid_F
        at = slice(first, first + len(valid_F))
        weight_F = np.where(valid_F, self._weight_F[at], np.inf)
        return Timeline(
            classes,
            (self._classes_FxC[at] / weight_F[:, None]).astype(np.float32),
            (self._signal_F[at] / weight_F).astype(np.float32),
            valid_F,
            pose.angles_FxJ,
        )


def cut(options: config.Config, pose: Pose, first: int) -> dict[str, np.ndarray]:
    """One window of a pose, on the host, without its batch dimension; not real beyond the pose's ends."""
    frames_T = first + np.arange(options.data.window_frames) * options.data.window_step
    inside_T = (frames_T >= 0) & (frames_T < len(pose.valid_F))
    frames_T = np.clip(frames_T, 0, len(pose.valid_F) - 1)
    window = {"mask_BxT": pose.valid_F[frames_T] & inside_T}
    if needs_points(options):
        if pose.points_FxLx3 is None:
            raise ValueError("the model needs landmarks, and these frames hold joint angles alone")
        return {**window, "points_BxTxLx3": pose.points_FxLx3[frames_T]}
    return {**window, "angles_BxTxJ": pose.angles_FxJ[frames_T]}


Infer = Callable[[Any, Sequence[dict[str, np.ndarray]]], list[tuple[np.ndarray, np.ndarray]]]


def make_infer(options: config.Config, batch_size: int = _BATCH) -> Infer:
    """Returns infer(params, windows of `cut`) -> (probabilities_C, starts_T) of each; one batch shape."""
    model = make_model(options)

    @jax.jit
    def batch_outputs(params: Any, batch: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        inputs = make_inputs(options.data.inputs, batch)
        logits: Any = model.apply({"params": params}, inputs, batch["mask_BxT"])
        return jax.nn.softmax(logits[0]), jax.nn.sigmoid(logits[1])

    def infer(params: Any, windows: Sequence[dict[str, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
        outputs: list[tuple[np.ndarray, np.ndarray]] = []
        for i in range(0, len(windows), batch_size):
            chunk = list(windows[i : i + batch_size])
            padded = chunk + chunk[:1] * (batch_size - len(chunk))
            batch = {name: np.stack([window[name] for window in padded]) for name in padded[0]}
            probabilities_BxC, starts_BxT = jax.device_get(batch_outputs(params, batch))
            outputs += list(zip(probabilities_BxC, starts_BxT, strict=True))[: len(chunk)]
        return outputs

    return infer


def make_timelines(options: config.Config) -> Callable[[Any, Sequence[Pose]], list[Timeline]]:
    """Returns timelines(params, poses), one timeline each; compiled once, whatever their lengths."""
    infer, data = make_infer(options), options.data

    def timelines(params: Any, poses: Sequence[Pose]) -> list[Timeline]:
        firsts = [window_firsts(len(pose.valid_F), data.span_frames, data.overhang_frames) for pose in poses]
        windows = [cut(options, pose, f) for pose, of in zip(poses, firsts, strict=True) for f in of]
        outputs = iter(infer(params, windows))
        merged = []
        for pose, of in zip(poses, firsts, strict=True):
            merge = Merge(len(data.classes), data.window_frames, data.window_step)
            for first in of:
                merge.add(int(first), *next(outputs))
            merged.append(merge.timeline(data.classes, pose))
        return merged

    return timelines
