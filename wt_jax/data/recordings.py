"""Recordings: one video as training reads it, `data/recordings/<class>/<video>.npz`."""

import hashlib
import math
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax.config import Data
from wt_jax.pose.landmarks import why_too_long
from wt_jax.runtime.files import written_beside
from wt_jax.runtime.names import why_unusable
from wt_jax.runtime.npz import Npz, Unreadable, open_npz
from wt_jax.skeleton import (
    FRAME_RATE_HZ,
    N_ANGLES,
    N_LANDMARKS,
    NO_EXERCISE,
    check_classes,
    is_class_name,
)

RECORDING_VERSION = 2  # one more whenever the same landmarks would give another recording
REBUILD = "remove it, or rebuild it with python -m wt_jax.build_dataset"
_ARRAYS = {"angles": np.float32, "valid": np.bool_, "class_known": np.bool_, "starts": np.int32}
_POINTS = np.float16
SYNTHETIC = "synthetic"  # source of synthetic people, and where everything written says which data it is of
MOCAP = "mocap"
MADE = (SYNTHETIC, MOCAP)
_MOST_BYTES_A_FRAME = 1000  # of an array: the points take 198; one of a wrong type is then said to be that


@dataclass(frozen=True, eq=False)
class Recording:
    """One video at 30 frames a second.

    `angles_FxJ` float32 in [0, 1], 0 where not valid; `valid_F` and `class_known_F` are masks, True
    where the pose is usable and where the folder's class is certain; `starts` are sorted frames (int32)
    where a repetition starts, None where nobody knows them, always empty for no-exercise. `group` is
    the person or source video, `split` one of train, val, test; `digest` stands for the files it is made of.
    `points_FxLx3` are the landmarks behind the angles, float16 (`joint_angles.point_sequence`); None where
    only angles are known. `source` is the data set that it is from ("repcount"), "" where nobody said.
    """

    name: str  # "push-ups/video-1"
    class_name: str
    group: str
    split: str
    angles_FxJ: np.ndarray
    valid_F: np.ndarray
    class_known_F: np.ndarray
    starts: np.ndarray | None
    source_fps: float
    digest: str
    points_FxLx3: np.ndarray | None = None
    source: str = ""

    def __post_init__(self):
        """Raises ValueError, beginning with the name, where the fields do not fit together."""
        n_frames = len(self.angles_FxJ)
        class_folder, _, video = self.name.partition("/")
        checks = {
            "a name other than <class>/<video>": (
                is_class_name(class_folder) and video and "/" not in video and not why_unusable(video)
            ),
            f"angles of shape {self.angles_FxJ.shape}": self.angles_FxJ.shape == (n_frames, N_ANGLES),
            "valid and angles of different lengths": self.valid_F.shape == (n_frames,),
            "class_known and angles of different lengths": self.class_known_F.shape == (n_frames,),
            "angles outside 0..1": bool(((self.angles_FxJ >= 0) & (self.angles_FxJ <= 1)).all()),
            "class and name that differ": self.name.split("/")[0] == self.class_name,
        }
        if self.points_FxLx3 is not None:
            shape, dtype = self.points_FxLx3.shape, self.points_FxLx3.dtype
            checks[f"points of shape {shape}, type {dtype}"] = (
                shape == (n_frames, N_LANDMARKS, 3) and dtype == _POINTS
            )
        if self.starts is not None:
            checks["starts that are not sorted frames"] = (
                self.starts.ndim == 1
                and bool((np.diff(self.starts, prepend=-1) > 0).all())
                and bool((self.starts < n_frames).all())
            )
        if self.class_name == NO_EXERCISE:
            checks["repetitions in no-exercise"] = self.starts is not None and self.starts.size == 0
        for problem, is_fine in checks.items():
            if not is_fine:
                raise ValueError(f"recording {self.name} has {problem}")

    def __len__(self) -> int:
        return len(self.angles_FxJ)

    @property
    def is_made(self) -> bool:
        """Whether it is of a synthetic person, or of motion capture filmed like one."""
        return self.source in MADE

    def load(self) -> "Recording":
        """Itself: its frames are here. A `FiledRecording` reads them."""
        return self

    @cached_property
    def content(self) -> str:
        """SHA-256 of the angle sequence: the same for a recording that is there twice."""
        return hashlib.sha256(self.angles_FxJ.tobytes() + self.valid_F.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False, slots=True)
