"""`python -m wt_jax.train --config experiments/main.py`: the training loop."""

import contextlib
import dataclasses
import functools
import logging
import shlex
import signal
import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from tqdm import tqdm

from wt_jax import config
from wt_jax.cluster.flags import take_cluster, train_usage
from wt_jax.cluster.launcher import launch
from wt_jax.inference.calibration import calibrate, fit_doubt, why_none
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.runtime import cli, coordination, failure, jax_setup
from wt_jax.runtime.callable_module import make_callable
from wt_jax.runtime.cluster import find_hosts
from wt_jax.runtime.config_flags import parse, usage
from wt_jax.runtime.files import written_beside
from wt_jax.storage.places import run_folder
from wt_jax.storage.workdir import opened, share
from wt_jax.training.checkpoint_reader import CheckpointReader, latest_step
from wt_jax.training.epoch_line import epoch_line
from wt_jax.training.history import TensorBoard
from wt_jax.training.metrics import scores
from wt_jax.training.optimizer import set_learning_rate
from wt_jax.training.out_of_memory import explain_out_of_memory
from wt_jax.training.result import TrainingResult
from wt_jax.training.setup import TrainingRun, start_run
from wt_jax.training.train_step import all_devices, reset_sums, state_template
from wt_jax.training.warm_start import Parent
from wt_jax.visualization.learning_curves import draw_learning_curves

_log = logging.getLogger("wt_jax.train")  # also when run as __main__
_ABOUT = (
    "Trains a model that says which exercise, and where each repetition starts, on all devices of this "
    "machine or of several. Ctrl-C saves; the same command again goes on. The best checkpoint, the history "
    "and its picture are left in workdir."
)


class NonFiniteLossError(ValueError):
    """A training step's loss, or the validation loss, was infinite or not a number."""


def train_epoch(run: TrainingRun, stop: cli.Stop) -> dict[str, float] | None:
    """Trains to the end of the epoch: its training scores, or None where a signal cut it short."""
    progress, train, n_dispatches = run.progress, run.options.train, run.dispatches_per_epoch
    n_windows = train.steps_per_dispatch * train.batch_size  # of one dispatch
    first = progress.step // train.steps_per_dispatch - len(progress.history) * n_dispatches
    waited_s, start_s, pending = 0.0, time.perf_counter(), None
    bar = tqdm(
        desc=f"epoch {len(progress.history) + 1}", total=n_dispatches * n_windows, initial=first * n_windows,
        unit=" windows", unit_scale=True, leave=False, disable=None if coordination.is_first() else True,
    )  # fmt: skip
    for dispatch in range(first, n_dispatches):
        draw_s = time.perf_counter()
        drawn = run.data.draw()
        waited_s += time.perf_counter() - draw_s
        progress.state, losses_K = run.programs.dispatch(progress.state, *drawn)
        if pending:  # the losses of the dispatch before: the device is busy while they are fetched
            waiting = waited_s / (time.perf_counter() - start_s)
            bar.set_postfix_str(f"loss {_last_loss(run, *pending):.3f}, waiting for data {waiting:.1%}")
        bar.update(n_windows)
        pending = (progress.step, losses_K)
        progress.step += train.steps_per_dispatch
        if run.heed(stop):
            break
        if run.is_save_due and dispatch + 1 < n_dispatches:
            _last_loss(run, *pending)  # nothing is kept that came of a loss which is not finite
            run.save()
    bar.close()
    if pending:
        _last_loss(run, *pending)
    if progress.step // train.steps_per_dispatch < (len(progress.history) + 1) * n_dispatches:
        return None
    epoch_s = time.perf_counter() - start_s
    return {
        **scores(jax.device_get(progress.state.sums), run.options.loss),
        "epoch_seconds": epoch_s,
        "windows_per_second": (n_dispatches - first) * n_windows / epoch_s,
        "data_wait_share": waited_s / epoch_s,
    }


