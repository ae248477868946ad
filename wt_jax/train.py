"""`python -m wt_jax.train --config experiments/main.py`: the training loop."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from tqdm import tqdm

from wt_jax import commands, config
from wt_jax.checkpoint import Checkpoints, check_resumable, delete_run, make_meta
from wt_jax.corpus import Corpus, load_corpus
from wt_jax.evaluate import make_evaluation
from wt_jax.history import History, TensorBoard
from wt_jax.metrics import Sums, scores
from wt_jax.optimizer import Monitor, set_learning_rate
from wt_jax.pipeline import make_train_batches
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.steps import (
    Dispatch,
    TrainState,
    check_devices,
    explain_out_of_memory,
    init_state,
    make_train_dispatch,
    put_sequences,
    reset_sums,
    state_template,
)
from wt_jax.summary import summary
from wt_jax.windows import Windows, cut_windows, make_sequences

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class Run:
    """A training run and where it stands."""

    options: config.Config
    about_data: dict[str, Any]  # for every checkpoint: where from, fingerprint, split, what is trained on
    state: TrainState
    step: int  # of `state`, known without asking the device
    batches: grain.DatasetIterator
    sequences: dict[str, jax.Array]
    dispatch: Dispatch
    validate: Callable[[Any], Sums]
    checkpoints: Checkpoints
    monitor: Monitor
    history: History

    @property
    def workdir(self) -> Path:
        return Path(self.options.workdir)

    @property
    def dispatches_per_epoch(self) -> int:
        train = self.options.train
        return max(1, round(train.windows_per_epoch / (train.batch_size * train.steps_per_dispatch)))

    @property
    def is_over(self) -> bool:
        train = self.options.train
        return len(self.history) >= train.epochs or self.monitor.should_stop(train.patience)

    def save(self, segmentation_loss: float | None = None) -> None:
        meta = make_meta(
            self.options,
            **self.about_data,
            monitor=dataclasses.asdict(self.monitor),
            history=self.history.values,
        )
        self.checkpoints.save(self.state, self.batches, meta, segmentation_loss)


class NonFiniteLossError(ValueError):
    """A training step's loss, or the validation loss, was infinite or not a number."""


def train_epoch(run: Run, stop: commands.Stop) -> dict[str, float] | None:
    """Trains to the end of the epoch: its training scores, or None where a signal cut it short."""
    n_dispatches, train = run.dispatches_per_epoch, run.options.train
    first = run.step // train.steps_per_dispatch % n_dispatches
    waited_s, start_s, pending = 0.0, time.perf_counter(), None
    bar = tqdm(range(first, n_dispatches), f"epoch {len(run.history) + 1}", leave=False, disable=None)
    for _ in bar:
        draw_s = time.perf_counter()
        firsts_KxB = next(run.batches)
        waited_s += time.perf_counter() - draw_s
        run.state, losses_K = run.dispatch(run.state, run.sequences, firsts_KxB)
        if pending:  # the losses of the dispatch before: the device is busy while they are fetched
            bar.set_postfix_str(f"loss {_last_loss(run, *pending):.3f}, waiting for data {waited_s:.1f} s")
        pending = (run.step, losses_K)
        run.step += train.steps_per_dispatch
        if stop.caught:
            break
    if pending:
        _last_loss(run, *pending)
    if stop.caught:
        return None
    epoch_s = time.perf_counter() - start_s
    return {
        **scores(jax.device_get(run.state.sums), run.options.loss.segmentation_weight),
        "epoch_seconds": epoch_s,
        "windows_per_second": (n_dispatches - first) * train.steps_per_dispatch * train.batch_size / epoch_s,
        "data_wait_share": waited_s / epoch_s,
    }