class FiledRecording:
    """A recording whose frames stay in its file: what is known of it without them, about 1 KB."""

    path: Path
    n_frames: int
    name: str
    class_name: str
    group: str
    split: str
    class_known_F: np.ndarray  # takes no memory where it is True throughout
    starts: np.ndarray | None
    digest: str
    content: str
    source: str

    @classmethod
    def of(cls, recording: Recording, path: Path) -> "FiledRecording":
        """The recording as it lies in `path`."""
        known_F = recording.class_known_F
        return cls(
            path=path,
            n_frames=len(recording),
            class_known_F=np.broadcast_to(np.True_, len(recording)) if known_F.all() else known_F,
            **{
                name: getattr(recording, name)
                for name in ("name", "class_name", "group", "split", "starts", "digest", "content", "source")
            },
        )

    def __len__(self) -> int:
        return self.n_frames

    @property
    def is_made(self) -> bool:
        """As of a `Recording`."""
        return self.source in MADE

    def load(self) -> Recording:
        """Reads it. Raises ValueError where the file is gone, or is of another recording by now."""
        recording = load_recording(self.path, math.inf)
        if recording.content != self.content:
            raise ValueError(f"{self.path}: was changed after training had begun: start it again")
        return replace(recording, group=self.group, split=self.split, starts=self.starts, source=self.source)


AnyRecording = Recording | FiledRecording


def save_recording(path: Path | str, recording: Recording) -> None:
    """Writes one recording, beside `path` first and then renamed: whole or not at all."""
    has_starts = recording.starts is not None
    points: dict[str, Any] = {} if recording.points_FxLx3 is None else {"points": recording.points_FxLx3}
    with written_beside(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            recording_version=np.int64(RECORDING_VERSION),
            name=np.str_(recording.name),
            group=np.str_(recording.group),
            split=np.str_(recording.split),
            digest=np.str_(recording.digest),
            source_fps=np.float64(recording.source_fps),
            angles=recording.angles_FxJ.astype(np.float32, copy=False),
            valid=recording.valid_F.astype(np.bool_, copy=False),
            class_known=recording.class_known_F.astype(np.bool_, copy=False),
            starts=np.asarray(recording.starts if has_starts else [], np.int32),
            starts_known=np.bool_(has_starts),
            source=np.str_(recording.source),
            **points,
        )


def load_recording(path: Path | str, max_minutes: float = Data.max_minutes) -> Recording:
    """Reads and checks one recording, of `max_minutes` at most.

    Raises ValueError, with the file and what to do.
    """
    try:
        with open_npz(path) as archive:
            return _read(archive, max_minutes)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: no usable recording ({error}): {REBUILD}") from None


def _read(archive: Npz, max_minutes: float) -> Recording:
    version = int(archive.read("recording_version"))
    if version != RECORDING_VERSION:
        raise ValueError(f"version {version}, this is version {RECORDING_VERSION}")
    text = {key: archive.text(key) for key in ("name", "group", "split", "digest", "source")}
    n_frames = max(archive.header("angles").shape, default=0)
    if reason := why_too_long(n_frames, n_frames / FRAME_RATE_HZ, max_minutes):
        raise ValueError(reason)
    most_bytes = n_frames * _MOST_BYTES_A_FRAME
    arrays = {key: archive.read(key, most_bytes) for key in _ARRAYS}
    for key, dtype in _ARRAYS.items():
        if arrays[key].dtype != dtype:
            raise ValueError(f"{key} of type {arrays[key].dtype} in place of {np.dtype(dtype)}")
    return Recording(
        **text,
        class_name=text["name"].split("/")[0],
        angles_FxJ=arrays["angles"],
        valid_F=arrays["valid"],
        class_known_F=arrays["class_known"],
        starts=arrays["starts"] if archive.read("starts_known") else None,
        source_fps=float(archive.read("source_fps")),
        points_FxLx3=archive.read("points", most_bytes) if "points" in archive.names else None,
    )


def load_recordings(
    folder: Path | str,
    classes: Sequence[str],
    max_minutes: float = Data.max_minutes,
    in_files: bool = False,
) -> list[AnyRecording]:
    """All recordings of the classes below `folder`, sorted by name; `in_files`: without their frames.

    Raises ValueError where there is none, one is not usable, or one lies under another's name.
    """
    recordings: list[AnyRecording] = []
    for class_name in sorted(check_classes(classes)):
        for path in Path(folder, class_name).glob("[!.]*.npz"):
            recording = load_recording(path, max_minutes)
            if recording.name != f"{class_name}/{path.stem}":
                raise ValueError(f"{path}: holds the recording {recording.name}: move it back, or {REBUILD}")
            recordings.append(FiledRecording.of(recording, path) if in_files else recording)
    if not recordings:
        raise ValueError(f"{folder}: no recordings of {', '.join(classes)}: {REBUILD}")
    return sorted(recordings, key=lambda recording: recording.name)


def other_recordings(folder: Path | str, classes: Sequence[str], names: Collection[str]) -> list[Path]:
    """Files of recordings of the classes below `folder` that are not in `names`; of no other file."""
    others = []
    for class_name in sorted(check_classes(classes)):
        for path in sorted(Path(folder, class_name).glob("[!.]*.npz")):
            if f"{class_name}/{path.stem}" in names or not path.is_file():
                continue
            with suppress(Unreadable, OSError), open_npz(path) as archive:
                if "recording_version" in archive.names:
                    others.append(path)
    return others