def fit(run: TrainingRun, board: TensorBoard | None, stop: cli.Stop) -> None:
    """The loop: epochs until the last, the early stop or a signal, each with a checkpoint at its end."""
    progress, monitor, history = run.progress, run.progress.monitor, run.progress.history
    while not (run.is_over or run.heed(stop)):
        run.thaw()
        training = train_epoch(run, stop)
        if training is None:
            run.save()
            break
        started_s = time.perf_counter()
        sums = run.programs.validate(progress.state.eval_params)
        validation = scores(sums, run.options.loss)
        loss = validation["segmentation_loss"]
        if not np.isfinite(loss):
            raise _not_finite(run, "validation segmentation loss", loss, progress.step)
        learning_rate = monitor.learning_rate
        is_best = monitor.update(loss, run.options.optimizer)
        history.append(
            training
            | {f"val_{name}": value for name, value in validation.items()}
            | {"learning_rate": learning_rate, "validation_seconds": time.perf_counter() - started_s}
        )
        if monitor.learning_rate != learning_rate:
            opt_state = set_learning_rate(progress.state.opt_state, monitor.learning_rate)
            progress.state = progress.state.replace(opt_state=opt_state)
        progress.state = reset_sums(progress.state)
        history.complete(checkpoint_seconds=run.save(loss))
        _log.debug("step %d: %s", progress.step, history.last())
        if board:
            history.save(run.workdir)
            board.write(len(history), history.last())
        print(epoch_line(run, is_best), flush=True)


def _last_loss(run: TrainingRun, first_step: int, losses_K: jax.Array) -> float:
    """The last loss of a dispatch; raises NonFiniteLossError at the first one that is not finite."""
    values = np.asarray(jax.device_get(losses_K))
    for step, value in enumerate(values, first_step):
        if not np.isfinite(value):
            raise _not_finite(run, "loss", value, step)
    _log.debug("steps %d to %d: losses %s", first_step, first_step + len(values) - 1, values)
    return float(values[-1])


def _not_finite(run: TrainingRun, what: str, value: float, step: int) -> NonFiniteLossError:
    try:
        last = run.checkpoints.latest_step
        kept = "" if last is None else f"The last good checkpoint, step {last}, is kept in {run.workdir}. "
    except ValueError as failed:  # the save before, written meanwhile
        kept = f"And {failed}. "
    return NonFiniteLossError(
        f"the {what} is {value} at step {step} (epoch {len(run.progress.history) + 1}). {kept}"
        "Try a lower --config.optimizer.learning_rate, and float32 if model.compute_dtype is bfloat16"
    )


def calibrate_best(run: TrainingRun) -> None:
    """Chooses how the served checkpoint's timelines are read, on validation, and keeps that in it."""
    run.checkpoints.wait()
    share(run.options.workdir)
    step, recordings = run.checkpoints.served_step, [each.load() for each in run.data.val_recordings]
    assert step is not None
    if too_few := why_none(recordings):
        print(f"warning: {too_few}")
        return
    template = state_template(run.options, all_devices())
    params = run.checkpoints.restore(step, template).state.eval_params
    timelines = make_timelines(run.options)(params, recordings)
    counting = calibrate(recordings, timelines)
    if counting is not None and coordination.is_first():
        doubt = fit_doubt(recordings, timelines, counting)
        run.checkpoints.save_counting(step, dataclasses.replace(counting, doubt=doubt))


@contextlib.contextmanager
def open_board(run: TrainingRun) -> Iterator[TensorBoard | None]:
    """TensorBoard's file, of process 0."""
    if not coordination.is_first():
        yield None
        return
    about, epoch = f"data: {run.data.about['data']}", len(run.progress.history) + 1
    with contextlib.closing(TensorBoard(run.workdir / "tensorboard", epoch, about)) as board:
        yield board


def finish(run: TrainingRun) -> None:
    """Writes the history and its picture; a disk that is full must not hide why the run ended."""
    history = run.progress.history
    if len(history):
        try:
            history.save(run.workdir)
            title = f"{run.options.workdir}   data: {run.data.about['data']}"
            with written_beside(run.workdir / "training_curves.png") as beside:
                draw_learning_curves(history.values, title).savefig(beside, dpi=100)
        except OSError as error:
            print(f"warning: {run.workdir}: history not written: {error}")


