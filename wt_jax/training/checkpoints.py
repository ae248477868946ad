"""Checkpoints (Orbax): the best by validation segmentation loss, and the latest."""

import math
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from wt_jax import config
from wt_jax.counting.decoding import Counting
from wt_jax.runtime import coordination
from wt_jax.training.checkpoint_meta import check_meta
from wt_jax.training.step_folder import METRIC, DamagedError, StepFolder

_DELETED = "deleted"  # a step goes there in one move, and then file by file: none is ever half there
_DAMAGED = "damaged"
_FULL = "No space left on device"


class CheckpointReader:
    """The checkpoints under `workdir/checkpoints/<step>`, read while a run may write there; changes nothing.

    Each holds `state` (TrainState), `batches` (position of the Grain iterator), `meta` (JSON:
    `checkpoint_meta`), and a digest of them all.
    """

    def __init__(self, workdir: Path | str):
        self.folder = Path(workdir).absolute() / "checkpoints"

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there now, ascending."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)

    @property
    def latest_step(self) -> int | None:
        """The step of the newest checkpoint; None before the first."""
        return max(self.steps(), default=None)

    @property
    def best_step(self) -> int | None:
        """The step with the lowest validation segmentation loss; None before the first validation.

        One whose loss cannot be read is passed over, with a warning.
        """
        return _best(self._losses())

    @property
    def served_step(self) -> int | None:
        """The step to evaluate and to ship: the best, or with `train.select=last` that of the last epoch."""
        losses = self._losses()
        return max(losses) if losses and self._serves_last(losses) else _best(losses)

    def check(self, step: int) -> bool:
        """Whether the step has a digest. Raises DamagedError naming the file that differs from it."""
        return self._at(step).check()

    def counting(self, step: int) -> Counting | None:
        """How the timelines of the checkpoint `step` are read; None where nothing was chosen for it.

        Raises ValueError where it is damaged, or was chosen at another frame rate.
        """
        return self._at(step).counting()

    def meta(self, step: int) -> dict[str, Any]:
        """Raises ValueError for a checkpoint that cannot be read, or of other angles or another rate."""
        return check_meta(self._at(step).meta(), self.folder / str(step) / "meta" / "metadata")

    def restore(self, step: int, template: Any, batches: grain.DatasetIterator | None = None) -> Any:
        """The state, with the shapes, types and placement of `template` (`train_step.state_template`).

        `batches` is moved to its position. Raises DamagedError for a checkpoint that is damaged or of
        another model.
        """
        folder = self._at(step)
        if batches is not None:
            position, steps_per_dispatch = folder.position(), self._config(step).train.steps_per_dispatch
            if position["next_index"] * steps_per_dispatch != step:
                raise DamagedError(
                    f"{folder.path / 'batches'}: stands at {position}, not where step {step} does"
                )
            batches.set_state(position)
        try:
            state = folder.restore(template)
        except jax.errors.JaxRuntimeError:  # out of memory, say
            raise
        except Exception as error:  # Orbax and TensorStore each raise their own
            raise DamagedError(
                f"{folder.path}: damaged, or not a checkpoint of this model. {_one_line(error)}"
            ) from error
        if int(state.step) != step:
            raise DamagedError(f"{folder.path}: holds the state of step {int(state.step)}")
        return state

    def _at(self, step: int) -> StepFolder:
        return StepFolder(self.folder / str(step))

    def _config(self, step: int) -> config.Config:
        return config.unflatten(self.meta(step)["config"])

    def _serves_last(self, steps: Iterable[int]) -> bool:
        """Any of a run's steps can tell."""
        for step in sorted(steps, reverse=True):
            try:
                return self._config(step).train.select == "last"
            except DamagedError as error:
                damaged = error
        raise damaged

    def _losses(self) -> dict[int, float]:
        """Of the steps at an epoch's end."""
        losses: dict[int, float] = {}
        for step in self.steps():
            try:
                loss = self._at(step).segmentation_loss
            except DamagedError as error:
                if self._at(step).path.is_dir():  # and not deleted meanwhile
                    print(f"warning: {error}: step {step} is passed over", file=sys.stderr)
            else:
                losses |= {} if loss is None else {step: loss}
        return losses


