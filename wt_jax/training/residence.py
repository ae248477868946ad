"""Where a run's frames are: whole on every device, or in files from which each batch's own are read."""

from collections.abc import Sequence
from pathlib import Path

import jax

from wt_jax import config
from wt_jax.data.loading import Dataset
from wt_jax.data.recordings import SYNTHETIC, AnyRecording
from wt_jax.input_pipeline.frame_files import FrameFiles, lay_out_in_files, n_frames, row_type
from wt_jax.input_pipeline.window_runs import Runs, runs_of
from wt_jax.input_pipeline.windows import lay_out
from wt_jax.runtime import coordination
from wt_jax.runtime.files import is_writable
from wt_jax.runtime.host_memory import available_bytes
from wt_jax.storage.places import scratch
from wt_jax.training.placement import own_devices
from wt_jax.training.train_step import put_sequences

SHARE = 4  # frames take a quarter of the memory at most: the rest is for the step, and on a host for all else


def most_bytes(options: config.Data) -> float:
    """Where files of recordings take more, this process does not hold their frames."""
    return {"true": float("inf"), "false": -1, "auto": available_bytes() / SHARE}[options.resident]


def stay_in_files(options: config.Data, n_bytes: float, room_bytes: float) -> bool:
    """Whether frames of so many bytes are read from files, where so many may be taken of the memory."""
    return options.resident == "false" or (options.resident == "auto" and n_bytes > room_bytes)


def choose_folder(options: config.Config, dataset: Dataset, devices: Sequence[jax.Device]) -> Path | None:
    """Below which the files of frames are to be, beside the built recordings or in workdir; None without any.

    `data.resident`, or else the bytes decide, and a line says so: the same in all processes, by what the
    least of their devices has room for.
    """
    n_bytes = n_frames(options, dataset.split("train", "val")) * row_type(options).itemsize
    memory, whose = _memory_bytes(devices)
    room = min(map(int, coordination.exchange(str(memory // SHARE))))
    where, folder = "whole on each device", None
    if stay_in_files(options.data, n_bytes, room):
        beside = (
            scratch(options.data.recordings).parent if options.data.recordings else scratch(options.data.root)
        )
        may_write = dataset.data != SYNTHETIC and is_writable(beside)
        folder = (beside if may_write else scratch(options.workdir)) / "frames"
        where = f"read as needed from {folder}"
    print(
        f"frames: {_in_words(n_bytes)} to train and validate on, {where} "
        f"(data.resident={options.data.resident}; auto: whole up to {_in_words(room)}, a quarter of {whose})"
    )
    return folder


def lay_out_where(
    folder: Path | None,
    options: config.Config,
    recordings: Sequence[AnyRecording],
    stride_frames: int,
    devices: Sequence[jax.Device],
    spare: bool = False,
) -> tuple[dict[str, jax.Array] | FrameFiles, Runs]:
    """`lay_out`: the frames in files below `folder`, or on every device where there is none."""
    if folder is None:
        sequences, windows = lay_out(options, recordings, stride_frames, spare)
        return put_sequences(sequences, devices), runs_of(windows, stride_frames)
    return coordination.first_then_others(
        lambda: lay_out_in_files(options, recordings, stride_frames, folder, len(own_devices(devices)), spare)
    )


def _memory_bytes(devices: Sequence[jax.Device]) -> tuple[int, str]:
    """Of each device, and whose it is: CPU devices share what the machine has left."""
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in own_devices(devices)]
    if all(limits):
        return min(int(limit) for limit in limits if limit), "a device's memory"
    return available_bytes() // len(limits), "the memory that is free"


def _in_words(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
