"""`python -m wt_jax.train --config experiments/main.py`: the training loop."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from tqdm import tqdm

from wt_jax import config
from wt_jax.inference.calibration import calibrate, why_none
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.runtime import cli, coordination, failure, jax_setup
from wt_jax.runtime.files import only_writer
from wt_jax.runtime.jax_setup import explain_out_of_memory, keep_freed
from wt_jax.training.history import TensorBoard
from wt_jax.training.metrics import scores
from wt_jax.training.optimizer import set_learning_rate
from wt_jax.training.setup import TrainingRun, start_run
from wt_jax.training.train_step import all_devices, reset_sums, state_template

_log = logging.getLogger("wt_jax.train")  # also when run as __main__


class NonFiniteLossError(ValueError):
    """A training step's loss, or the validation loss, was infinite or not a number."""


def train_epoch(run: TrainingRun, stop: cli.Stop) -> dict[str, float] | None:
    """Trains to the end of the epoch: its training scores, or None where a signal cut it short."""
    n_dispatches, train = run.dispatches_per_epoch, run.options.train
    n_windows = train.steps_per_dispatch * train.batch_size  # of one dispatch
    first = run.step // train.steps_per_dispatch - len(run.history) * n_dispatches
    waited_s, start_s, pending = 0.0, time.perf_counter(), None
    bar = tqdm(
        desc=f"epoch {len(run.history) + 1}", total=n_dispatches * n_windows, initial=first * n_windows,
        unit=" windows", unit_scale=True, leave=False, disable=None if coordination.is_first() else True,
    )  # fmt: skip
    for _ in range(first, n_dispatches):
        draw_s = time.perf_counter()
        firsts_KxB = next(run.batches)
        waited_s += time.perf_counter() - draw_s
        run.state, losses_K = run.dispatch(run.state, run.sequences, firsts_KxB)
        if pending:  # the losses of the dispatch before: the device is busy while they are fetched
            waiting = waited_s / (time.perf_counter() - start_s)
            bar.set_postfix_str(f"loss {_last_loss(run, *pending):.3f}, waiting for data {waiting:.1%}")
        bar.update(n_windows)
        pending = (run.step, losses_K)
        run.step += train.steps_per_dispatch
        if run.heed(stop):
            break
    bar.close()
    if pending:
        _last_loss(run, *pending)
    if run.step // train.steps_per_dispatch < (len(run.history) + 1) * n_dispatches:
        return None
    epoch_s = time.perf_counter() - start_s
    return {
        **scores(jax.device_get(run.state.sums), run.options.loss.segmentation_weight),
        "epoch_seconds": epoch_s,
        "windows_per_second": (n_dispatches - first) * n_windows / epoch_s,
        "data_wait_share": waited_s / epoch_s,
    }


def fit(run: TrainingRun, board: TensorBoard | None, stop: cli.Stop) -> None:
    """The loop: epochs until the last, the early stop or a signal, each with a checkpoint at its end."""
    while not (run.is_over or run.heed(stop)):
        epoch = train_epoch(run, stop)
        if epoch is None:
            run.save()
            break
        _log.debug(
            "epoch %d trained in %.2f s, step %d", len(run.history) + 1, epoch["epoch_seconds"], run.step
        )
        started_s = time.perf_counter()
        validation = scores(run.validate(run.state.eval_params), run.options.loss.segmentation_weight)
        validation_s = time.perf_counter() - started_s
        _log.debug("validation: %s", validation)
        loss = validation["segmentation_loss"]
        if not np.isfinite(loss):
            raise _not_finite(run, "validation segmentation loss", loss, run.step)
        learning_rate = run.monitor.learning_rate
        is_best = run.monitor.update(loss, run.options.optimizer)
        epoch |= {f"val_{name}": value for name, value in validation.items()} | {
            "learning_rate": learning_rate,
            "validation_seconds": validation_s,
            "checkpoint_seconds": 0.0,
        }
        run.history.append(epoch)
        if run.monitor.learning_rate != learning_rate:
            opt_state = set_learning_rate(run.state.opt_state, run.monitor.learning_rate)
            run.state = run.state.replace(opt_state=opt_state)
        run.state = reset_sums(run.state)
        started_s = time.perf_counter()
        run.save(loss)
        epoch["checkpoint_seconds"] = time.perf_counter() - started_s
        run.history.complete(checkpoint_seconds=epoch["checkpoint_seconds"])
        _log.debug("checkpoint of step %d saved; kept: best %d", run.step, run.checkpoints.best_step)
        if board:
            run.history.save(run.workdir / "training_history.npy")
            board.write(len(run.history), epoch)
        print(_epoch_line(run, epoch, is_best), flush=True)


def _last_loss(run: TrainingRun, first_step: int, losses_K: jax.Array) -> float:
    """The last loss of a dispatch; raises NonFiniteLossError at the first one that is not finite."""
    values = np.asarray(jax.device_get(losses_K))
    for step, value in enumerate(values, first_step):
        if not np.isfinite(value):
            raise _not_finite(run, "loss", value, step)
    _log.debug("steps %d to %d: losses %s", first_step, first_step + len(values) - 1, values)
    return float(values[-1])


