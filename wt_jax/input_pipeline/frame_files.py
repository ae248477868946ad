"""Frames that stay in files: recordings laid end to end there, of which a batch's windows are read.

A file holds one row a frame, all that a window needs of it side by side, so that a window is one read; gaps
lie before, between and after the recordings, as in `Sequences`, so that a window is in one file. Frames are
numbered through all files as they would be in `Sequences`, and a batch is cut from what was read by the same
`gather`, so that it is the same to the bit.

Letters: F frames, S files, R recordings, N windows, K batches of B windows, D devices.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import filelock
import numpy as np

from wt_jax import config
from wt_jax.data.builder import fingerprint
from wt_jax.data.recordings import RECORDING_VERSION, AnyRecording
from wt_jax.input_pipeline.balanced_sampler import shares
from wt_jax.input_pipeline.features import needs_points
from wt_jax.input_pipeline.window_runs import Runs, joined, runs_of
from wt_jax.input_pipeline.windows import Sequences, gap_frames, lay_out, reach_frames
from wt_jax.runtime.files import written_beside
from wt_jax.skeleton import N_ANGLES, N_LANDMARKS

_FILE_BYTES = 2**32  # some; few enough files to have all of 1 TB open
_VERSION = 1  # one more whenever the same recordings would give other rows


def row_type(options: config.Config) -> np.dtype:
    """What there is of a frame: the arrays of `Sequences`, by their names."""
    pose = (
        ("points_FxLx3", "<f2", (N_LANDMARKS, 3))
        if needs_points(options)
        else ("angles_FxJ", "<f4", N_ANGLES)
    )
    return np.dtype([pose, ("targets_F", "<f4"), ("classes_F", "i1"), ("real_F", "?"), ("counted_F", "?")])


def n_frames(options: config.Config, recordings: Sequence[AnyRecording]) -> int:
    """Of the recordings and the gaps about them."""
    return sum(map(len, recordings)) + (len(recordings) + 1) * gap_frames(options)


def read_frames(options: config.Config) -> int:
    """Of each window, from files: its span, and what it may be stretched to."""
    return options.data.span_frames + 2 * reach_frames(options)


class FrameFiles:
    """Laid out recordings, open for reading by any number of threads, for so many devices."""

    def __init__(self, paths: Sequence[Path], firsts_S: np.ndarray, options: config.Config, n_devices: int):
        self._files = [path.open("rb", buffering=0) for path in paths]
        self._heads = [_read_head(file) for file in self._files]
        self._firsts_S, self._type = firsts_S, row_type(options)
        self._reach = reach_frames(options)
        self._span = read_frames(options)
        self._n_devices = n_devices

    def cut(self, firsts_KxB: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The frames of some batches' windows, (D, frames, ...) of each array, and where in its device's the
        windows begin, (K, B) int32; -1, padding, stays so.

        Raises ValueError where a file has become shorter.
        """
        n_batches, batch_size = firsts_KxB.shape
        share = batch_size // self._n_devices
        rows_DxF = self._read(shares(firsts_KxB, self._n_devices).ravel()).reshape(self._n_devices, -1)
        sequences = {name: np.ascontiguousarray(rows_DxF[name]) for name in self._type.names or ()}
        places_KxB = share * np.arange(n_batches)[:, None] + np.arange(batch_size) % share
        firsts = np.where(firsts_KxB < 0, -1, places_KxB * self._span + self._reach)
        return sequences, firsts.astype(np.int32)

    def _read(self, firsts_N: np.ndarray) -> np.ndarray:
        lows_N = np.maximum(firsts_N - self._reach, 0)
        files_N = np.searchsorted(self._firsts_S, lows_N, side="right") - 1
        offsets_N = (lows_N - self._firsts_S[files_N]) * self._type.itemsize
        rows = np.empty((len(firsts_N), self._span * self._type.itemsize), np.uint8)
        # Not mapped: pages read would count as this process's memory, and a file cut short would kill it.
        for row, i, offset in zip(rows, files_N.tolist(), offsets_N.tolist(), strict=True):
            if os.preadv(self._files[i].fileno(), [row.data], self._heads[i] + offset) != row.nbytes:
                raise ValueError(f"{self._files[i].name}: was cut short: start again, and it is written anew")
        return rows.view(self._type)


