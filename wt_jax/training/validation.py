"""Scores of a split's windows, as sums on the devices: what training watches, once an epoch."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wt_jax import config
from wt_jax.data.recordings import AnyRecording, Recording
from wt_jax.input_pipeline.balanced_sampler import padded_batches
from wt_jax.input_pipeline.frame_files import FrameFiles
from wt_jax.input_pipeline.windows import lay_out
from wt_jax.models.batch_sizes import SMALL_BATCH, forward_batch
from wt_jax.training.metrics import Sums
from wt_jax.training.residence import lay_out_where
from wt_jax.training.train_step import make_eval_batches, put_sequences

_WINDOWS_A_CALL = 4096


def make_evaluation(
    options: config.Config,
    recordings: Sequence[AnyRecording],
    devices: Sequence[jax.Device],
    folder: Path | None = None,
) -> Callable[[Any], Sums]:
    """Returns evaluate(params) -> Sums over all windows of `recordings`, every `data.eval_stride_frames`.

    Exact: each window counts once, the last batch is padded and its padding masked. Frames are on the
    devices, or in files below `folder`. Raises ValueError where there is no usable window.
    """
    stride = options.data.eval_stride_frames
    sequences, windows = lay_out_where(folder, options, recordings, stride, devices)
    firsts_N = windows.firsts(np.arange(len(windows)))
    if not len(firsts_N):
        raise ValueError(
            f"no usable window of {options.data.window_frames} frames in {len(recordings)} recordings"
        )
    share = eval_share(options, devices, len(firsts_N))
    batches_NxB = padded_batches(firsts_N, share * len(devices))
    batches_NxB = np.split(batches_NxB, jax.process_count(), 1)[jax.process_index()]
    eval_batches = make_eval_batches(options, devices, in_files=folder is not None)
    if isinstance(sequences, dict):
        firsts = batches_NxB.astype(np.int32)
        return lambda params: added(jax.device_get(eval_batches(params, sequences, firsts)))
    return _in_calls(eval_batches, sequences, batches_NxB)


def eval_share(options: config.Config, devices: Sequence[jax.Device], n_windows: int) -> int:
    """Windows of a batch on each device, where there are so many in all."""
    own = forward_batch(devices[0].platform) * len(devices)
    return -(-min(options.train.eval_batch_size or own, n_windows) // len(devices))


def batches_a_call(n_batches: int, batch_size: int) -> int:
    """Whose frames are on the devices at a time, where they come from files."""
    return min(n_batches, max(1, _WINDOWS_A_CALL // batch_size))


def _in_calls(
    eval_batches: Callable[[Any, dict, np.ndarray], Sums],
    files: FrameFiles,
    batches_NxB: np.ndarray,
) -> Callable[[Any], Sums]:
    """Some batches at a time: the next are read while the devices compute."""
    n_batches, batch_size = batches_NxB.shape
    a_call = batches_a_call(n_batches, batch_size)
    padding = np.full((-n_batches % a_call, batch_size), -1, batches_NxB.dtype)
    calls = np.concatenate([batches_NxB, padding]).reshape(-1, a_call, batch_size)

    def evaluate(params: Any) -> Sums:
        done: list[Sums] = []
        for firsts_NxB in calls:
            done.append(eval_batches(params, *files.cut(firsts_NxB)))
            done[-2:-1] = jax.device_get(done[-2:-1])
        sums = jax.tree.map(lambda *of_calls: np.concatenate(of_calls), *jax.device_get(done))
        return added(sums, slice(n_batches))

    return evaluate


def _wide(value: np.ndarray) -> type:
    return np.float64 if np.issubdtype(np.asarray(value).dtype, np.floating) else np.int64


def make_evaluation_of_each(
    options: config.Config, recordings: Sequence[Recording], devices: Sequence[jax.Device]
) -> Callable[[Any], list[Sums]]:
    """Returns evaluate(params) -> the Sums of each recording's windows."""
    sequences, windows = lay_out(options, recordings, options.data.eval_stride_frames)
    batch_size = -(-SMALL_BATCH // len(devices)) * len(devices)
    of_each = [
        padded_batches(windows.firsts_N[windows.recordings_N == i], batch_size)
        for i in range(len(recordings))
    ]
    batches_NxB = np.concatenate([np.zeros((0, batch_size), np.int32), *of_each])
    ends = np.cumsum([0, *map(len, of_each)])
    on_devices = put_sequences(sequences, devices)
    eval_batches = make_eval_batches(options, devices)

    def evaluate(params: Any) -> list[Sums]:
        sums = jax.device_get(eval_batches(params, on_devices, batches_NxB))
        return [added(sums, slice(a, b)) for a, b in itertools.pairwise(ends)]

    return evaluate


def added(sums: Sums, batches: slice = slice(None)) -> Sums:
    """Over those batches, the first dimension of each."""
    return jax.tree.map(lambda values: np.sum(values[batches], 0, _wide(values)), sums)