def _not_finite(run: TrainingRun, what: str, value: float, step: int) -> NonFiniteLossError:
    kept = run.checkpoints.latest_step
    return NonFiniteLossError(
        f"the {what} is {value} at step {step} (epoch {len(run.history) + 1}). "
        + (f"The last good checkpoint, step {kept}, is kept in {run.workdir}. " if kept is not None else "")
        + "Try a lower --config.optimizer.learning_rate, and float32 if model.compute_dtype is bfloat16"
    )


def _epoch_line(run: TrainingRun, epoch: dict[str, float], is_best: bool) -> str:
    n_epochs = run.options.train.epochs
    parts_s = [epoch[key] for key in ("epoch_seconds", "validation_seconds", "checkpoint_seconds")]
    left_s = (n_epochs - len(run.history)) * sum(parts_s)
    validating, saving = (100 * part_s / sum(parts_s) for part_s in parts_s[1:])
    line = (
        f"epoch {len(run.history):>3}/{n_epochs}  loss {epoch['loss']:.3f}  "
        f"class {epoch['classification_accuracy']:.3f}  starts {epoch['segmentation_loss']:.4f}  |  "
        f"validation class {epoch['val_classification_accuracy']:.3f}  "
        f"starts {epoch['val_segmentation_loss']:.4f}{'*' if is_best else ' '} "
        f"auc {epoch['val_segmentation_auc']:.3f}  |  "
        f"{epoch['windows_per_second']:,.0f} windows/s, waiting {100 * epoch['data_wait_share']:.1f} %, "
        f"{sum(parts_s):.1f} s (validation {validating:.1f} %, saving {saving:.1f} %), "
        f"at most {left_s / 60:.0f} min left"
    )
    if run.monitor.learning_rate != epoch["learning_rate"]:
        line += f"\n  no better for {run.options.optimizer.plateau_patience} epochs: learning rate "
        line += f"{epoch['learning_rate']:.2g} -> {run.monitor.learning_rate:.2g}"
    return line


def calibrate_best(run: TrainingRun) -> None:
    """Chooses how the best checkpoint's timelines are read, on validation, and keeps that in it."""
    step = run.checkpoints.served_step
    assert step is not None
    template = state_template(run.options, all_devices())
    params = run.checkpoints.restore(step, template).eval_params
    known = [recording for recording in run.val_recordings if recording.starts is not None]
    counting = calibrate(known, make_timelines(run.options)(params, known))
    if counting is None:
        print(f"warning: {why_none(known)}")
    elif coordination.is_first():
        run.checkpoints.save_counting(step, counting)


@contextlib.contextmanager
def open_board(run: TrainingRun) -> Iterator[TensorBoard | None]:
    """TensorBoard's file, of process 0."""
    if not coordination.is_first():
        yield None
        return
    about = f"data: {run.about_data['data']}"
    with contextlib.closing(TensorBoard(run.workdir / "tensorboard", len(run.history) + 1, about)) as board:
        yield board


def finish(run: TrainingRun) -> None:
    """Writes the history and its picture; a disk that is full must not hide why the run ended."""
    if len(run.history):
        try:
            run.history.save(run.workdir / "training_history.npy")
            data = run.about_data["data"]
            run.history.draw(run.workdir / "training_curves.png", f"{run.workdir}   data: {data}")
        except OSError as error:
            print(f"warning: {run.workdir}: history not written: {error}")


def train(options: config.Config) -> int:
    """A run from its start, or from where it was, to its end or a signal: the exit status."""
    try:
        run = start_run(options)
        with open_board(run) as board, cli.catch_stop() as stop:
            try:
                fit(run, board, stop)
                if run.is_over:
                    calibrate_best(run)
            finally:
                if coordination.is_first():
                    finish(run)
    except jax.errors.JaxRuntimeError as error:
        raise explain_out_of_memory(error, options) or error from error
    served = run.checkpoints.served_step
    run.checkpoints.close()
    if run.stopped_by and not run.is_over:
        name, status = run.stopped_by.name, cli.stop_status(run.stopped_by)
        print(f"{name}: saved step {run.step} in {run.workdir}; the same command goes on from there")
        return status
    assert served is not None
    n = len(run.history)
    is_last = n >= options.train.epochs
    why = f"done after {n} epoch{'s'[: n > 1]}" if is_last else f"early stop after epoch {n}"
    epoch = served * options.train.batch_size // run.windows_per_epoch
    loss = run.history.values["val_segmentation_loss"][epoch - 1]
    print(
        f"{why}: serving the {options.train.select}, epoch {epoch}; validation segmentation loss {loss:.4f}; "
        f"data: {run.about_data['data']}\n"
        f"next: python -m wt_jax.evaluate --checkpoint {run.workdir} --split test"
    )
    return 0


def main(argv: Sequence[str]) -> int:
    options = config.parse(argv)
    jax_setup.use_compilation_cache()
    keep_freed()
    with (
        failure.joined(),
        only_writer(options.workdir) if coordination.is_first() else contextlib.nullcontext(),
    ):
        return train(options)


if __name__ == "__main__":
    cli.run(main)
