"""The folder of one checkpoint, `checkpoints/<step>`: what it holds, and whether it is as it was written."""

import contextlib
import dataclasses
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from wt_jax.counting.doubt import Doubt
from wt_jax.counting.settings import Counting
from wt_jax.counting.taught_motion import TaughtMotion
from wt_jax.runtime.files import read_json, read_sealed, sha256, write_sealed
from wt_jax.skeleton import FRAME_RATE_HZ
from wt_jax.storage.run_files import MARKER

METRIC = "val_segmentation_loss"
UNCHECKED = "holds no digest (a run of an older wt_jax, or it was lost): taken unchecked"
DELETED = "deleted"  # beside the steps, and no step: what is in it is never read again
DAMAGED = "damaged"
_COUNTING = "counting.json"  # chosen after training; in the checkpoint's own folder: it goes where that goes


class DamagedError(ValueError):
    """A checkpoint that is not as it was written; names the file and what is wrong."""


@dataclasses.dataclass(frozen=True)
class StepFolder:
    """Reads a checkpoint, and writes into it what is known only after Orbax has written the rest.

    Methods raise DamagedError for what cannot be as it was written.
    """

    path: Path

    @property
    def step(self) -> int:
        """The training step, which is the folder's name."""
        return int(self.path.name)

    def write_digest(self, segmentation_loss: float | None) -> None:
        """Keeps the SHA-256 of every file, and again the loss by which the best is chosen."""
        files = {name: sha256(self.path / name) for name in self._files()}
        write_sealed(self.path / MARKER, {"step": self.step, METRIC: segmentation_loss, "files": files})

    def check(self) -> bool:
        """Compares every file with the digest; False where there is none: a run of an older wt_jax."""
        digest = self._digest()
        if digest is None:
            return False
        expected, found = digest["files"], self._files()
        for name in sorted(expected.keys() | found):
            if name not in found:
                raise DamagedError(f"{self.path / name}: missing")
            if name not in expected:
                raise DamagedError(f"{self.path / name}: was not written with this checkpoint")
            try:
                differs = sha256(self.path / name) != expected[name]
            except OSError as error:
                raise DamagedError(f"{self.path / name}: cannot be read ({error.strerror})") from None
            if differs:
                raise DamagedError(f"{self.path / name}: not as it was written (SHA-256 differs)")
        return True

    @property
    def segmentation_loss(self) -> float | None:
        """That of validation; None in the middle of an epoch."""
        digest, path = self._digest(), self.path / "metrics" / "metrics"
        if digest is not None:
            return digest[METRIC]
        if not path.parent.exists():
            return None
        metrics, meta = _read(path), self.meta()
        loss = metrics.get(METRIC) if isinstance(metrics, dict) else None
        if not _is_loss(loss):
            raise DamagedError(f"{path}: holds no {METRIC}, a finite number, 0 or more")
        history = meta.get("history") if isinstance(meta, dict) else None
        losses = history.get(METRIC) if isinstance(history, dict) else None
        if isinstance(losses, list) and losses[-1:] != [loss]:
            raise DamagedError(f"{path}: {METRIC} {loss} is not the last of the history, {losses[-1:]}")
        return loss

    def meta(self) -> Any:
        """What the run said of itself; not checked: `checkpoint_meta.check_meta`."""
        return _read(self.path / "meta" / "metadata")

    def position(self) -> dict[str, int]:
        """Where the Grain iterator stood; that of any process will do, for all stood at the same place."""
        paths = sorted((self.path / "batches").glob("process_*.json"))
        if not paths:
            raise DamagedError(f"{self.path / 'batches'}: holds no process_*.json")
        for path in paths:
            position = _read(path)
            if not isinstance(position, dict) or not _is_count(position.get("next_index")):
                raise DamagedError(f"{path}: holds no next_index, a whole number, 0 or more")
        return position

    def restore(self, template: Any) -> Any:
        """The state, with the shapes, types and placement of `template`; as Orbax raises."""
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            return checkpointer.restore(self.path / "state", args=ocp.args.StandardRestore(template))

    def save_counting(self, counting: Counting) -> None:
        """Keeps how the timelines of the checkpoint are read."""
        write_sealed(self.path / _COUNTING, {"frame_rate_hz": FRAME_RATE_HZ, **counting.values()})

    def counting(self) -> Counting | None:
        """How the timelines of the checkpoint are read; None where nothing was chosen for it.

        Raises ValueError where it is damaged, or was chosen at another frame rate.
        """
        path = self.path / _COUNTING
        if not path.exists():
            return None
        try:
            values = read_sealed(path, may_lack=not (self.path / MARKER).exists())
            rate = values.pop("frame_rate_hz", None)
            if not _is_loss(rate):
                raise ValueError("holds no frame_rate_hz, a number")
            counting = counting_of(values)
        except (ValueError, TypeError) as error:
            said = str(error).removeprefix(f"{path}: ")
            raise ValueError(f"{path}: damaged ({said}): remove it; defaults are used then") from None
        if rate != FRAME_RATE_HZ:
            raise ValueError(
                f"{path}: chosen at {rate} frames a second, this wt_jax reads timelines at "
                f"{FRAME_RATE_HZ:g}: train again"
            )
        return counting

    def delete(self) -> None:
        """In one move, and then file by file: what is left of a step is never taken for one."""
        deleted = self.path.parent / DELETED
        with contextlib.suppress(OSError):
            deleted.mkdir(exist_ok=True)
            self.path.rename(deleted / self.path.name)
        shutil.rmtree(deleted, ignore_errors=True)

    def move_aside(self, why: DamagedError) -> None:
        """To `damaged`, with a word."""
        where = _free(self.path.parent / DAMAGED / self.path.name)
        where.parent.mkdir(exist_ok=True)
        self.path.rename(where)
        print(f"warning: {why}: the checkpoint of step {self.step} is skipped, and moved to {where}")

    def _files(self) -> set[str]:
        """What Orbax has written."""
        try:
            paths = [path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file()]
        except OSError as error:  # the run that is writing deletes it
            raise DamagedError(f"{self.path}: cannot be read ({error.strerror})") from None
        return {
            path.as_posix()
            for path in paths
            if path.name not in (MARKER, _COUNTING) and not any(part.startswith(".") for part in path.parts)
        }

    def _digest(self) -> dict[str, Any] | None:
        path = self.path / MARKER
        if not path.exists():
            return None
        try:
            digest = read_sealed(path)
        except ValueError as error:
            raise DamagedError(str(error)) from None
        files, loss = digest.get("files"), digest.get(METRIC)
        if not isinstance(files, dict) or not (loss is None or _is_loss(loss)):
            raise DamagedError(f"{path}: not as it was written")
        if digest.get("step") != self.step:
            raise DamagedError(f"{path}: of step {digest.get('step')}; the folder was renamed")
        return digest


def counting_of(values: dict[str, Any]) -> Counting:
    """What `Counting.values` are of. Raises ValueError or TypeError of another thing."""
    doubt = Doubt(**values.get("doubt", {}))  # none in what an older wt_jax wrote, nor motions
    motions = tuple(TaughtMotion(**one) for one in values.get("motions", []))
    return Counting(**{**values, "doubt": doubt, "motions": motions})


def _free(path: Path) -> Path:
    """`path`, or the first of path-2, path-3, ... that is not there."""
    names = (path.with_name(f"{path.name}-{i}") if i > 1 else path for i in range(1, sys.maxsize))
    return next(name for name in names if not name.exists())


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except ValueError as error:
        raise DamagedError(str(error)) from None


def _is_loss(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0
