"""Landmark files: what a pose estimator saw in one video, `data/landmarks/<class>/<video>.npz`.

Letters: F frames, L landmarks (33).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax.config import Data
from wt_jax.pose.joint_angles import FARTHEST_PX
from wt_jax.runtime.files import written_beside
from wt_jax.runtime.npz import Npz, Unreadable, open_npz
from wt_jax.skeleton import N_LANDMARKS

LANDMARKS_SUFFIX = ".npz"
_KEYS = ("landmarks", "fps", "width", "height")
_PROVENANCE_KEYS = ("video_sha256", "model_sha256")
FPS = (1.0, 1000.0)  # least and most: time lapse, high-speed cameras; a second at 1e-6 would fill the memory
SIZE_PX = (1.0, 1e6)  # least and most of an image's sides: what is multiplied by it stays a number
FARTHEST = FARTHEST_PX / SIZE_PX[1]  # most of a coordinate, in shares of the largest image
_LATEST_S = 1e12  # of a frame: beyond it float64 tells none from the next
_LONG_FPS = 60.0  # of the longest recordings; cameras of more frames a second film for less long


def is_video(file: Path) -> bool:
    """Whatever is no landmark file is tried as a video."""
    return file.suffix.lower() != LANDMARKS_SUFFIX


@dataclass(frozen=True, eq=False)
class Landmarks:
    """MediaPipe's 33 landmarks over the frames of one video.

    `landmarks_FxLx4` is float32: x and y as shares of the image, z in units of x, visibility; a row of
    NaN where no person was seen. `fps` is the rate of the video (the mean, where it varies), width and
    height are in pixels. `times_s` (F,) float64, strictly increasing, are the times of the frames; left
    out, they are those of a constant rate. `provenance` says what they were extracted from, None where they
    are somebody's own.
    """

    landmarks_FxLx4: np.ndarray
    fps: float
    width_px: int
    height_px: int
    times_s: np.ndarray = None  # type: ignore[assignment]  # filled in below
    provenance: "Provenance | None" = None

    def __post_init__(self):
        if self.times_s is None:
            object.__setattr__(self, "times_s", constant_times(len(self.landmarks_FxLx4), self.fps))

    @property
    def seen_F(self) -> np.ndarray:
        """Mask (F,) of the frames in which somebody is seen."""
        return (np.abs(self.landmarks_FxLx4[..., :2]) <= FARTHEST).all((1, 2))

    @property
    def is_constant(self) -> bool:
        """Are the times those of a constant rate?"""
        return np.array_equal(self.times_s, constant_times(len(self.landmarks_FxLx4), self.fps))


@dataclass(frozen=True)
class Provenance:
    """SHA-256 of the video file and of the pose model that landmarks come from."""

    video_sha256: str
    model_sha256: str


def constant_times(n_frames: int, fps: float) -> np.ndarray:
    """Times of frames at a constant rate, in seconds, from 0: float64 (F,)."""
    return np.arange(n_frames) / fps


def load_landmarks(path: Path | str, max_minutes: float = Data.max_minutes) -> Landmarks:
    """Reads and checks one landmark file. Raises ValueError, with the file and what to do.

    One of more than `max_minutes`, or of more frames than 60 a second make in that time, is refused before
    its frames take any memory.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    try:
        with open_npz(path) as archive:
            return _read(archive, path, max_minutes)
    except Unreadable as error:
        raise ValueError(
            f"{path}: {error}: extract or copy it again; one of your own is saved with np.savez, plain "
            f"arrays with the keys {', '.join(_KEYS)}"
        ) from None


def read_provenance(path: Path | str) -> Provenance | None:
    """What a landmark file was extracted from; None for one that is not ours, or cannot be read."""
    try:
        with open_npz(path) as archive:
            return _provenance(archive)
    except (Unreadable, OSError):
        return None


def why_too_long(n_frames: int, duration_s: float, max_minutes: float) -> str:
    """What is said of a recording of more than data.max_minutes allows, "" of any other."""
    minutes, most_frames = duration_s / 60, max_minutes * 60 * _LONG_FPS
    if minutes <= max_minutes and n_frames <= most_frames:
        return ""
    return (
        f"{minutes:.1f} minutes of {n_frames} frames: more than data.max_minutes={max_minutes:g}, or the "
        f"{most_frames:.0f} frames of that time at {_LONG_FPS:g} a second: is its fps right? cut it into "
        "parts, or raise that option (build_dataset: --max_minutes)"
    )