class Checkpoints(CheckpointReader):
    """The checkpoints of the run that has the workdir's lock: the only one that writes and deletes there.

    Opening them moves what is damaged to `checkpoints/damaged`, or with `strict` raises ValueError, as it
    does where nothing whole would be left.
    """

    def __init__(self, workdir: Path | str, strict: bool = False):
        super().__init__(workdir)
        self._strict = strict
        coordination.first_then_others(self._set_damaged_aside)
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(
                best_fn=_metric,
                best_mode="min",
                preservation_policy=AnyPreservationPolicy(
                    [
                        LatestN(1),
                        BestN(
                            get_metric_fn=_metric, reverse=True, n=1, keep_checkpoints_without_metrics=False
                        ),
                    ]
                ),
                enable_async_checkpointing=False,
                cleanup_tmp_directories=True,
                todelete_subdir=_DELETED,
            ),
        )

    def save(
        self,
        state: Any,
        batches: grain.DatasetIterator,
        meta: dict[str, Any],
        segmentation_loss: float | None = None,
    ) -> None:
        """Saves under the state's step; `segmentation_loss` is None in the middle of an epoch.

        A checkpoint of the same step is left as it is: it holds the same state, and its loss.
        """
        step = int(state.step)
        if step in self.steps():
            return
        if segmentation_loss is not None and not math.isfinite(segmentation_loss):
            raise AssertionError("a loss that is not finite has no place among the best")
        before = self.latest_step
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(_of_all_processes(state)),
                    batches=grain.checkpoint.CheckpointSave(batches),
                    meta=ocp.args.JsonSave(meta),
                ),
                metrics=None if segmentation_loss is None else {METRIC: segmentation_loss},
            )
            if coordination.is_first():
                self._at(step).write_digest(segmentation_loss)
        except (OSError, ValueError) as error:  # a full disk, a folder taken away
            kept = "none was saved before" if before is None else f"the one before, step {before}, is whole"
            raise ValueError(
                f"{self.folder}: the checkpoint of step {step} could not be written: {_one_line(error)}; "
                f"{kept}"
            ) from error
        if coordination.is_first():
            shutil.rmtree(self.folder / _DELETED, ignore_errors=True)

    def save_counting(self, step: int, counting: Counting) -> None:
        """Keeps how the timelines of the checkpoint `step` are read."""
        self._at(step).save_counting(counting)

    def set_aside(self, step: int, why: DamagedError) -> None:
        """Moves a damaged step to `checkpoints/damaged`, and says so."""
        coordination.first_then_others(lambda: self._move_damaged({step: why}))
        self._manager.reload()

    def close(self) -> None:
        """Waits for what is being written and gives the folder back."""
        self._manager.close()

    def _set_damaged_aside(self) -> None:
        shutil.rmtree(self.folder / _DELETED, ignore_errors=True)
        damaged = {}
        for step in self.steps():
            try:
                if not self.check(step):
                    self._check_values(step)
            except DamagedError as error:
                damaged[step] = error
        self._move_damaged(damaged)

    def _check_values(self, step: int) -> None:
        """All that can be told of a step without a digest, short of restoring it."""
        folder = self._at(step)
        folder.position(), folder.segmentation_loss, self.meta(step)

    def _move_damaged(self, damaged: dict[int, DamagedError]) -> None:
        if not damaged:
            return
        whole = [step for step in self.steps() if step not in damaged]
        why = damaged[max(damaged)]
        if not whole:
            raise ValueError(
                f"{why}; no whole checkpoint is left: --config.overwrite=True deletes the run and starts over"
            )
        if self._strict:
            raise ValueError(
                f"{why}; --config.strict_resume=False goes on from step {max(whole)}, the newest whole one"
            )
        for step in damaged.keys() & set(self.steps()):  # another process may have moved it
            where = _free(self.folder / _DAMAGED / str(step))
            where.parent.mkdir(exist_ok=True)
            (self.folder / str(step)).rename(where)
            print(f"warning: {damaged[step]}: the checkpoint of step {step} is skipped, and moved to {where}")


def _free(path: Path) -> Path:
    """`path`, or the first of path-2, path-3, ... that is not there."""
    names = (path.with_name(f"{path.name}-{i}") if i > 1 else path for i in range(1, sys.maxsize))
    return next(name for name in names if not name.exists())


def _one_line(error: BaseException) -> str:
    """What Orbax and TensorStore say at length."""
    return _FULL if _FULL in str(error) else " ".join(str(error).split())[:300]


def _of_all_processes(state: Any) -> Any:
    """The arrays that every process holds whole, as one that Orbax writes once."""
    if jax.process_count() == 1:
        return state
    everywhere = NamedSharding(Mesh(np.asarray(jax.devices()), ("data",)), PartitionSpec())
    return jax.tree.map(
        lambda x: jax.make_array_from_single_device_arrays(
            x.shape, everywhere, [shard.data for shard in x.addressable_shards]
        ),
        state,
    )


def _best(losses: dict[int, float]) -> int | None:
    return min(losses, key=lambda step: (losses[step], -step), default=None)


def _metric(metrics: dict[str, float]) -> float:
    return metrics[METRIC]


def open_served(folder: Path | str) -> tuple[CheckpointReader, int]:
    """The checkpoints of a training run's workdir and the step among them to serve.

    Raises ValueError where the folder holds none.
    """
    folder = Path(folder)
    if not (folder / "checkpoints").is_dir():
        raise ValueError(f"{folder}: holds no checkpoints; give the workdir of a training run")
    checkpoints = CheckpointReader(folder)
    step = checkpoints.served_step
    if step is None:
        raise ValueError(f"{folder}: holds no checkpoint of a finished epoch yet; let it train longer")
    return checkpoints, step


def delete_run(workdir: Path) -> None:
    """Deletes what an earlier run wrote into `workdir`, and nothing else."""
    for name in ("checkpoints", "tensorboard"):
        if (workdir / name).exists():
            shutil.rmtree(workdir / name)
    for name in ("training_history.json", "training_history.npy", "training_curves.png"):
        (workdir / name).unlink(missing_ok=True)
