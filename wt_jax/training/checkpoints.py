"""Checkpoints (Orbax): the best by validation segmentation loss, and the latest."""

import dataclasses
import json
import math
import shutil
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
from wt_jax.options import all_options
from wt_jax.runtime.files import written_beside
from wt_jax.skeleton import ANGLE_NAMES, FRAME_RATE_HZ

_METRIC = "val_segmentation_loss"
_VERSION = 1
_SHOWN = 5  # of what differs between two runs
_COUNTING = "counting.json"  # in the checkpoint's own folder: it goes where the checkpoint goes


class Checkpoints:
    """The checkpoints under `workdir/checkpoints/<step>`.

    Each holds `state` (TrainState), `batches` (position of the Grain iterator) and `meta` (JSON: config,
    angle order, rate, data fingerprint and split, monitor, history).
    """

    def __init__(self, workdir: Path | str):
        self.folder = Path(workdir).absolute() / "checkpoints"
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
            ),
        )

    @property
    def latest_step(self) -> int | None:
        """The step of the newest checkpoint; None before the first."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """The step with the lowest validation segmentation loss; None before the first validation."""
        step = self._manager.best_step()
        return step if step is not None and self._manager.metrics(step) else None

    @property
    def served_step(self) -> int | None:
        """The step to evaluate and to ship: the best, or with `train.select=last` that of the last epoch."""
        finished = [step for step in self._manager.all_steps() if self._manager.metrics(step)]
        if finished and config.unflatten(self.meta(max(finished))["config"]).train.select == "last":
            return max(finished)
        return self.best_step

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
        if step in self._manager.all_steps():
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
                    meta=ocp.args.JsonSave({"version": _VERSION, **meta}),
                ),
                metrics=None if segmentation_loss is None else {_METRIC: segmentation_loss},
            )
        except (OSError, ValueError) as error:  # a full disk, a folder taken away
            whole = "none was saved before" if before is None else f"the one before, step {before}, is whole"
            raise ValueError(
                f"{self.folder}: the checkpoint of step {step} could not be written: {error}; {whole}"
            ) from error

    def save_counting(self, step: int, counting: Counting) -> None:
        """Keeps how the timelines of the checkpoint `step` are read."""
        with written_beside(self.folder / str(step) / _COUNTING) as beside:
            beside.write_text(json.dumps({"frame_rate_hz": FRAME_RATE_HZ, **dataclasses.asdict(counting)}))

    def counting(self, step: int) -> Counting | None:
        """How the timelines of the checkpoint `step` are read; None where nothing was chosen for it.

        Raises ValueError where it is damaged, or was chosen at another frame rate.
        """
        path = self.folder / str(step) / _COUNTING
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text())
            rate = values.pop("frame_rate_hz")
            counting = Counting(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: damaged ({error}): remove it; defaults are used then") from None
        if rate != FRAME_RATE_HZ:
            raise ValueError(
                f"{path}: chosen at {rate} frames a second, this wt_jax reads timelines at "
                f"{FRAME_RATE_HZ:g}: train again"
            )
        return counting

    def meta(self, step: int) -> dict[str, Any]:
        """Raises ValueError for a checkpoint that cannot be read, or of other angles or another rate."""
        meta = self._restore(step, meta=ocp.args.JsonRestore())["meta"]
        if meta.get("version") != _VERSION:
            raise ValueError(
                f"{self.folder / str(step)}: version {meta.get('version')}, this wt_jax reads {_VERSION}"
            )
        if tuple(meta["angles"]) != ANGLE_NAMES or meta["frame_rate_hz"] != FRAME_RATE_HZ:
            raise ValueError(
                f"{self.folder / str(step)}: trained on other joint angles or another frame rate than this "
                "wt_jax computes; train again"
            )
        return meta

    def restore(self, step: int, template: Any, batches: grain.DatasetIterator | None = None) -> Any:
        """The state, with the shapes, types and placement of `template` (`train_step.state_template`).

        `batches` is moved to its position. Raises ValueError for a checkpoint that is damaged or of
        another model.
        """
        return self._restore(step, batches, state=ocp.args.StandardRestore(template))["state"]

    def _restore(self, step: int, batches: grain.DatasetIterator | None = None, **items: Any) -> Any:
        try:
            if batches is not None:
                # Any process's will do, of however many: all are at the same position of their shares.
                position = min((self.folder / str(step) / "batches").glob("process_*.json"))
                batches.set_state(json.loads(position.read_text()))
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except jax.errors.JaxRuntimeError:  # out of memory, say
            raise
        except Exception as error:  # Orbax, TensorStore and JSON each raise their own
            raise ValueError(
                f"{self.folder / str(step)}: damaged, or not a checkpoint of this model; without this folder "
                f"the one before is taken up. {error}"
            ) from error

    def close(self) -> None:
        """Waits for what is being written and gives the folder back."""
        self._manager.close()


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
    return metrics[_METRIC]


def make_meta(options: config.Config, **run: Any) -> dict[str, Any]:
    """What a checkpoint says of itself: the config, what the angles mean, and the run's own entries."""
    return {
        "config": config.flatten(options),
        "angles": ANGLE_NAMES,
        "frame_rate_hz": FRAME_RATE_HZ,
        **run,
    }


def check_resumable(meta: dict[str, Any], options: config.Config, fingerprint: str, where: Path) -> None:
    """Raises ValueError naming what differs between a checkpoint and the run that would take it up."""
    # An option that came after the checkpoint was written had its default's effect.
    saved, now = config.flatten(config.unflatten(meta["config"])), config.flatten(options)
    fixed = (option.key for option in all_options(options) if not option.about["may_change"])
    differing = [f"{key} (was {saved[key]!r}, is {now[key]!r})" for key in fixed if saved[key] != now[key]]
    if meta["fingerprint"] != fingerprint:
        differing.append("the data (recordings added, removed, changed or moved to another split)")
    if differing:
        more = f"; and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise ValueError(
            f"{where} holds another run: set another --config.workdir, or --config.overwrite=True to start "
            f"over. It differs in {'; '.join(differing[:_SHOWN])}{more}"
        )


def open_served(folder: Path | str) -> tuple[Checkpoints, int]:
    """The checkpoints of a training run's workdir and the step among them to serve.

    Raises ValueError where the folder holds none.
    """
    folder = Path(folder)
    if not (folder / "checkpoints").is_dir():
        raise ValueError(f"{folder}: holds no checkpoints; give the workdir of a training run")
    checkpoints = Checkpoints(folder)
    step = checkpoints.served_step
    if step is None:
        raise ValueError(f"{folder}: holds no checkpoint of a finished epoch yet; let it train longer")
    return checkpoints, step


def delete_run(workdir: Path) -> None:
    """Deletes what an earlier run wrote into `workdir`, and nothing else."""
    for name in ("checkpoints", "tensorboard"):
        if (workdir / name).exists():
            shutil.rmtree(workdir / name)
    for name in ("training_history.npy", "training_curves.png"):
        (workdir / name).unlink(missing_ok=True)
