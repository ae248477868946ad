"""A trained checkpoint that says what is in videos and landmarks: the class to use from Python."""

import math
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wt_jax import config
from wt_jax.counting.prediction import Prediction, read_timeline
from wt_jax.counting.settings import Counting
from wt_jax.data.loading import SYNTHETIC
from wt_jax.inference.exported import is_exported, open_exported
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.restore import restore_model
from wt_jax.inference.sliding_window import Frames, Infer, make_infer, make_timelines
from wt_jax.pose.joint_angles import pose_sequence
from wt_jax.pose.landmarks import FARTHEST, FPS, SIZE_PX, Landmarks
from wt_jax.skeleton import HIPS, N_LANDMARKS, SHOULDERS
from wt_jax.storage.copies import copy_of_file
from wt_jax.storage.places import absolute

_LEAST_TORSO, _TORSO = 10.0, 200.0  # below, units are no pixels: made as large as a person in a picture


class Predictor:
    """The checkpoint that a training run serves, for videos and landmarks. Compiled once, at the first.

    Or an `exported` model, which has no `params`.
    """

    def __init__(
        self,
        options: config.Config,
        params: Any,
        counting: Counting,
        identity: dict[str, Any],
        exported: Infer | None = None,
    ):
        self.options = options
        self.params = params
        self.counting = counting
        self.identity = identity  # what docs/predict.md calls the model
        self.exported = exported
        self._timelines = make_timelines(options, exported)

    @classmethod
    def restore(cls, folder: Path | str = PRETRAINED) -> "Predictor":
        """The checkpoint to serve (`train.select`) of `folder`, the workdir of a training run.

        Without one, and of "pretrained", that is the checkpoint in the box (docs/pretrained.md). Or the model
        of an ONNX file that `python -m wt_jax.export` wrote (docs/export.md).
        Where no thresholds were chosen for it (its training is not over, or had too few validation
        recordings with repetitions), the defaults are used, and a line says so, and why. Raises ValueError
        where there is no checkpoint, where it is damaged, or of other joint angles than this wt_jax computes.
        """
        if is_exported(folder):
            model = open_exported(folder)
            _tell_data(folder, model.identity["data"])
            if not model.identity["is_calibrated"]:
                print(f"note: {folder}: no thresholds were chosen for it, the defaults are used")
            return cls(model.options, None, model.counting, model.identity, model.infer)
        trained = restore_model(folder, jax.local_devices()[:1])
        if folder == PRETRAINED:
            print("note: pretrained, the checkpoint in the box: docs/pretrained.md says how far to trust it")
        else:
            _tell_data(folder, trained.meta["data"])
        if trained.remark:
            print(f"note: {folder}: {trained.remark}")
        identity = {
            "checkpoint": PRETRAINED if folder == PRETRAINED else absolute(folder),
            "step": trained.step,
            "data": trained.meta["data"],
            "data_fingerprint": trained.meta["fingerprint"],
            "classes": list(trained.options.data.classes),
            "is_calibrated": trained.chosen is not None,
        }
        return cls(trained.options, trained.params, trained.counting, identity)

    def __repr__(self) -> str:
        of = ", ".join(
            f"{key} {self.identity[key]}" for key in ("checkpoint", "step") if key in self.identity
        )
        return f"<Predictor: {of}; {', '.join(self.classes)}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the network's outputs."""
        return self.options.data.classes

    @cached_property
    def infer_one(self) -> Infer:
        """`sliding_window.make_infer` for one window at a time, as a stream has them."""
        return self.exported or make_infer(self.options, (1,))

    def predict_video(self, path: Path | str, pose_model: Path | str | None = None) -> Prediction:
        """What is in a video file, or one of a bucket; times are its own, in seconds.

        `pose_model` is a pose_landmarker_*.task file; without, as `model_file.pose_model` finds it. Raises
        ValueError for a video or a pose model that cannot be used.
        """
        from wt_jax.pose import extraction, model_file  # here: landmarks alone need no MediaPipe

        return self.predict(extraction.extract(copy_of_file(path), model_file.pose_model(pose_model)))

    def predict_landmarks(
        self, landmarks: np.ndarray, fps: float, width_px: float = 1, height_px: float = 1
    ) -> Prediction:
        """What is in landmarks of somebody's own: (frames, 33, 3 or more), of MediaPipe's 33.

        x, y (downwards) and z (away from the camera) come first; what follows is not read. In shares of
        the image, x and z of its width and y of its height, with the image's size in pixels; or all in one
        unit, pixels or another, with the size left out. NaN where nobody is seen. The first frame is at 0 s.
        Raises ValueError for another shape, values beyond 1e9, no frame at all, and a rate outside 1..1000.
        """
        array_FxLx = np.asarray(landmarks)
        shape = array_FxLx.shape
        if array_FxLx.ndim != 3 or shape[0] == 0 or shape[1] != N_LANDMARKS or shape[2] < 3:
            raise ValueError(
                f"landmarks of shape {shape}: must be (frames, {N_LANDMARKS}, 3 or more), with x, y and z of "
                "MediaPipe's landmarks first, and one frame at least"
            )
        if array_FxLx.dtype.kind not in "iuf" or (np.abs(array_FxLx[..., :3]) > np.float64(FARTHEST)).any():
            raise ValueError(
                f"landmarks must be numbers: NaN where nobody is seen, none beyond {FARTHEST:g} or infinite"
            )
        if not (math.isfinite(fps) and FPS[0] <= fps <= FPS[1]):
            raise ValueError(f"fps={fps}: must be from {FPS[0]:g} to {FPS[1]:g} frames a second")
        if not all(0 < size <= SIZE_PX[1] for size in (width_px, height_px)):
            raise ValueError(
                f"an image of {width_px} x {height_px} pixels: must be above 0, {SIZE_PX[1]:g} at most"
            )
        landmarks_FxLx4 = np.ones((*shape[:2], 4), np.float64)
        landmarks_FxLx4[..., :3] = array_FxLx[..., :3]
        scale = _scale(landmarks_FxLx4[..., :2] * np.array([width_px, height_px]))
        times_s = np.arange(shape[0]) / fps
        return self._predict(landmarks_FxLx4, times_s, scale * width_px, scale * height_px)

    def predict(self, landmarks: Landmarks) -> Prediction:
        """What is in the landmarks of one video (`landmarks.load_landmarks`, `extraction.extract`)."""
        return self._predict(
            landmarks.landmarks_FxLx4, landmarks.times_s, landmarks.width_px, landmarks.height_px
        )

    def _predict(
        self, landmarks_FxLx4: np.ndarray, times_s: np.ndarray, width_px: float, height_px: float
    ) -> Prediction:
        frames = Frames(*pose_sequence(landmarks_FxLx4, times_s, width_px, height_px))
        (timeline,) = self._timelines(self.params, [frames])
        return read_timeline(timeline, self.counting, float(times_s[0]))


def _tell_data(checkpoint: Path | str, data: str) -> None:
    if data == SYNTHETIC:
        print(f"note: {checkpoint}: it has seen synthetic people alone, which say little of real ones")


def _scale(points_FxLx2: np.ndarray) -> float:
    """What makes pixels of these units, if they are none: the network's inputs are made for pixels."""
    torsos = points_FxLx2[:, SHOULDERS].mean(1) - points_FxLx2[:, HIPS].mean(1)
    lengths = np.hypot(*torsos.T)
    lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
    torso = float(np.median(lengths)) if lengths.size else 0.0
    return _TORSO / torso if 0 < torso < _LEAST_TORSO else 1.0
