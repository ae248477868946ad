"""Scores of a split's windows, as sums on the devices: what training watches, once an epoch."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from wt_jax import config
from wt_jax.data.recordings import Recording
from wt_jax.input_pipeline.balanced_sampler import padded_batches
from wt_jax.input_pipeline.windows import lay_out
from wt_jax.models.batch_sizes import SMALL_BATCH, forward_batch
from wt_jax.training.metrics import Sums
from wt_jax.training.train_step import make_eval_batches, put_sequences


def make_evaluation(
    options: config.Config, recordings: Sequence, devices: Sequence[jax.Device]
) -> Callable[[Any], Sums]:
    """Returns evaluate(params) -> Sums over all windows of `recordings`, every `data.eval_stride_frames`.

    Exact: each window counts once, the last batch is padded and its padding masked. Raises ValueError
    where there is no usable window.
    """
    sequences, windows = lay_out(options, recordings, options.data.eval_stride_frames)
    if not len(windows.firsts_N):
        raise ValueError(
            f"no usable window of {options.data.window_frames} frames in {len(recordings)} recordings"
        )
    own = forward_batch(devices[0].platform) * len(devices)
    per_device = -(-min(options.train.eval_batch_size or own, len(windows.firsts_N)) // len(devices))
    batches_NxB = padded_batches(windows.firsts_N, per_device * len(devices))
    on_devices = put_sequences(sequences, devices)
    eval_batches = make_eval_batches(options, devices)
    return lambda params: _add(jax.device_get(eval_batches(params, on_devices, batches_NxB)))


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
        return [_add(sums, slice(a, b)) for a, b in itertools.pairwise(ends)]

    return evaluate


def _add(sums: Sums, batches: slice = slice(None)) -> Sums:
    """Over those batches, the first dimension of each."""
    return jax.tree.map(lambda values: np.sum(values[batches], 0, _wide(values)), sums)
