"""The scores of every epoch: kept as lists, written as JSON, .npy and TensorBoard events."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax.runtime.files import write_json, written_beside
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

    def save(self, folder: Path) -> None:
        """Writes training_history.json, null where there is no number; and .npy for those who rely on it.

        That one is a pickle, `np.load(path, allow_pickle=True).item()`: not to be opened if a stranger's.
        """
        values = {
            key: [value if math.isfinite(value) else None for value in of_epochs]
            for key, of_epochs in self.values.items()
        }
        write_json(folder / "training_history.json", values)
        with written_beside(folder / "training_history.npy") as beside:
            np.save(beside, np.array(self.values, dtype=object), allow_pickle=True)


class TensorBoard:
    """Writes epochs as scalars under train/ and validation/ in `folder`, and `about` as a text.

    Where that fails, on a full disk say, it says so once and the run goes on without.
    """

    def __init__(self, folder: Path, first_epoch: int, about: str):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog
        from tensorboardX.summary import text

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        # Not its SummaryWriter, whose thread dies on a full disk and leaves whoever waits for it waiting.
        self._writer: EventsWriter | None = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        # What an earlier run wrote from here on is not shown.
        self._add(first_epoch, session_log=SessionLog(status=SessionLog.START))
        self._add(first_epoch, summary=text("about", about))

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Adds the scores of an epoch (counted from 1) that are finite."""
        from tensorboardX.summary import scalar

        for key, value in values.items():
            if not np.isfinite(value):  # nothing to count, such as no start predicted
                continue
            tag = f"validation/{key.removeprefix('val_')}" if key.startswith("val_") else f"train/{key}"
            self._add(epoch, summary=scalar(tag, value))
        self._try(lambda writer: writer.flush())

    def close(self) -> None:
        """Writes what is left."""
        self._try(lambda writer: writer.close())

    def _add(self, epoch: int, **what: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), step=epoch, **what)
        self._try(lambda writer: writer.write_event(event))

    def _try(self, write: Callable[[Any], None]) -> None:
        try:
            if self._writer:
                write(self._writer)
        except OSError as error:
            print(f"warning: {self._folder}: {error.strerror}: written no further")
            self._writer = None
