"""What trials are trained and validated on: the training and validation recordings, as split or in folds."""

import dataclasses
from collections.abc import Sequence
from itertools import compress

import jax
import numpy as np

from wt_jax import config
from wt_jax.data.folds import fold_of_groups, groups_by_kind
from wt_jax.data.loading import Dataset
from wt_jax.data.proposed_starts import propose_starts
from wt_jax.data.recordings import SYNTHETIC, AnyRecording
from wt_jax.input_pipeline.balanced_sampler import StratifiedSampler, padded_batches
from wt_jax.input_pipeline.window_runs import Runs, runs_of
from wt_jax.input_pipeline.windows import Windows, lay_out
from wt_jax.training.train_step import put_sequences
from wt_jax.training.validation import eval_share


@dataclasses.dataclass(frozen=True)
class FoldData:
    """Every frame to train and to validate on, on every device, and the windows of each fold."""

    train_sequences: dict[str, jax.Array]
    train_windows: tuple[Runs, ...]  # of each fold
    val_sequences: dict[str, jax.Array]
    val_batches: tuple[np.ndarray, ...]  # of each fold (N, B) first frames, N the same for all; -1 is padding

    def sampler(self, options: config.Config, fold: int) -> StratifiedSampler:
        """Of a trial's training windows in a fold."""
        return StratifiedSampler(self.train_windows[fold], options.data, options.seed)


def split_into_folds(dataset: Dataset, n_folds: int) -> tuple[list[AnyRecording], list[int]]:
    """The recordings to train and validate on, and of each the fold in which it validates; -1: in none.

    One fold is the dataset's own split. Of more, groups of both splits are dealt out. The test split stays
    out of it, and made recordings only train. Raises ValueError where a fold would have nothing to validate
    on.
    """
    recordings = dataset.split("train", "val")
    if n_folds == 1:
        return recordings, [0 if recording.split == "val" else -1 for recording in recordings]
    own = [recording for recording in recordings if not recording.is_made or dataset.data == SYNTHETIC]
    of_group = fold_of_groups(groups_by_kind(own), n_folds)
    folds = [of_group.get(one.group, -1) if one in own else -1 for one in recordings]
    for fold in range(n_folds):
        held = [one for one, of in zip(recordings, folds, strict=True) if of == fold]
        if not any(one.starts is not None and len(one.starts) for one in held):
            n_groups = len({one.group for one in own})
            raise ValueError(
                f"--folds {n_folds}: fold {fold + 1} holds no known repetition to validate on: "
                f"{dataset.data} has {n_groups} groups (people or source videos) in train and val; ask for "
                "fewer folds"
            )
    return recordings, folds


def lay_out_folds(
    options: config.Config, dataset: Dataset, n_folds: int, devices: Sequence[jax.Device]
) -> FoldData:
    """The data of a search. `options` are those that trials have in common, with the largest `augment.speed`.

    Raises ValueError as `split_into_folds` does, and where there is no window to validate on.
    """
    recordings, folds = split_into_folds(dataset, n_folds)
    folds_R = np.array(folds)
    is_held_R, is_trained_R = folds_R >= 0, (folds_R < 0) | (n_folds > 1)
    held_of, trained_of = folds_R[is_held_R], folds_R[is_trained_R]
    held, trained = list(compress(recordings, is_held_R)), list(compress(recordings, is_trained_R))
    if options.labels.propose:
        trained = propose_starts(trained)
    sequences, windows = lay_out(options, trained, options.data.stride_frames)
    val_sequences, val_windows = lay_out(options, held, options.data.eval_stride_frames)
    val_firsts = [_only(val_windows, held_of == fold).firsts_N for fold in range(n_folds)]
    if not all(map(len, val_firsts)):
        raise ValueError(f"no usable window of {options.data.window_frames} frames to validate on")
    longest = max(map(len, val_firsts))
    batch = eval_share(options, devices, longest) * len(devices)
    n_batches = -(-longest // batch)
    return FoldData(
        train_sequences=put_sequences(sequences, devices),
        train_windows=tuple(
            runs_of(_only(windows, trained_of != fold), options.data.stride_frames) for fold in range(n_folds)
        ),
        val_sequences=put_sequences(val_sequences, devices),
        val_batches=tuple(
            padded_batches(np.pad(firsts, (0, n_batches * batch - len(firsts)), constant_values=-1), batch)
            for firsts in val_firsts
        ),
    )


def _only(windows: Windows, keep: np.ndarray) -> Windows:
    """Of recordings where the mask is True."""
    return windows.only(keep[windows.recordings_N])
