"""Writes checkpoints (Orbax), and deletes all but the best by validation, the last epoch's and the latest."""

import logging
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from wt_jax.training.checkpoint_reader import CheckpointReader, best, one_line
from wt_jax.training.step_folder import METRIC

# Orbax warns that arrays of the host are in no folder of a process: they need none.
logging.getLogger("absl").addFilter(lambda record: "Skipping merge of OCDBT" not in str(record.msg))


class CheckpointWriter(CheckpointReader):
    """Of one process alone: Orbax waits for no other one, which may be training."""

    def __init__(self, workdir: Path | str):
        super().__init__(workdir)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._manager = ocp.CheckpointManager(
            self.folder,
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "batches": ocp.JsonCheckpointHandler("process_0-of-1.json"),  # as Grain calls its own
                "meta": ocp.JsonCheckpointHandler(),
            },
            options=ocp.CheckpointManagerOptions(
                best_fn=_metric,
                best_mode="min",
                create=False,
                enable_async_checkpointing=False,
                cleanup_tmp_directories=True,
                multiprocessing_options=ocp.options.MultiprocessingOptions(active_processes={0}),
            ),
        )

    def write(
        self,
        step: int,
        state: Any,
        position: dict[str, Any],
        meta: dict[str, Any],
        segmentation_loss: float | None,
    ) -> None:
        """`state` in arrays of the host, `position` of the Grain iterator; the rest as `Checkpoints.save`.

        Raises ValueError where it cannot be written: then the one before is whole.
        """
        if step in self.steps():
            return
        before = self.latest_step
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state),
                    batches=ocp.args.JsonSave(position),
                    meta=ocp.args.JsonSave(meta),
                ),
                metrics=None if segmentation_loss is None else {METRIC: segmentation_loss},
            )
            self._at(step).write_digest(segmentation_loss)
        except (OSError, ValueError) as error:  # a full disk, a folder taken away
            self._at(step).delete()
            left = "none was saved before" if before is None else f"the one before, step {before}, is whole"
            raise ValueError(
                f"{self.folder}: the checkpoint of step {step} could not be written: {one_line(error)}; "
                f"{left}"
            ) from error
        losses, unreadable = self._read_losses()
        for other, why in unreadable.items():  # it may be the best
            self._at(other).move_aside(why)
        kept = {step, best(losses), max(losses, default=None)}  # inside an epoch the last one's end as well
        for other in set(self.steps()) - kept:  # by Orbax before there was a digest
            self._at(other).delete()

    def reload(self) -> None:
        """Looks again at which steps are there."""
        self._manager.reload()

    def close(self) -> None:
        """Gives the folder back."""
        self._manager.close()


def _metric(metrics: dict[str, float]) -> float:
    return metrics[METRIC]