def lay_out_in_files(
    options: config.Config,
    recordings: Sequence[AnyRecording],
    stride_frames: int,
    folder: Path,
    n_devices: int,
    spare: bool = False,
) -> tuple[FrameFiles, Runs]:
    """`lay_out`, one recording at a time, into files below `folder` where they are not there yet.

    The files' folder is named by all that decides what is in them. Raises ValueError where they cannot be
    written.
    """
    gap, rows = gap_frames(options), row_type(options)
    firsts_R = np.cumsum([0, *(len(recording) + gap for recording in recordings)])
    files_R = firsts_R[:-1] * rows.itemsize // _FILE_BYTES
    folder = folder / _name(options, recordings)
    paths: list[Path] = []
    sources: dict[str, int] = {}
    firsts, index = [], []
    for _, group in itertools.groupby(range(len(recordings)), files_R.__getitem__):
        own = list(group)
        paths.append(folder / f"frames-{len(paths):05}.npy")
        firsts.append(firsts_R[own[0]])
        parts: list[Runs] = []
        n_rows = int(firsts_R[own[-1] + 1] - firsts[-1]) + gap
        with _written_if_missing(paths[-1], rows, n_rows) as file:
            for i in own:
                sequences, windows = lay_out(options, [recordings[i].load()], stride_frames, spare)
                source = sources.setdefault(recordings[i].source, len(sources))
                parts.append(runs_of(windows, stride_frames).placed(firsts_R[i], source))
                if file:  # the gap after a recording is that before the next one
                    file.write(_rows(sequences, rows)[: None if i == own[-1] else -gap].tobytes())
        index.append(joined(parts))
    return FrameFiles(paths, np.array(firsts), options, n_devices), joined(index)


def _name(options: config.Config, recordings: Sequence[AnyRecording]) -> str:
    decides = (
        (_VERSION, RECORDING_VERSION, fingerprint(recordings), options.data.classes),
        (dataclasses.asdict(options.labels), str(row_type(options)), gap_frames(options), _FILE_BYTES),
    )
    digest = hashlib.sha256(repr(decides).encode())
    for recording in recordings:  # in their order
        digest.update(f"{recording.name} {recording.digest}\n".encode())
    return digest.hexdigest()[:16]


def _rows(sequences: Sequences, row: np.dtype) -> np.ndarray:
    rows_F = np.empty(len(sequences.real_F), row)
    for name, values in sequences.arrays().items():
        rows_F[name] = values
    return rows_F


@contextlib.contextmanager
def _written_if_missing(path: Path, row: np.dtype, n_rows: int) -> Iterator[BinaryIO | None]:
    """A file for so many rows, written beside `path`; None where one is there, by another run if need be."""
    if _is_whole(path, row, n_rows):
        yield None
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_writer(path.parent):
            if _is_whole(path, row, n_rows):
                yield None
                return
            for left in path.parent.glob(".frames-*.tmp.npy"):  # by one that was killed
                left.unlink()
            with written_beside(path) as beside, beside.open("wb") as file:
                header = {"descr": np.lib.format.dtype_to_descr(row), "fortran_order": False}
                np.lib.format.write_array_header_1_0(file, {**header, "shape": (n_rows,)})
                yield file
                file.flush()
                os.fsync(file.fileno())  # its length is all that is looked at later
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error}): make room, or set --config.data.resident=true"
        ) from error


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Waits, with a word, for another run that writes there."""
    lock = filelock.FileLock(folder / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"{folder}: another run is writing these files: waiting for it", flush=True)
        held = lock.acquire()
    with held:
        yield


def _is_whole(path: Path, row: np.dtype, n_rows: int) -> bool:
    """Whether a file of so many rows is there."""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        return _read_head(file) + n_rows * row.itemsize == path.stat().st_size
    return False


def _read_head(file: BinaryIO) -> int:
    """How long the header is."""
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return file.tell()
