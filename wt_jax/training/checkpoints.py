"""The checkpoints of a run, written beside its training: the best by validation, and the latest."""

import copy
import math
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grain
import jax

from wt_jax.counting.settings import Counting
from wt_jax.runtime import coordination
from wt_jax.training.checkpoint_reader import CheckpointReader
from wt_jax.training.checkpoint_writer import CheckpointWriter
from wt_jax.training.step_folder import DELETED, DamagedError, StepFolder


class Checkpoints(CheckpointReader):
    """The checkpoints of the run that has the workdir's lock: the only one that writes and deletes there.

    Process 0 writes them, one after another, in a thread of its own; whatever is asked here waits for that,
    in every process. Opening them moves what is damaged to `checkpoints/damaged`, or with `strict` raises
    ValueError, as it does where nothing whole would be left.
    """

    def __init__(self, workdir: Path | str, strict: bool = False):
        super().__init__(workdir)
        self._strict = strict
        self._is_saving = False  # in the eyes of all processes, until they have waited for it together
        self._written: Future[None] = Future()  # by this process
        coordination.first_then_others(self._set_damaged_aside)
        self._writer = CheckpointWriter(workdir) if coordination.is_first() else None
        self._thread = ThreadPoolExecutor(1, "checkpoints")

    def save(
        self,
        state: Any,
        batches: grain.DatasetIterator,
        meta: dict[str, Any],
        segmentation_loss: float | None = None,
    ) -> None:
        """Saves under the state's step; `segmentation_loss` is None in the middle of an epoch.

        Returns once all is in the host's memory: `state` may be donated then, `batches` drawn from, `meta`
        changed. A checkpoint of the same step is left as it is: it holds the same state, and its loss. Raises
        ValueError where the save before could not be written.
        """
        if segmentation_loss is not None and not math.isfinite(segmentation_loss):
            raise AssertionError("a loss that is not finite has no place among the best")
        self.wait()
        self._is_saving = True
        if self._writer:
            on_host = jax.device_get(state)  # on a CPU a view, whose memory JAX then lets no step take
            position, meta = copy.deepcopy((batches.get_state(), meta))
            self._written = self._thread.submit(
                self._writer.write, int(on_host.step), on_host, position, meta, segmentation_loss
            )

    def wait(self) -> None:
        """Until the last save is there, for every process: all must call this, or ask what does.

        Raises ValueError where it could not be written.
        """
        if self._is_saving:
            self._is_saving = False
            if self._writer:
                self._written.result()
            coordination.exchange("")

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there once all is written, ascending."""
        self.wait()
        return super().steps()

    def save_counting(self, step: int, counting: Counting) -> None:
        """Keeps how the timelines of the checkpoint `step` are read."""
        self._at(step).save_counting(counting)

    def set_aside(self, damaged: dict[int, DamagedError]) -> None:
        """Moves damaged steps to `checkpoints/damaged`, and says so; as strict as opening them."""
        coordination.first_then_others(lambda: self._move_damaged(damaged))
        if self._writer:
            self._writer.reload()

    def close(self) -> None:
        """Waits for what this process is writing, and gives the folder back; another one may be gone.

        Raises ValueError where it could not be written and nobody has heard of that yet.
        """
        self._thread.shutdown()
        if self._writer:
            self._writer.close()
            if self._is_saving and (error := self._written.exception()):
                self._is_saving = False
                raise error

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """As `close`; where an error ends the run already, another one is a word beside it."""
        try:
            self.close()
        except ValueError as failed:
            if error is None:
                raise
            print(f"warning: {failed}")

    def _at(self, step: int) -> StepFolder:
        self.wait()
        return super()._at(step)

    def _set_damaged_aside(self) -> None:
        shutil.rmtree(self.folder / DELETED, ignore_errors=True)
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
            self._at(step).move_aside(damaged[step])


def delete_run(workdir: Path) -> None:
    """Deletes what an earlier run wrote into `workdir`, and nothing else."""
    for name in ("checkpoints", "tensorboard"):
        if (workdir / name).exists():
            shutil.rmtree(workdir / name)
    for name in ("training_history.json", "training_history.npy", "training_curves.png"):
        (workdir / name).unlink(missing_ok=True)
