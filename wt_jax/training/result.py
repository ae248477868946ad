"""What a training run has come to."""

import dataclasses
import signal
from pathlib import Path

from wt_jax.runtime import cli


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training run has come to; its checkpoints are in `workdir`.

    `epoch` is the one that is served, from 1 (the best by validation segmentation loss, or the last:
    `train.select`), and `segmentation_loss` that of it on validation; both None before the first epoch's end.
    `history` holds a list for each score, one value an epoch. `data` is where the recordings are from.
    `stopped_by` is the signal that ended the run before its time, None for one that is over.
    """

    workdir: Path
    data: str
    step: int
    epoch: int | None
    segmentation_loss: float | None
    history: dict[str, list[float]]
    stopped_by: signal.Signals | None = None

    @property
    def n_epochs(self) -> int:
        """Epochs trained."""
        return len(self.history["loss"])

    @property
    def status(self) -> int:
        """The exit status of the command."""
        return cli.stop_status(self.stopped_by) if self.stopped_by else 0

    def __repr__(self) -> str:
        served = "no epoch yet"
        if self.epoch is not None:
            loss = self.segmentation_loss
            served = f"epoch {self.epoch} of {self.n_epochs}, validation segmentation loss {loss:.4f}"
        stopped = f"; {self.stopped_by.name} at step {self.step}" if self.stopped_by else ""
        return f"<TrainingResult: {served}{stopped}; data: {self.data}; in {self.workdir}>"
