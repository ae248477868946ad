"""People in pictures: 33 landmarks of one person, followed from frame to frame by MediaPipe.

Letters: H height and W width of a picture, L landmarks (33), P people.
The task: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
"""

import zipfile
from pathlib import Path
from typing import Any

import mediapipe
import numpy as np
from mediapipe.tasks.python import vision
from mediapipe.tasks.python.core.base_options import BaseOptions

from wt_jax.runtime.native_output import quiet
from wt_jax.skeleton import LANDMARKS, N_LANDMARKS

_PARTS = ("pose_detector.tflite", "pose_landmarks_detector.tflite")  # the two networks in a .task file
_MAX_PEOPLE = 4  # looked at where a track begins
_TORSO = [LANDMARKS.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")]
_JUMP = 1.0  # in torso lengths between two frames: another person, rather than a fast one
_MARGIN = 0.3  # of a person's box, on each side of it, in the picture that begins a track


class PoseEstimator:
    """Landmarks of one person in the frames of one video. A context manager; one for each video.

    MediaPipe follows one person from frame to frame (its VIDEO mode), and smooths. Where that track begins,
    or begins again after a loss or a leap, all people that it finds are looked at: the largest is taken to
    begin with, later the one nearest in place and size to where the track was lost. Only these frames cost
    more: following several people throughout takes half as long again, and is not smoothed.
    """

    def __init__(self, model: Path | str):
        """Raises ValueError where `model` is no pose landmarker."""
        self._model = Path(model)
        self._follower = _landmarker(self._model, vision.RunningMode.VIDEO, 1)
        self._finder: Any = None  # made where it is needed first
        self._last_ms = -1
        self._torso: np.ndarray | None = None  # of the last pose: x, y of its centre, its length, in pixels
        self._is_lost = True

    def __enter__(self) -> "PoseEstimator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees MediaPipe's networks."""
        with quiet():  # mediapipe 1.0 takes leave of each of its accelerators
            for landmarker in filter(None, (self._follower, self._finder)):
                landmarker.close()
        self._finder = None

    def __call__(self, frame_HxWx3: np.ndarray, time_s: float) -> np.ndarray:
        """landmarks_Lx4 float32: x and y as shares of the picture, z in units of x, visibility; NaN: nobody.

        `frame_HxWx3` is uint8 RGB, `time_s` later than that of the frame before, by 1 ms at least to count.
        """
        height_px, width_px = frame_HxWx3.shape[:2]
        landmarks_Lx4 = self._follow(frame_HxWx3, time_s)
        if landmarks_Lx4 is None:
            self._is_lost = True
            return np.full((N_LANDMARKS, 4), np.nan, np.float32)
        torso = _torso(landmarks_Lx4, width_px, height_px)
        if self._is_lost or self._torso is None or _distance(torso, self._torso) > _JUMP:
            landmarks_Lx4 = self._choose(frame_HxWx3, time_s, landmarks_Lx4)
            torso = _torso(landmarks_Lx4, width_px, height_px)
        self._torso, self._is_lost = torso, False
        return landmarks_Lx4

    def _follow(self, frame_HxWx3: np.ndarray, time_s: float) -> np.ndarray | None:
        self._last_ms = max(round(time_s * 1000), self._last_ms + 1)
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(frame_HxWx3))
        if self._torso is None:
            with quiet():  # it speaks up once more at the first person
                people = self._follower.detect_for_video(image, self._last_ms).pose_landmarks
        else:
            people = self._follower.detect_for_video(image, self._last_ms).pose_landmarks
        return _as_array(people[0]) if people else None

    def _choose(self, frame_HxWx3: np.ndarray, time_s: float, found_Lx4: np.ndarray) -> np.ndarray:
        """The person to follow from here on, of all in the frame; `found_Lx4` is the one followed now."""
        if self._finder is None:
            self._finder = _landmarker(self._model, vision.RunningMode.IMAGE, _MAX_PEOPLE)
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(frame_HxWx3))
        with quiet():
            people = [_as_array(person) for person in self._finder.detect(image).pose_landmarks]
        height_px, width_px = frame_HxWx3.shape[:2]
        torsos = [_torso(person, width_px, height_px) for person in people]
        now = _torso(found_Lx4, width_px, height_px)
        if all(_distance(torso, now) < _JUMP for torso in torsos):
            return found_Lx4  # nobody else
        torsos, people = [now, *torsos], [found_Lx4, *people]
        before = self._torso
        if before is None:
            best = max(range(len(people)), key=lambda i: _height(people[i], height_px))
        else:
            best = min(range(len(people)), key=lambda i: _distance(torsos[i], before))
        if _distance(torsos[best], now) < _JUMP:
            return found_Lx4
        self._follow(np.zeros_like(frame_HxWx3), time_s)  # nobody there: lets go of the wrong one
        chosen_Lx4 = self._follow(_only(frame_HxWx3, people[best]), time_s)
        return people[best] if chosen_Lx4 is None else chosen_Lx4


def _landmarker(model: Path, mode: Any, max_people: int) -> Any:
    if not model.is_file():
        raise ValueError(f"{model}: no such pose model: name a pose_landmarker_*.task file")
    if not zipfile.is_zipfile(model):
        raise ValueError(f"{model}: not a pose model, or cut off: name a pose_landmarker_*.task file")
    with zipfile.ZipFile(model) as archive:
        if missing := set(_PARTS) - set(archive.namelist()):
            raise ValueError(
                f"{model}: a model of something else (no {min(missing)}): name a pose_landmarker one"
            )
    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)), running_mode=mode, num_poses=max_people
    )
    try:
        with quiet():
            return vision.PoseLandmarker.create_from_options(options)
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"{model}: MediaPipe cannot use it ({error}): copy or download it again") from None


def _as_array(person: Any) -> np.ndarray:
    return np.array([(p.x, p.y, p.z, p.visibility) for p in person], np.float32)


def _torso(landmarks_Lx4: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """x, y of the middle of shoulders and hips and the distance between their middles, in pixels."""
    corners_4x2 = landmarks_Lx4[_TORSO, :2] * np.array([width_px, height_px], np.float32)
    length_px = np.hypot(*(corners_4x2[:2].mean(0) - corners_4x2[2:].mean(0)))
    across_px = np.hypot(*(corners_4x2[0] - corners_4x2[1]))
    return np.array([*corners_4x2.mean(0), max(length_px, across_px, 1.0)])


def _distance(torso: np.ndarray, other: np.ndarray) -> float:
    """Between centres, in lengths of `other`, and how many times as large the one is (its logarithm)."""
    return float(np.hypot(*(torso[:2] - other[:2])) / other[2] + abs(np.log(torso[2] / other[2])))


def _height(landmarks_Lx4: np.ndarray, height_px: int) -> float:
    return float(np.ptp(landmarks_Lx4[:, 1])) * height_px


def _only(frame_HxWx3: np.ndarray, landmarks_Lx4: np.ndarray) -> np.ndarray:
    """The frame, black but for this person and a margin."""
    size = np.array([frame_HxWx3.shape[1], frame_HxWx3.shape[0]])
    low, high = landmarks_Lx4[:, :2].min(0) * size, landmarks_Lx4[:, :2].max(0) * size
    margin_px = _MARGIN * (high - low).max()
    (left, top), (right, bottom) = (np.clip(edge, 0, size).astype(int) for edge in
                                    (low - margin_px, high + margin_px))  # fmt: skip
    only_HxWx3 = np.zeros_like(frame_HxWx3)
    only_HxWx3[top:bottom, left:right] = frame_HxWx3[top:bottom, left:right]
    return only_HxWx3
