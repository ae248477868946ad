"""Where repetitions of a video may start, to begin labelling from."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wt_jax.counting.principal_motion import untaught_starts
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.pose.joint_angles import angle_sequence, nearest_frames
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.runtime.files import is_writable
from wt_jax.skeleton import FRAME_RATE_HZ
from wt_jax.storage.places import url_of

if TYPE_CHECKING:
    from wt_jax.inference.predictor import Predictor


def propose(landmarks: Landmarks, class_name: str, predictor: "Predictor | None" = None) -> np.ndarray:
    """Where repetitions may start: int32, strictly increasing, in frames of the landmarks' video.

    As the predictor finds them where there is one, else without a model; both are told the exercise.
    """
    times_s = landmarks.times_s
    if predictor is not None:
        starts_s = predictor.predict(landmarks).starts_as(class_name)
    else:
        angles_FxJ, valid_F = angle_sequence(
            landmarks.landmarks_FxLx4, times_s, landmarks.width_px, landmarks.height_px
        )
        starts_s = times_s[0] + untaught_starts(angles_FxJ, valid_F, class_name) / FRAME_RATE_HZ
    return nearest_frames(starts_s, times_s)


def find_landmarks(video: Path, file: MarkedStartsFile, n_frames: int, pose_model: str | None) -> Landmarks:
    """Landmarks of the video: those that are there, else found now, which takes its time.

    Those of a video in the root's own raw/ are kept, where `build_dataset` would put them, but in no copy of
    a bucket, which would not have them. Raises ValueError where the root's are another video's, and for a
    pose model that cannot be used.
    """
    if (landmarks := stored_landmarks(video, file, n_frames)) is not None:
        return landmarks
    from wt_jax.pose import extraction, model_file  # here: MediaPipe, only where there are no landmarks

    print(f"finding the person in {n_frames} frames, some 30 a second ...", flush=True)
    landmarks = extraction.extract(video, model_file.pose_model(pose_model))
    path = landmarks_path(video, file)
    if is_of_root(video, file) and is_writable(path.parent) and not url_of(path):
        save_landmarks(path, landmarks)
    return _checked(landmarks, path, video, n_frames)


def stored_landmarks(video: Path, file: MarkedStartsFile, n_frames: int) -> Landmarks | None:
    """Landmarks of the video in the data root of its label file, None where there are none.

    Raises ValueError where they cannot be read, or are another video's.
    """
    path = landmarks_path(video, file)
    return _checked(load_landmarks(path), path, video, n_frames) if path.exists() else None


def landmarks_path(video: Path, file: MarkedStartsFile) -> Path:
    """Where the landmarks of a video are kept: in the data root of its label file."""
    return file.path.parents[2] / "landmarks" / file.path.parent.name / f"{video.stem}.npz"


def is_of_root(video: Path, file: MarkedStartsFile) -> bool:
    """Does the video lie where `build_dataset` looks, in raw/ of the label file's data root?"""
    return video.absolute().parent == (file.path.parents[2] / "raw" / file.path.parent.name).absolute()


def _checked(landmarks: Landmarks, path: Path, video: Path, n_frames: int) -> Landmarks:
    if len(landmarks.times_s) != n_frames:
        raise ValueError(
            f"{path}: landmarks of {len(landmarks.times_s)} frames, but {video} has {n_frames}: "
            "of another video? remove the file, and they are found anew"
        )
    return landmarks
