"""Landmark files: what a pose estimator saw in one video, `data/landmarks/<class>/<video>.npz`."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wt_jax.files import UNREADABLE, written_beside
from wt_jax.skeleton import N_LANDMARKS

_KEYS = ("landmarks", "fps", "width", "height")
_FPS = (1.0, 1000.0)  # from time lapse to high-speed cameras; one second at 1e-6 would fill the memory


@dataclass(frozen=True, eq=False)
class Landmarks:
    """MediaPipe's 33 landmarks over the frames of one video.

    `landmarks_FxLx4` is float32: x and y as shares of the image, z in units of x, visibility; a row of
    NaN where no person was seen. `fps` is the rate of the source, width and height are in pixels.
    """

    landmarks_FxLx4: np.ndarray
    fps: float
    width_px: int
    height_px: int


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
            arrays = {key: archive[key] for key in _KEYS if key not in missing}
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
    return Landmarks(
        landmarks_FxLx4=landmarks_FxLx4.astype(np.float32, copy=False),
        fps=_number(arrays["fps"], path, "fps", "frames a second", *_FPS),
        width_px=round(_number(arrays["width"], path, "width", "pixels")),
        height_px=round(_number(arrays["height"], path, "height", "pixels")),
    )


def save_landmarks(path: Path | str, landmarks: Landmarks) -> None:
    """Writes one landmark file, beside `path` first and then renamed: whole or not at all."""
    with written_beside(path) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file,
            landmarks=np.asarray(landmarks.landmarks_FxLx4, np.float32),
            fps=np.float64(landmarks.fps),
            width=np.int64(landmarks.width_px),
            height=np.int64(landmarks.height_px),
        )


def _number(
    value: np.ndarray, path: Path | str, key: str, unit: str, least: float = 1.0, most: float = math.inf
) -> float:
    number = float(value.item()) if value.size == 1 and value.dtype.kind in "iuf" else math.nan
    if not (math.isfinite(number) and least <= number <= most):
        shown = value.item() if value.size == 1 else f"array of shape {value.shape}"
        allowed = f"{least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise ValueError(f"{path}: {key}={shown}: must be one number, {allowed}, in {unit}")
    return number
