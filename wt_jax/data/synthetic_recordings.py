"""Recordings of synthetic people, for a user with no data yet."""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from wt_jax.data.recordings import Recording
from wt_jax.pose.joint_angles import pose_sequence, to_frame
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.exercises import EXERCISES
from wt_jax.synthetic.motion import synthetic_motion


def make_recordings(classes: Sequence[str], seed: int, people: int = 48) -> list[Recording]:
    """One recording of each person in each class: the same arguments give the same bits in any process.

    A class without a synthetic exercise is left out. The same people do every exercise, and a person is in
    one split: of 48 people 30 in train, 9 in val and 9 in test. Raises ValueError for fewer than 3 people.
    """
    if people < 3:
        raise ValueError(f"people={people}: must be at least 3, one each for train, val and test")
    held_out = max(1, round(people * 3 / 16))
    splits = ["train"] * (people - 2 * held_out) + ["val"] * held_out + ["test"] * held_out
    names = [
        name for name in dict.fromkeys(map(canonical_class, classes)) if name in (*EXERCISES, NO_EXERCISE)
    ]
    return [_recording(name, seed, person, splits[person]) for name in names for person in range(people)]


def _recording(class_name: str, seed: int, person: int, split: str) -> Recording:
    body = Body(np.random.default_rng([seed, person]))
    rng = np.random.default_rng([seed, person, zlib.crc32(class_name.encode())])
    motion = synthetic_motion(class_name, rng, body)
    landmarks, fps = motion.landmarks_FxLx4, motion.fps
    times_s = np.arange(len(landmarks)) / fps
    angles_FxJ, points_FxLx3, valid_F = pose_sequence(landmarks, times_s, motion.width_px, motion.height_px)
    nearest = np.rint(np.arange(len(angles_FxJ)) / FRAME_RATE_HZ * fps).astype(int)
    return Recording(
        name=f"{class_name}/person{person:02}",
        class_name=class_name,
        group=f"person{person:02}",
        split=split,
        angles_FxJ=angles_FxJ,
        valid_F=valid_F,
        class_known_F=motion.class_known_F[np.minimum(nearest, len(landmarks) - 1)],
        starts=to_frame(motion.starts, times_s),
        source_fps=fps,
        digest=hashlib.sha256(landmarks.tobytes()).hexdigest(),
        points_FxLx3=points_FxLx3,
    )