def fit(run: Run, board: TensorBoard, stop: commands.Stop) -> None:
    """The loop: epochs until the last, the early stop or a signal, each with a checkpoint at its end."""
    while not run.is_over:
        epoch = train_epoch(run, stop)
        if epoch is None:
            run.save()
            return
        _log.debug(
            "epoch %d trained in %.2f s, step %d", len(run.history) + 1, epoch["epoch_seconds"], run.step
        )
        validation = scores(run.validate(run.state.params), run.options.loss.segmentation_weight)
        _log.debug("validation: %s", validation)
        loss = validation["segmentation_loss"]
        if not np.isfinite(loss):
            raise _not_finite(run, "validation segmentation loss", loss, run.step)
        learning_rate = run.monitor.learning_rate
        is_best = run.monitor.update(loss, run.options.optimizer)
        epoch |= {f"val_{name}": value for name, value in validation.items()} | {
            "learning_rate": learning_rate
        }
        run.history.append(epoch)
        if run.monitor.learning_rate != learning_rate:
            opt_state = set_learning_rate(run.state.opt_state, run.monitor.learning_rate)
            run.state = run.state.replace(opt_state=opt_state)
        run.state = reset_sums(run.state)
        run.save(loss)
        _log.debug("checkpoint of step %d saved; kept: best %d", run.step, run.checkpoints.best_step)
        run.history.save(run.workdir / "training_history.npy")
        board.write(len(run.history), epoch)
        print(_epoch_line(run, epoch, is_best), flush=True)


def _last_loss(run: Run, first_step: int, losses_K: jax.Array) -> float:
    """The last loss of a dispatch; raises NonFiniteLossError at the first one that is not finite."""
    values = np.asarray(jax.device_get(losses_K))
    for step, value in enumerate(values, first_step):
        if not np.isfinite(value):
            raise _not_finite(run, "loss", value, step)
    _log.debug("steps %d to %d: losses %s", first_step, first_step + len(values) - 1, values)
    return float(values[-1])


def _not_finite(run: Run, what: str, value: float, step: int) -> NonFiniteLossError:
    kept = run.checkpoints.latest_step
    return NonFiniteLossError(
        f"the {what} is {value} at step {step} (epoch {len(run.history) + 1}). "
        + (f"The last good checkpoint, step {kept}, is kept in {run.workdir}. " if kept is not None else "")
        + "Try a lower --config.optimizer.learning_rate, and float32 if model.compute_dtype is bfloat16"
    )


def _epoch_line(run: Run, epoch: dict[str, float], is_best: bool) -> str:
    n_epochs = run.options.train.epochs
    left_s = (n_epochs - len(run.history)) * epoch["epoch_seconds"]
    line = (
        f"epoch {len(run.history):>3}/{n_epochs}  loss {epoch['loss']:.3f}  "
        f"class {epoch['classification_accuracy']:.3f}  starts {epoch['segmentation_loss']:.4f}  |  "
        f"validation class {epoch['val_classification_accuracy']:.3f}  "
        f"starts {epoch['val_segmentation_loss']:.4f}{'*' if is_best else ' '} "
        f"auc {epoch['val_segmentation_auc']:.3f}  |  "
        f"{epoch['windows_per_second']:,.0f} windows/s, waiting {100 * epoch['data_wait_share']:.1f} %, "
        f"{epoch['epoch_seconds']:.1f} s, at most {left_s / 60:.0f} min left"
    )
    if run.monitor.learning_rate != epoch["learning_rate"]:
        line += f"\n  no better for {run.options.optimizer.plateau_patience} epochs: learning rate "
        line += f"{epoch['learning_rate']:.2g} -> {run.monitor.learning_rate:.2g}"
    return line