def find_parent(options: config.Config) -> Parent | None:
    """What `train.init` names; None where a run is taken up: it is not looked at again, and may be gone."""
    goes_on = not options.overwrite and CheckpointReader(run_folder(options.workdir)).latest_step is not None
    if not options.train.init or goes_on:
        return None
    return parent_of(restore_model(options.train.init, all_devices()))


def train(options: config.Config, ends_process: bool = True) -> TrainingResult:
    """A run from its start, or from where it was, to its end or a signal (`cli.catch_stop`)."""
    try:
        run = start_run(options, parent=find_parent(options))
        with (
            open_board(run) as board,
            cli.catch_stop(ends_process) as stop,
            run.checkpoints,  # closed whatever ends the run, and before a signal may
        ):
            try:
                fit(run, board, stop)
                if run.is_over:
                    calibrate_best(run)
            finally:
                if coordination.is_first():
                    finish(run)
    except jax.errors.JaxRuntimeError as error:
        raise explain_out_of_memory(error, options) or error from error
    result = _result(run)
    if result.stopped_by:
        name = result.stopped_by.name
        step, where = run.progress.step, options.workdir
        print(f"{name}: saved step {step} in {where}; the same command goes on from there")
        return result
    n, is_last = result.n_epochs, result.n_epochs >= options.train.epochs
    why = f"done after {n} epoch{'s'[: n > 1]}" if is_last else f"early stop after epoch {n}"
    print(
        f"{why}: serving the {options.train.select}, epoch {result.epoch}; validation segmentation loss "
        f"{result.segmentation_loss:.4f}; data: {result.data}\n"
        f"next: python -m wt_jax.evaluate --checkpoint {shlex.quote(run.options.workdir)} --split test"
    )
    return result


def _result(run: TrainingRun) -> TrainingResult:
    served, epoch, loss = run.checkpoints.served_step, None, None
    if served is not None:
        epoch = served * run.options.train.batch_size // run.windows_per_epoch
        loss = run.progress.history.values["val_segmentation_loss"][epoch - 1]
    return TrainingResult(
        workdir=run.workdir,
        data=run.data.about["data"],
        step=run.progress.step,
        epoch=epoch,
        segmentation_loss=loss,
        history=run.progress.history.values,
        stopped_by=None if run.is_over else run.stopped_by,
    )


def main(argv: Sequence[str]) -> int:
    """The command: its exit status."""
    if {"-h", "--help"} & set(argv):
        print(usage(_ABOUT), train_usage(), sep="\n\n")
        return 0
    cluster, argv = take_cluster(argv)
    options = parse(argv)
    if cluster:
        return launch(cluster, ["train", *argv], functools.partial(latest_step, options.workdir))
    jax_setup.use_compilation_cache()
    jax_setup.keep_freed()
    with failure.joined(), opened(options.workdir):
        return train(options).status


def train_here(options: config.Config) -> TrainingResult:
    """Trains in this process, as `python -m wt_jax.train` does, what stands in `workdir` taken up again.

    `options` are checked, and stay yours to change. The first Ctrl-C or SIGTERM saves and then does what it
    would have done without: Ctrl-C raises KeyboardInterrupt, and the same call goes on from there. Raises
    ValueError for options and data that cannot be trained on, for a loss that is not finite, for a workdir of
    another run or that another one is writing to, and on one of several hosts, which only the command joins.
    """
    if not isinstance(options, config.Config):
        raise ValueError(f"wt_jax.train takes a wt_jax.Config, not {type(options).__name__} {options!r}")
    options = config.unflatten(config.flatten(options))
    if find_hosts() is not None:
        raise ValueError("a run of several processes is started with python -m wt_jax.train on every host")
    jax_setup.use_compilation_cache()
    jax_setup.keep_freed()
    with opened(options.workdir):
        result = train(options, ends_process=False)
    if result.stopped_by:
        signal.raise_signal(result.stopped_by)
    return result


if __name__ == "__main__":
    cli.run(main)
else:
    make_callable(__name__, train_here)
