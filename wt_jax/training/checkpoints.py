"""Checkpoints (Orbax): the best by validation segmentation loss, and the latest."""

import contextlib
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from wt_jax.counting.decoding import Counting
from wt_jax.runtime import coordination
from wt_jax.training.checkpoint_reader import CheckpointReader, best, one_line
from wt_jax.training.step_folder import METRIC, DamagedError

_DELETED = "deleted"
_DAMAGED = "damaged"


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
                enable_async_checkpointing=False,
                cleanup_tmp_directories=True,
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
            self._delete(step)
            kept = "none was saved before" if before is None else f"the one before, step {before}, is whole"
            raise ValueError(
                f"{self.folder}: the checkpoint of step {step} could not be written: {one_line(error)}; "
                f"{kept}"
            ) from error
        if coordination.is_first():  # Orbax, which keeps all, would delete before there is a digest
            losses, unreadable = self._read_losses()
            for other, why in unreadable.items():  # it may be the best
                self._move_aside(other, why)
            for other in set(self.steps()) - {step, best(losses)}:
                self._delete(other)

    def save_counting(self, step: int, counting: Counting) -> None:
        """Keeps how the timelines of the checkpoint `step` are read."""
        self._at(step).save_counting(counting)

    def set_aside(self, damaged: dict[int, DamagedError]) -> None:
        """Moves damaged steps to `checkpoints/damaged`, and says so; as strict as opening them."""
        coordination.first_then_others(lambda: self._move_damaged(damaged))
        self._manager.reload()

    def close(self) -> None:
        """Waits for what is being written and gives the folder back."""
        self._manager.close()

    def _delete(self, step: int) -> None:
        """In one move, and then file by file: what is left of a step is never taken for one."""
        with contextlib.suppress(OSError):
            (self.folder / _DELETED).mkdir(exist_ok=True)
            (self.folder / str(step)).rename(self.folder / _DELETED / str(step))
        shutil.rmtree(self.folder / _DELETED, ignore_errors=True)

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
            self._move_aside(step, damaged[step])

    def _move_aside(self, step: int, why: DamagedError) -> None:
        where = _free(self.folder / _DAMAGED / str(step))
        where.parent.mkdir(exist_ok=True)
        (self.folder / str(step)).rename(where)
        print(f"warning: {why}: the checkpoint of step {step} is skipped, and moved to {where}")


def _free(path: Path) -> Path:
    """`path`, or the first of path-2, path-3, ... that is not there."""
    names = (path.with_name(f"{path.name}-{i}") if i > 1 else path for i in range(1, sys.maxsize))
    return next(name for name in names if not name.exists())


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


def _metric(metrics: dict[str, float]) -> float:
    return metrics[METRIC]


def delete_run(workdir: Path) -> None:
    """Deletes what an earlier run wrote into `workdir`, and nothing else."""
    for name in ("checkpoints", "tensorboard"):
        if (workdir / name).exists():
            shutil.rmtree(workdir / name)
    for name in ("training_history.json", "training_history.npy", "training_curves.png"):
        (workdir / name).unlink(missing_ok=True)
