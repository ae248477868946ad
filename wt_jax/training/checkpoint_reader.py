"""Checkpoints as they are read, by the run itself and beside it: nothing in the workdir is changed."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import grain
import jax

from wt_jax import config
from wt_jax.counting.settings import Counting
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.places import is_remote
from wt_jax.storage.run_files import STEPS, newest
from wt_jax.training.checkpoint_meta import check_meta
from wt_jax.training.step_folder import METRIC, DamagedError, StepFolder

_FULL = "No space left on device"


class Restored(NamedTuple):
    """A checkpoint's state, and whether a digest says that it is as it was written."""

    state: Any
    is_checked: bool


class CheckpointReader:
    """The checkpoints under `workdir/checkpoints/<step>`, read while a run may write there; changes nothing.

    Each holds `state` (TrainState), `batches` (position of the Grain iterator), `meta` (JSON:
    `checkpoint_meta`), and a digest of them all.
    """

    def __init__(self, workdir: Path | str):
        self.folder = Path(workdir).absolute() / "checkpoints"
        self._newest: tuple[int, dict[str, Any]] | None = None

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
        return best(self._losses())

    @property
    def served_step(self) -> int | None:
        """The step to evaluate and to ship: the best, or with `train.select=last` that of the last epoch."""
        losses, meta = self._losses(), self.newest_meta()
        if losses and meta and config.unflatten(meta["config"]).train.select == "last":
            return max(losses)
        return best(losses)

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

    def newest_meta(self) -> dict[str, Any] | None:
        """Of the newest step that is whole, looked at once; None where there is none."""
        for step in reversed(self.steps()):  # one may be deleted meanwhile
            if self._newest is None or self._newest[0] != step:
                try:
                    self.check(step)
                    self._newest = step, self.meta(step)
                except DamagedError:
                    continue
            return self._newest[1]
        return None

    def restore(self, step: int, template: Any, batches: grain.DatasetIterator | None = None) -> Restored:
        """The state, with the shapes, types and placement of `template` (`train_step.state_template`).

        `batches` is moved to its position. Raises DamagedError for a checkpoint that is damaged, and where
        there is no digest to tell also for one of another model; with a digest ValueError for that.
        """
        folder = self._at(step)
        is_whole = folder.check()
        if batches is not None:
            position, steps_per_dispatch = folder.position(), self._config(step).train.steps_per_dispatch
            if position["next_index"] * steps_per_dispatch != step:
                raise DamagedError(
                    f"{folder.path / 'batches'}: stands at {position}, not where step {step} does"
                )
            batches.set_state(position)
        try:
            state = folder.restore(template)
        except (jax.errors.JaxRuntimeError, MemoryError):
            raise
        except Exception as error:  # Orbax and TensorStore each raise their own
            if is_whole and folder.path.is_dir():
                raise ValueError(
                    f"{folder.path}: not a checkpoint of this model, or not to be read by this Orbax. "
                    f"{one_line(error)}"
                ) from error
            raise DamagedError(
                f"{folder.path}: damaged, or not a checkpoint of this model. {one_line(error)}"
            ) from error
        if int(state.step) != step:
            raise DamagedError(f"{folder.path}: holds the state of step {int(state.step)}")
        return Restored(state, is_whole)

    def _at(self, step: int) -> StepFolder:
        return StepFolder(self.folder / str(step))

    def _config(self, step: int) -> config.Config:
        return config.unflatten(self.meta(step)["config"])

    def lost_best(self, step: int) -> float | None:
        """The loss of the best epoch, where that is no longer there and `step` is served in its place."""
        meta = self.newest_meta()
        if meta is None or config.unflatten(meta["config"]).train.select == "last":
            return None
        losses = meta["history"].get(METRIC, [])
        own = self._at(step).segmentation_loss
        return min(losses) if losses and own is not None and own > min(losses) else None

    def _losses(self) -> dict[int, float]:
        losses, unreadable = self._read_losses()
        for step, error in unreadable.items():
            print(f"warning: {error}: step {step} is passed over", file=sys.stderr)
        return losses

    def _read_losses(self) -> tuple[dict[int, float], dict[int, DamagedError]]:
        """Of the steps at an epoch's end, and why those of others cannot be read."""
        losses: dict[int, float] = {}
        unreadable: dict[int, DamagedError] = {}
        for step in self.steps():
            try:
                loss = self._at(step).segmentation_loss
            except DamagedError as error:
                if self._at(step).path.is_dir():  # and not deleted meanwhile
                    unreadable[step] = error
            else:
                losses |= {} if loss is None else {step: loss}
        return losses, unreadable


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
        for latest in reversed(checkpoints.steps()):
            checkpoints.check(latest)  # where all are damaged, that is why
        raise ValueError(f"{folder}: holds no checkpoint of a finished epoch yet; let it train longer")
    return checkpoints, step


def one_line(error: BaseException) -> str:
    """What Orbax and TensorStore say at length."""
    return _FULL if _FULL in str(error) else " ".join(str(error).split())[:300]


def best(losses: dict[int, float]) -> int | None:
    """The step with the lowest loss, of equal ones the latest; None without any."""
    return min(losses, key=lambda step: (losses[step], -step), default=None)


def latest_step(workdir: Path | str) -> int | None:
    """The step of the newest checkpoint of a run, in a bucket as well; None before the first."""
    if is_remote(workdir):
        step = newest(Bucket(str(workdir)).listing(STEPS))
        return None if step < 0 else step
    return CheckpointReader(workdir).latest_step
