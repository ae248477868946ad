"""A training run: what it is made of, where it stands, and all that happens before its first step."""

import dataclasses
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np

from wt_jax import config
from wt_jax.data.loading import Dataset, load_dataset, with_made
from wt_jax.data.proposed_starts import propose_starts
from wt_jax.data.recordings import AnyRecording
from wt_jax.input_pipeline.balanced_sampler import make_train_batches
from wt_jax.input_pipeline.frame_files import FrameFiles
from wt_jax.input_pipeline.window_runs import Runs
from wt_jax.models.stack_kernels import check_kernel
from wt_jax.models.summary import summary
from wt_jax.options import all_options
from wt_jax.runtime import cli, coordination
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.storage.places import absolute, is_remote, run_folder, scratch
from wt_jax.training.checkpoint_meta import make_meta
from wt_jax.training.checkpoints import Checkpoints, delete_run
from wt_jax.training.freezing import check_freezing, freezing_line, phase_after, thaw_line
from wt_jax.training.metrics import Sums
from wt_jax.training.progress import Progress, begin, take_up
from wt_jax.training.residence import choose_folder, lay_out_where, most_bytes
from wt_jax.training.train_step import (
    Dispatch,
    all_devices,
    check_devices,
    make_agreement,
    make_train_dispatch,
)
from wt_jax.training.validation import make_evaluation
from wt_jax.training.warm_start import Parent, check_parent

_SAVE = 1  # among what processes agree on, below the signals that stop


@dataclasses.dataclass
class TrainingData:
    """What a run trains and validates on."""

    about: dict[str, Any]  # for every checkpoint: where from, fingerprint, split, what is trained on
    val_recordings: list[AnyRecording]
    windows: Runs  # to train on
    batches: grain.DatasetIterator  # of their first frames, (steps a dispatch, share of a batch): see `draw`
    sequences: dict[str, jax.Array] | FrameFiles  # on every device, or what `batches` read theirs from
    folder: Path | None  # of the files

    def draw(self) -> tuple[dict, np.ndarray]:
        """The next dispatch's sequences, and where in them its windows begin."""
        drawn = next(self.batches)
        return (self.sequences, drawn) if isinstance(self.sequences, dict) else drawn


@dataclasses.dataclass
class Programs:
    """What is compiled for a run's devices. `dispatch` is of one phase (`freezing`)."""

    phase: int
    dispatch: Dispatch
    validate: Callable[[Any], Sums]
    agree: Callable[[int], int]


@dataclasses.dataclass
class TrainingRun:
    """A training run: what it is made of, and where it stands."""

    options: config.Config
    data: TrainingData
    programs: Programs
    checkpoints: Checkpoints
    progress: Progress
    stopped_by: signal.Signals | None = None
    is_save_due: bool = False  # `train.save_minutes` after the last one, for all processes at once
    saved_s: float = dataclasses.field(default_factory=time.monotonic)  # or asked for

    @property
    def workdir(self) -> Path:
        """Where checkpoints and history go."""
        return run_folder(self.options.workdir)

    @property
    def dispatches_per_epoch(self) -> int:
        """Calls to the device that make an epoch."""
        return self.options.train.dispatches_per_epoch

    @property
    def windows_per_epoch(self) -> int:
        """`train.windows_per_epoch`, rounded to whole dispatches."""
        train = self.options.train
        return self.dispatches_per_epoch * train.steps_per_dispatch * train.batch_size

    @property
    def is_over(self) -> bool:
        """Whether the last epoch is done, or the early stop has come."""
        return self.progress.monitor.is_over(len(self.progress.history), self.options.train)

    def thaw(self) -> None:
        """Takes the program of the phase that the next epoch is in, and says so where it is another one."""
        params = self.progress.state.params
        phase = phase_after(self.options, params, len(self.progress.history))
        if phase != self.programs.phase:
            in_files = self.data.folder is not None
            dispatch = make_train_dispatch(self.options, all_devices(), in_files=in_files, phase=phase)
            self.programs.phase, self.programs.dispatch = phase, dispatch
            print(thaw_line(self.options, params, phase))

    def heed(self, stop: cli.Stop) -> bool:
        """Whether to stop for a signal: that of any process stops all, at the same dispatch.

        Saving is due at the same dispatch in all of them, too, by the clock of process 0.
        """
        asks = (
            coordination.is_first() and time.monotonic() - self.saved_s > 60 * self.options.train.save_minutes
        )
        if asks:
            self.saved_s = time.monotonic()
        number = self.programs.agree(stop.caught or (_SAVE if asks else 0))
        self.is_save_due = number == _SAVE
        if number > _SAVE:
            self.stopped_by = signal.Signals(number)
        return self.stopped_by is not None

    def save(self, segmentation_loss: float | None = None) -> float:
        """Saves a checkpoint, with its validation loss at an epoch's end; returns the seconds that took.

        Of the loop: for the rest of the write before, and a copy. That is written beside the next epoch.
        """
        started_s, progress = time.perf_counter(), self.progress
        meta = make_meta(
            self.options,
            **self.data.about | {"trained_on": sorted({*self.data.about["trained_on"], *progress.inherited})},
            monitor=dataclasses.asdict(progress.monitor),
            history=progress.history.values,
            parents=progress.parents,
        )
        self.checkpoints.save(progress.state, self.data.batches, meta, segmentation_loss)
        self.saved_s = time.monotonic()
        return time.perf_counter() - started_s


