"""The checkpoint that is asked for, as it is served: a training run's, or the one in the box."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from wt_jax import config
from wt_jax.inference import pretrained
from wt_jax.inference.calibration import FEWEST, REMEDY
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.storage.copies import copy_of_run
from wt_jax.training.checkpoint_reader import CheckpointReader, open_served
from wt_jax.training.optimizer import Monitor
from wt_jax.training.step_folder import UNCHECKED, DamagedError
from wt_jax.training.train_step import state_template
from wt_jax.training.warm_start import Parent, digest_of


def restore_model(folder: Path | str, devices: Sequence[jax.Device]) -> RestoredModel:
    """The checkpoint to serve of the workdir `folder`, on these devices; of "pretrained" the one in the box.

    That is a word: as a Path, or with ./ before it, it is a folder like any other.
    Raises ValueError where there is none, where it is damaged, or of other joint angles than this wt_jax
    computes.
    """
    if folder == pretrained.PRETRAINED:
        return pretrained.restore_pretrained(pretrained.BOX, devices)
    checkpoints, step = open_served(copy_of_run(folder))
    while True:
        try:
            return _restore(str(folder), checkpoints, step, devices)
        except DamagedError as error:
            if step in checkpoints.steps():
                raise DamagedError(
                    f"{error}; bring it back from a copy, or serve the next best: move this one away from "
                    f"{checkpoints.folder}"
                ) from error
        # The run that is writing there has deleted that one.
        checkpoints, step = open_served(copy_of_run(folder))


def parent_of(model: RestoredModel) -> Parent:
    """What a run that starts from it must know of it (`start_run`)."""
    params = jax.device_get(model.params)
    lineage = tuple(model.meta["parents"])
    return Parent(model.name, model.options, params, model.step, digest_of(params), lineage, model.trained_on)


def _restore(
    name: str, checkpoints: CheckpointReader, step: int, devices: Sequence[jax.Device]
) -> RestoredModel:
    meta, counting = checkpoints.meta(step), checkpoints.counting(step)
    options = config.unflatten(meta["config"])
    state, is_checked = checkpoints.restore(step, state_template(options, devices))
    remarks = [] if is_checked else [f"step {step} {UNCHECKED}"]
    if (lost := checkpoints.lost_best(step)) is not None:
        remarks.append(
            f"the best epoch (validation segmentation loss {lost:.4f}) is damaged or gone: step {step} is "
            "served in its place"
        )
    if not counting:
        remarks.append(f"no thresholds were chosen, the defaults are used: {_why(checkpoints.newest_meta())}")
    return RestoredModel(name, step, options, state.eval_params, counting, meta, "; ".join(remarks))


def _why(newest: dict[str, Any] | None) -> str:
    """Why no thresholds were chosen: the newest checkpoint tells whether training came to its end."""
    if newest is None:
        return "no checkpoint is left that could tell why"
    train = config.unflatten(newest["config"]).train
    n_epochs = len(newest["history"]["loss"])
    if Monitor(**newest["monitor"]).is_over(n_epochs, train):
        return f"fewer than {FEWEST} of its validation recordings hold repetitions: {REMEDY}"
    return (
        f"its training is not over ({n_epochs} of {train.epochs} epochs): they are chosen at its end; the "
        "command that began it goes on with it"
    )
