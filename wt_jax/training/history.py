"""The scores of every epoch: kept as lists, written as .npy and TensorBoard events."""

import math
from pathlib import Path

import numpy as np

from wt_jax.runtime.files import written_beside
from wt_jax.training.metrics import METRICS

KEYS = (
    *METRICS, *(f"val_{name}" for name in METRICS),
    "learning_rate", "epoch_seconds", "windows_per_second", "data_wait_share",
    "validation_seconds", "checkpoint_seconds",
)  # fmt: skip


class History:
    """A dict of lists, one value an epoch, under KEYS; NaN where an older wt_jax did not measure it.

    `epoch_seconds` are of training alone, `data_wait_share` is of them. An epoch's `checkpoint_seconds` are 0
    until its checkpoint is saved, and so in that checkpoint itself.
    """

    def __init__(self, values: dict[str, list[float]] | None = None):
        values = values or {}
        n_epochs = len(values.get("loss", []))
        self.values = {key: list(values.get(key, [math.nan] * n_epochs)) for key in KEYS}

    def __len__(self) -> int:
        return len(self.values["loss"])

    def append(self, epoch: dict[str, float]) -> None:
        """Takes the scores of an epoch, all but `checkpoint_seconds`."""
        epoch = {**epoch, "checkpoint_seconds": 0.0}
        for key in KEYS:
            self.values[key].append(float(epoch[key]))

    def complete(self, **values: float) -> None:
        """Fills in what of the last epoch is known only after its checkpoint."""
        for key, value in values.items():
            self.values[key][-1] = value

    def last(self) -> dict[str, float]:
        """The scores of the last epoch."""
        return {key: values[-1] for key, values in self.values.items()}

    def save(self, path: Path) -> None:
        """Read back with `np.load(path, allow_pickle=True).item()`."""
        with written_beside(path) as beside:
            np.save(beside, np.array(self.values, dtype=object), allow_pickle=True)


class TensorBoard:
    """Writes epochs as scalars under train/ and validation/ in `folder`, and `about` as a text."""

    def __init__(self, folder: Path, first_epoch: int, about: str):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)
        self._writer.add_text("about", about, first_epoch)

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Adds the scores of an epoch (counted from 1) that are finite."""
        for key, value in values.items():
            if not np.isfinite(value):  # nothing to count, such as no start predicted
                continue
            tag = f"validation/{key.removeprefix('val_')}" if key.startswith("val_") else f"train/{key}"
            self._writer.add_scalar(tag, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
