"""The body as the project sees it: 33 pose landmarks, 25 joint angles, exercise classes.

Landmark indices are those of MediaPipe Pose
(https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker).
"""

import unicodedata
from collections.abc import Iterable

import numpy as np

LANDMARKS = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
    "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

SHOULDERS, HIPS = (11, 12), (23, 24)
DEPTH_FACTOR = 2.8  # times too deep is a pose estimator's z (benchmarks/estimator_errors.py)
# Upper arms, lower arms, thighs and shins: (from, to), left and right in turn.
LIMBS = ((11, 13), (12, 14), (13, 15), (14, 16), (23, 25), (24, 26), (25, 27), (26, 28))
# Landmark i of a person seen in a mirror is landmark MIRRORED[i] of the person.
MIRRORED = tuple(
    LANDMARKS.index(name.replace("left", "right") if "left" in name else name.replace("right", "left"))
    for name in LANDMARKS
)

# name -> (from, at, to): the angle is taken at the middle landmark. The order is part of every
# recording and checkpoint.
ANGLES = {
    "head": (11, 2, 12), "neck_left": (23, 11, 2), "neck_right": (24, 12, 5),
    "shoulder_left": (23, 11, 13), "shoulder_right": (24, 12, 14),
    "elbow_left": (11, 13, 15), "elbow_right": (12, 14, 16),
    "wrist_index_left": (13, 15, 19), "wrist_index_right": (14, 16, 20),
    "wrist_thumb_left": (13, 15, 21), "wrist_thumb_right": (14, 16, 22),
    "wrist_pinky_left": (13, 15, 17), "wrist_pinky_right": (14, 16, 18),
    "spine_left": (11, 23, 24), "spine_right": (12, 24, 23),
    "hip_left": (11, 23, 25), "hip_right": (12, 24, 26),
    "knee_left": (23, 25, 27), "knee_right": (24, 26, 28),
    "ankle_left": (25, 27, 31), "ankle_right": (26, 28, 32),
    "sole_left": (27, 29, 31), "sole_right": (28, 30, 32),
    "heel_left": (29, 27, 25), "heel_right": (30, 28, 26),
}  # fmt: skip
ANGLE_NAMES = tuple(ANGLES)
TRIPLETS = np.array(list(ANGLES.values()), np.int32)  # (J, 3)

N_LANDMARKS = len(LANDMARKS)
N_ANGLES = len(ANGLES)
FRAME_RATE_HZ = 30.0  # every recording is resampled to this rate before windows are cut

NO_EXERCISE = "no-exercise"  # the one class without repetitions
CLASSES = ("push-ups", "squats", "pull-ups", "dips", NO_EXERCISE)


def canonical_class(name: str) -> str:
    """The class name as configs write it: `no_exercise` is an alias of `no-exercise`."""
    return NO_EXERCISE if name == "no_exercise" else name


CLASS_NAME = "1 to 60 letters, digits, spaces, _ - and single dots; first and last a letter, a digit or _"


def is_class_name(name: str) -> bool:
    """May a class be called that? As CLASS_NAME says: it is a folder's name, and leads to no other folder."""
    kinds = [unicodedata.category(letter)[0] for letter in name]  # M: the vowels of Hindi and Thai
    return (
        0 < len(name) <= 60
        and all(kind in "LMN" or letter in " ._-" for kind, letter in zip(kinds, name, strict=True))
        and all(kinds[i] in "LMN" or name[i] == "_" for i in (0, -1))
        and ".." not in name
    )


def check_classes(names: Iterable[str], where: str = "class") -> tuple[str, ...]:
    """The names as configs write them, each once. Raises ValueError, beginning with `where`, for others."""
    names = tuple(names)
    for name in names:
        if not is_class_name(name):
            raise ValueError(f"{where} {name!r}: must be the name of a class, such as squats: {CLASS_NAME}")
    return tuple(dict.fromkeys(map(canonical_class, names)))