def start(options: config.Config) -> Run:
    """Everything before the first step; takes up the latest checkpoint of `workdir` where there is one."""
    devices = jax.local_devices()
    check_devices(options, len(devices))
    workdir = Path(options.workdir)
    if options.overwrite:
        delete_run(workdir)
    corpus = load_corpus(
        options.data.root, options.data.recordings, options.data.classes, workdir / "recordings"
    )
    train_recordings, val_recordings = corpus.split("train"), corpus.split("val")
    if not train_recordings or not val_recordings:
        missing = "val" if train_recordings else "train"
        raise ValueError(f"{corpus.data}: no recording in split {missing}: add recordings of more people")
    sequences = make_sequences(train_recordings, options.data.classes, options.labels)
    windows = cut_windows(train_recordings, sequences, options.data.window_frames, options.data.stride_frames)
    _warn_of_gaps(windows, options.data.classes)
    run = Run(
        options=options,
        about_data=_about(corpus),
        state=init_state(options, devices),
        step=0,
        batches=make_train_batches(windows, options),
        sequences=put_sequences(sequences, devices),
        dispatch=make_train_dispatch(options, devices),
        validate=make_evaluation(options, val_recordings, devices),
        checkpoints=Checkpoints(workdir),
        monitor=Monitor(options.optimizer.learning_rate),
        history=History(),
    )
    latest = run.checkpoints.latest_step
    if latest is not None:
        meta = run.checkpoints.meta(latest)
        check_resumable(meta, options, corpus.fingerprint, workdir)
        run.state = run.checkpoints.restore(latest, state_template(options, devices), run.batches)
        run.step, run.monitor, run.history = latest, Monitor(**meta["monitor"]), History(meta["history"])
        print(f"resumed: {workdir}, step {latest}, {len(run.history)} epochs done")
    print(summary(options))
    print(
        f"{len(windows.firsts_N):,} training windows ({windows.positive_N.sum():,} with a repetition start) "
        f"of {len(train_recordings)} recordings, {len(val_recordings)} for validation; "
        f"{len(devices)} x {devices[0].device_kind}, batch {options.train.batch_size}"
    )
    return run


def _about(corpus: Corpus) -> dict[str, Any]:
    return {
        "data": corpus.data,
        "fingerprint": corpus.fingerprint,
        "split": {recording.name: recording.split for recording in corpus.recordings},
        "trained_on": sorted(recording.content for recording in corpus.split("train")),
    }


def _warn_of_gaps(windows: Windows, classes: Sequence[str]) -> None:
    for name in windows.too_short:
        print(f"left out: {name}: shorter than a window")
    for index, name in enumerate(classes):
        if not (windows.classes_N == index).any():
            print(f"warning: no training window of class {name}: the model cannot learn it")
        elif name != NO_EXERCISE and not windows.positive_N[windows.classes_N == index].any():
            print(
                f"warning: no repetition start of class {name} in training: add label files to count it well"
            )


def main(argv: Sequence[str]) -> int:
    options = config.parse(argv)
    commands.use_compilation_cache()
    run = start(options)
    data = run.about_data["data"]
    board = TensorBoard(run.workdir / "tensorboard", len(run.history) + 1, f"data: {data}")
    with commands.catch_stop() as stop:
        try:
            fit(run, board, stop)
        except jax.errors.JaxRuntimeError as error:
            raise explain_out_of_memory(error, options) or error from error
        finally:
            board.close()
            run.checkpoints.close()
            if len(run.history):
                run.history.save(run.workdir / "training_history.npy")
                run.history.draw(run.workdir / "training_curves.png", f"{run.workdir}   data: {data}")
    if stop.caught:
        print(
            f"{stop.caught.name}: saved step {run.step} in {run.workdir}; the same command goes on from there"
        )
        return stop.status
    best = int(np.argmin(run.history.values["val_segmentation_loss"]))
    why = "last epoch" if len(run.history) >= options.train.epochs else "early stop"
    print(
        f"{why}: best epoch {best + 1}, validation segmentation loss "
        f"{run.history.values['val_segmentation_loss'][best]:.4f}; data: {data}\n"
        f"next: python -m wt_jax.evaluate --checkpoint {run.workdir} --split test"
    )
    return 0


if __name__ == "__main__":
    commands.run(main)
