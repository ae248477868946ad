"""Recordings of synthetic people, for a user with no data yet."""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from wt_jax.data.recordings import SYNTHETIC, Recording
from wt_jax.pose.joint_angles import pose_sequence, to_frame
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.motion import REPERTOIRE, synthetic_motion

_TAKES = 3  # of no-exercise by one person: more is in it than in an exercise


def make_recordings(classes: Sequence[str], seed: int, people: int) -> list[Recording]:
    """Each person once in each class, three times in no-exercise: the same bits in any process.

    A class without a synthetic exercise is left out, and no-exercise holds none of the classes. The same
    people do every exercise, and a person is in one split: of 48 people 30 in train, 9 in val and 9 in test,
    of more no more in these two. Raises ValueError for fewer than 3 people.
    """
    if people < 3:
        raise ValueError(f"people={people}: must be at least 3, one each for train, val and test")
    held_out = min(9, max(1, round(people * 3 / 16)))
    splits = ["train"] * (people - 2 * held_out) + ["val"] * held_out + ["test"] * held_out
    names = [canonical_class(name) for name in classes]
    return [
        _recording(name, names, seed, person, take, splits[person])
        for name in dict.fromkeys(names)
        if name in (*REPERTOIRE, NO_EXERCISE)
        for person in range(people)
        for take in range(_TAKES if name == NO_EXERCISE else 1)
    ]


def _recording(
    class_name: str, classes: Sequence[str], seed: int, person: int, take: int, split: str
) -> Recording:
    body = Body(np.random.default_rng([seed, person]))
    rng = np.random.default_rng([seed, person, take, zlib.crc32(class_name.encode())])
    motion = synthetic_motion(class_name, rng, body, classes)
    landmarks, fps = motion.landmarks_FxLx4, motion.fps
    times_s = np.arange(len(landmarks)) / fps
    angles_FxJ, points_FxLx3, valid_F = pose_sequence(landmarks, times_s, motion.width_px, motion.height_px)
    nearest = np.rint(np.arange(len(angles_FxJ)) / FRAME_RATE_HZ * fps).astype(int)
    return Recording(
        name=f"{class_name}/synthetic-person{person:03}{'abc'[take] if class_name == NO_EXERCISE else ''}",
        class_name=class_name,
        group=f"synthetic-person{person:03}",
        split=split,
        angles_FxJ=angles_FxJ,
        valid_F=valid_F,
        class_known_F=motion.class_known_F[np.minimum(nearest, len(landmarks) - 1)],
        starts=to_frame(motion.starts, times_s),
        source_fps=fps,
        digest=hashlib.sha256(landmarks.tobytes()).hexdigest(),
        points_FxLx3=points_FxLx3,
        source=SYNTHETIC,
    )