def _read(archive: Npz, path: Path | str, max_minutes: float) -> Landmarks:
    if missing := [key for key in _KEYS if key not in archive.names]:
        raise ValueError(
            f"{path}: no {', '.join(missing)} (found: {_listed(archive.names)}): needs the keys "
            f"{', '.join(_KEYS)}"
        )
    shape, dtype, _, n_bytes = archive.header("landmarks")
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise ValueError(f"{path}: landmarks of type {dtype}: must be float32")
    if len(shape) != 3 or shape[1:] != (N_LANDMARKS, 4):
        raise ValueError(
            f"{path}: landmarks of shape {shape}: "
            f"must be (frames, {N_LANDMARKS}, 4), x, y, z and visibility of MediaPipe's landmarks"
        )
    n_frames, fps = shape[0], _number(archive.read("fps"), path, "fps", "frames a second", *FPS)
    if n_frames == 0:
        raise ValueError(f"{path}: landmarks of no frame at all: extract the video again, or remove the file")
    if reason := why_too_long(n_frames, n_frames / fps, max_minutes):
        raise ValueError(f"{path}: {reason}")
    given_FxLx4 = archive.read("landmarks", n_bytes)
    with np.errstate(over="ignore"):
        landmarks_FxLx4 = given_FxLx4.astype(np.float32, copy=False)
    is_far_FxLx4 = np.abs(landmarks_FxLx4) > FARTHEST
    if is_far_FxLx4.any():
        frame = int(is_far_FxLx4.any((1, 2)).argmax())
        value = float(given_FxLx4[frame][is_far_FxLx4[frame]][0])
        what = "infinite landmarks" if math.isinf(value) else f"landmarks of {value:g}"
        raise ValueError(f"{path}: {what} in frame {frame}: write NaN where no person is seen")
    if np.isnan(landmarks_FxLx4[..., :2]).any((1, 2)).all():
        raise ValueError(
            f"{path}: no frame with all landmarks (NaN): is the person in the picture? remove the file"
        )
    times_s = constant_times(n_frames, fps)
    if "times_s" in archive.names:
        times_s = _times(archive, path, n_frames)
        if reason := why_too_long(n_frames, float(times_s[-1] - times_s[0]), max_minutes):
            raise ValueError(f"{path}: {reason}")
    return Landmarks(
        landmarks_FxLx4=landmarks_FxLx4,
        fps=fps,
        width_px=round(_number(archive.read("width"), path, "width", "pixels", *SIZE_PX)),
        height_px=round(_number(archive.read("height"), path, "height", "pixels", *SIZE_PX)),
        times_s=times_s,
        provenance=_provenance(archive),
    )


def save_landmarks(path: Path | str, landmarks: Landmarks) -> None:
    """Writes one landmark file, beside `path` first and then renamed: whole or not at all."""
    optional: dict[str, Any] = {}
    if not landmarks.is_constant:
        optional["times_s"] = np.asarray(landmarks.times_s, np.float64)
    if landmarks.provenance:
        optional |= {key: np.str_(getattr(landmarks.provenance, key)) for key in _PROVENANCE_KEYS}
    with written_beside(path) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file,
            landmarks=np.asarray(landmarks.landmarks_FxLx4, np.float32),
            fps=np.float64(landmarks.fps),
            width=np.int64(landmarks.width_px),
            height=np.int64(landmarks.height_px),
            **optional,
        )


def _provenance(archive: Npz) -> Provenance | None:
    if any(key not in archive.names for key in _PROVENANCE_KEYS):
        return None
    return Provenance(*(archive.text(key) for key in _PROVENANCE_KEYS))


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join([*names[:most], *["..."][: len(names) > most]])


def _times(archive: Npz, path: Path | str, n_frames: int) -> np.ndarray:
    shape, dtype, _, n_bytes = archive.header("times_s")
    if shape != (n_frames,) or dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(
            f"{path}: times_s of shape {shape}, type {dtype}: must be {n_frames} numbers, "
            "the time of each frame in seconds; or leave times_s out where the rate is constant"
        )
    times_s = archive.read("times_s", n_bytes).astype(np.float64)
    if not (np.abs(times_s) < _LATEST_S).all() or (np.diff(times_s) <= 0).any():
        raise ValueError(f"{path}: times_s must be finite and strictly increasing, in seconds")
    if n_frames > 1 and not FPS[0] <= (mean := (n_frames - 1) / float(times_s[-1] - times_s[0])) <= FPS[1]:
        raise ValueError(
            f"{path}: times_s with {mean:g} frames a second: must be from {FPS[0]:g} to {FPS[1]:g}; is it "
            "in seconds?"
        )
    return times_s


def _number(value: np.ndarray, path: Path | str, key: str, unit: str, least: float, most: float) -> float:
    number = float(value.item()) if value.size == 1 and value.dtype.kind in "iuf" else math.nan
    if not (math.isfinite(number) and least <= number <= most):
        what = f"{value.item()}"[:40] if value.size == 1 else f"array of shape {value.shape}"
        raise ValueError(f"{path}: {key}={what}: must be one number, from {least:g} to {most:g}, in {unit}")
    return number