def start_run(
    options: config.Config, dataset: Dataset | None = None, parent: Parent | None = None
) -> TrainingRun:
    """Everything before the first step; takes up the latest checkpoint of `workdir` where there is one.

    `dataset` None: the one that `data` names. A new run's weights are those of `parent`, or drawn. Raises
    ValueError for a batch, a split, data or a parent that cannot be trained on, before anything is deleted.
    """
    devices = all_devices()
    check_devices(options, len(devices))
    check_freezing(options)
    if parent:
        check_parent(options, parent)
    if no_kernel := check_kernel(options, devices[0].platform):
        print(no_kernel)
    workdir = run_folder(options.workdir)
    if not is_remote(options.workdir):
        coordination.check_shared(workdir)
    wanted = options.data
    dataset = dataset or coordination.first_then_others(lambda: load_wanted(wanted, scratch(options.workdir)))
    dataset = with_made(dataset, wanted)
    _check_peers(options, dataset, parent)
    agree = make_agreement(devices)
    agree(0)  # connects the processes while none is late: for that alone they wait no longer than 30 s
    data = _training_data(options, dataset, devices)
    if options.overwrite:
        coordination.first_then_others(lambda: delete_run(workdir))
    checkpoints = Checkpoints(workdir, options.strict_resume)
    progress = take_up(checkpoints, options, dataset.fingerprint, data.batches, devices) or begin(
        options, devices, parent
    )
    phase = phase_after(options, progress.state.params, len(progress.history))
    programs = Programs(
        phase=phase,
        dispatch=make_train_dispatch(options, devices, in_files=data.folder is not None, phase=phase),
        validate=make_evaluation(options, data.val_recordings, devices, data.folder),
        agree=agree,
    )
    run = TrainingRun(options, data, programs, checkpoints, progress)
    print(summary(options))
    for before in progress.parents[:1]:
        print(f"started from {before['name']}, step {before['step']}, weights {before['digest'][:12]}")
    if options.optimizer.freeze:
        print(freezing_line(options, progress.state.params, phase))
    windows = data.windows
    print(
        f"{len(windows):,} training windows ({windows.n_positive:,} with a repetition start) "
        f"of {len(dataset.split('train'))} recordings, {len(data.val_recordings)} for validation; "
        f"{len(devices)} x {devices[0].device_kind}{_of_processes()}, batch {options.train.batch_size}, "
        f"an epoch is {run.windows_per_epoch:,} windows"
    )
    return run


def load_wanted(wanted: config.Data, workdir: Path) -> Dataset:
    """`load_dataset` of what the config names; recordings are built below `workdir` where they have to be."""
    return load_dataset(
        wanted.root,
        wanted.recordings,
        wanted.classes,
        workdir / "recordings",
        wanted.max_minutes,
        wanted.synthetic_people,
        most_bytes(wanted),
    )


def _training_data(options: config.Config, dataset: Dataset, devices: Sequence[jax.Device]) -> TrainingData:
    train_recordings, val_recordings = dataset.split("train"), dataset.split("val")
    if not train_recordings or not val_recordings:
        missing = "val" if train_recordings else "train"
        raise ValueError(f"{dataset.data}: no recording in split {missing}: add recordings of more people")
    if options.data.window_split:
        own = [recording for recording in train_recordings if not recording.is_made]
        val_recordings = own or train_recordings
    if options.labels.propose:
        train_recordings = propose_starts(train_recordings)
    folder = choose_folder(options, dataset, devices)
    sequences, windows = lay_out_where(
        folder, options, train_recordings, options.data.stride_frames, devices, options.data.window_split
    )
    _warn_of_gaps(windows, val_recordings, options)
    read = None if isinstance(sequences, dict) else sequences.cut
    return TrainingData(
        about=_about(dataset, options),
        val_recordings=val_recordings,
        windows=windows,
        batches=make_train_batches(windows, options, jax.process_index(), jax.process_count(), read),
        sequences=sequences,
        folder=folder,
    )


def _of_processes() -> str:
    return f" of {jax.process_count()} processes" if jax.process_count() > 1 else ""


def _check_peers(options: config.Config, dataset: Dataset, parent: Parent | None) -> None:
    """Raises ValueError where the processes differ in anything but where they find things."""
    given = {o.key: o.default for o in all_options(options) if not o.about["is_place"]}
    made_of = {"the data's fingerprint": dataset.fingerprint, "jax": jax.__version__}
    coordination.check_same({**given, **made_of, "the weights of train.init": parent and parent.digest})


def _about(dataset: Dataset, options: config.Config) -> dict[str, Any]:
    places = {"root": options.data.root, "recordings": options.data.recordings}
    return {
        **{key: absolute(place) if place else "" for key, place in places.items()},
        "data": dataset.data,
        "fingerprint": dataset.fingerprint,
        "split": {recording.name: recording.split for recording in dataset.recordings},
        "trained_on": sorted(recording.content for recording in dataset.split("train")),
    }


def _warn_of_gaps(windows: Runs, val_recordings: Sequence[AnyRecording], options: config.Config) -> None:
    """Says what cannot be learned or chosen; raises ValueError where no checkpoint could be the best."""
    known = [
        recording for recording in val_recordings if recording.starts is not None and len(recording.starts)
    ]
    counts_rest = options.labels.rest
    if not any(r.starts is not None and (counts_rest or r.class_name != NO_EXERCISE) for r in val_recordings):
        raise ValueError(
            "no validation recording has known repetitions, by which the best checkpoint is chosen: add a "
            "label file for one (data/README.md)" + (", or no-exercise recordings" if counts_rest else "")
        )
    if not known:
        print("warning: validation holds no repetition start: the best checkpoint is one that predicts none")
    for index, name in enumerate(options.data.classes):
        if not (windows.classes_R == index).any():
            print(f"warning: no training window of class {name}: the model cannot learn it")
        elif name != NO_EXERCISE and not windows.positive_R[windows.classes_R == index].any():
            print(
                f"warning: no repetition start of class {name} in training: add label files to count it well"
            )
