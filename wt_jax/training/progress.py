"""Where a training run stands: at its first step, or where its newest checkpoint left it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import grain
import jax

from wt_jax import config
from wt_jax.models.tcn import init_params
from wt_jax.runtime import coordination
from wt_jax.storage.places import run_folder
from wt_jax.training.checkpoint_meta import check_resumable
from wt_jax.training.checkpoints import Checkpoints
from wt_jax.training.history import History
from wt_jax.training.optimizer import Monitor, learning_rate
from wt_jax.training.step_folder import UNCHECKED, DamagedError
from wt_jax.training.train_step import TrainState, init_state, state_template
from wt_jax.training.warm_start import Parent, warm_start


@dataclasses.dataclass
class Progress:
    """How far a run is: what every checkpoint holds."""

    state: TrainState
    step: int  # of `state`, known without asking the device
    monitor: Monitor
    history: History
    parents: list[dict[str, Any]]  # `Parent.lineage`, of a run that started from a checkpoint
    inherited: frozenset[str]  # what those learned from, `Recording.content`


def begin(options: config.Config, devices: Sequence[jax.Device], parent: Parent | None) -> Progress:
    """Before the first step, with the weights of `parent`, and a table of them, or drawn ones."""
    params = init_params(options)
    if parent:
        params, table = warm_start(options, params, parent)
        print("\n".join(table))
    state = init_state(options, devices, params)
    lineage, inherited = (parent.lineage, parent.trained_on) if parent else ([], frozenset[str]())
    return Progress(state, 0, Monitor(learning_rate(options)), History(), lineage, inherited)


def take_up(
    checkpoints: Checkpoints,
    options: config.Config,
    fingerprint: str,
    batches: grain.DatasetIterator,
    devices: Sequence[jax.Device],
) -> Progress | None:
    """Where the newest checkpoint that can be restored stands, `batches` moved there; None without any."""
    damaged: dict[int, DamagedError] = {}
    coordination.check_same({"latest checkpoint": checkpoints.latest_step})
    for step in reversed(checkpoints.steps()):
        meta = checkpoints.meta(step)
        check_resumable(meta, options, fingerprint, run_folder(options.workdir))
        try:
            restored, failed = checkpoints.restore(step, state_template(options, devices), batches), ""
        except DamagedError as error:
            failed = str(error)
        if words := max(coordination.exchange(failed)):  # of any process
            damaged[step] = DamagedError(words)
            continue
        checkpoints.set_aside(damaged)
        n_epochs, remark = len(meta["history"]["loss"]), "" if restored.is_checked else f"; {UNCHECKED}"
        print(f"resumed: {options.workdir}, step {step}, {n_epochs} epochs done{remark}")
        return Progress(
            restored.state,
            step,
            Monitor(**meta["monitor"]),
            History(meta["history"]),
            meta["parents"],
            frozenset(meta["trained_on"]),
        )
    checkpoints.set_aside(damaged)  # raises, where there was any
    return None
