"""Landmark files: what a pose estimator saw in one video, `data/landmarks/<class>/<video>.npz`.

Letters: F frames, L landmarks (33).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax.runtime.files import UNREADABLE, written_beside
from wt_jax.skeleton import N_LANDMARKS

_KEYS = ("landmarks", "fps", "width", "height")
_PROVENANCE_KEYS = ("video_sha256", "model_sha256")
FPS = (1.0, 1000.0)  # least and most: time lapse, high-speed cameras; a second at 1e-6 would fill the memory


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
        return np.isfinite(self.landmarks_FxLx4[..., :2]).all((1, 2))

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


def load_landmarks(path: Path | str) -> Landmarks:
    """Reads and checks one landmark file. Raises ValueError, with the file and what to do."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    with Path(path).open("rb") as file:
        if file.read(4) != b"PK\3\4":
            raise ValueError(f"{path}: no npz archive: save it with np.savez and the keys {', '.join(_KEYS)}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in _KEYS if key not in archive.files]
            arrays = {key: archive[key] for key in (*_KEYS, "times_s") if key in archive.files}
            found = ", ".join(archive.files)
    except UNREADABLE as error:
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{path}: holds pickled objects, refused: save plain arrays with np.savez"
            ) from None
        raise ValueError(f"{path}: unreadable or cut short ({error}): extract or copy it again") from None
    if missing:
        raise ValueError(
            f"{path}: no {', '.join(missing)} (found: {found}): needs the keys {', '.join(_KEYS)}"
        )
    landmarks_FxLx4 = arrays["landmarks"]
    if landmarks_FxLx4.dtype.kind != "f":
        raise ValueError(f"{path}: landmarks of type {landmarks_FxLx4.dtype}: must be float32")
    if landmarks_FxLx4.ndim != 3 or landmarks_FxLx4.shape[1:] != (N_LANDMARKS, 4):
        raise ValueError(
            f"{path}: landmarks of shape {landmarks_FxLx4.shape}: "
            f"must be (frames, {N_LANDMARKS}, 4), x, y, z and visibility of MediaPipe's landmarks"
        )
    if len(landmarks_FxLx4) == 0:
        raise ValueError(f"{path}: landmarks of no frame at all: extract the video again, or remove the file")
    if np.isinf(landmarks_FxLx4).any():
        frame = int(np.isinf(landmarks_FxLx4).any((1, 2)).argmax())
        raise ValueError(f"{path}: infinite landmarks in frame {frame}: write NaN where no person is seen")
    if np.isnan(landmarks_FxLx4[..., :2]).any((1, 2)).all():
        raise ValueError(
            f"{path}: no frame with all landmarks (NaN): is the person in the picture? remove the file"
        )
    n_frames, fps = len(landmarks_FxLx4), _number(arrays["fps"], path, "fps", "frames a second", *FPS)
    given_s = arrays.get("times_s")
    return Landmarks(
        landmarks_FxLx4=landmarks_FxLx4.astype(np.float32, copy=False),
        fps=fps,
        width_px=round(_number(arrays["width"], path, "width", "pixels")),
        height_px=round(_number(arrays["height"], path, "height", "pixels")),
        times_s=constant_times(n_frames, fps) if given_s is None else _times(given_s, path, n_frames),
        provenance=read_provenance(path),
    )


def read_provenance(path: Path | str) -> Provenance | None:
    """What a landmark file was extracted from; None for one that is not ours, or cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Provenance(*(str(archive[key].item()) for key in _PROVENANCE_KEYS))
    except (*UNREADABLE, AttributeError, TypeError):
        return None


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


def _times(times_s: np.ndarray, path: Path | str, n_frames: int) -> np.ndarray:
    if times_s.shape != (n_frames,) or times_s.dtype.kind not in "iuf":
        raise ValueError(
            f"{path}: times_s of shape {times_s.shape}, type {times_s.dtype}: must be {n_frames} numbers, "
            "the time of each frame in seconds; or leave times_s out where the rate is constant"
        )
    times_s = times_s.astype(np.float64)
    if not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any():
        raise ValueError(f"{path}: times_s must be finite and strictly increasing, in seconds")
    if n_frames > 1 and not FPS[0] <= (mean := (n_frames - 1) / (times_s[-1] - times_s[0])) <= FPS[1]:
        raise ValueError(
            f"{path}: times_s with {mean:g} frames a second: must be from {FPS[0]:g} to {FPS[1]:g}; is it "
            "in seconds?"
        )
    return times_s


def _number(
    value: np.ndarray, path: Path | str, key: str, unit: str, least: float = 1.0, most: float = math.inf
) -> float:
    number = float(value.item()) if value.size == 1 and value.dtype.kind in "iuf" else math.nan
    if not (math.isfinite(number) and least <= number <= most):
        shown = value.item() if value.size == 1 else f"array of shape {value.shape}"
        allowed = f"{least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise ValueError(f"{path}: {key}={shown}: must be one number, {allowed}, in {unit}")
    return number
