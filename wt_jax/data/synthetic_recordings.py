"""Recordings of synthetic people, and of motion capture that is filmed like them."""

import hashlib
import zlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wt_jax.data.recordings import MOCAP, SYNTHETIC, Recording
from wt_jax.data.splits import SPLITS
from wt_jax.pose.joint_angles import pose_sequence, to_frame
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.joint_tracks import knee_bend_starts, load_track
from wt_jax.synthetic.mocap import KNOWN_AS, film_track
from wt_jax.synthetic.motion import REPERTOIRE, SyntheticMotion, synthetic_motion

_TAKES = 3  # of no-exercise by one person: more is in it than in an exercise


def make_recordings(
    classes: Sequence[str], seed: int, people: int, among: Collection[str] = SPLITS
) -> list[Recording]:
    """Each person once in each class, three times in no-exercise: the same bits in any process.

    Only who is in one of the splits `among` is filmed. A class without a synthetic exercise is left out, and
    no-exercise holds none of the classes. The same people do every exercise, and a person is in one split: of
    48 people 30 in train, 9 in val and 9 in test, of more no more in these two. Raises ValueError for fewer
    than 3 people.
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
        if splits[person] in among
        for take in range(_TAKES if name == NO_EXERCISE else 1)
    ]


def _recording(
    class_name: str, classes: Sequence[str], seed: int, person: int, take: int, split: str
) -> Recording:
    body = Body(np.random.default_rng([seed, person]))
    rng = np.random.default_rng([seed, person, take, zlib.crc32(class_name.encode())])
    motion = synthetic_motion(class_name, rng, body, classes)
    who = f"synthetic-person{person:03}"
    take_name = "abc"[take] if class_name == NO_EXERCISE else ""
    return to_recording(motion, f"{class_name}/{who}{take_name}", who, split, SYNTHETIC)


def mocap_recordings(
    folder: Path | str, classes: Sequence[str], seed: int, views: int = 1
) -> list[Recording]:
    """Films every joint track below a folder `views` times: the same arguments give the same bits.

    The class is the name of the folder that the track lies in, or the exercise that is known by it, if it
    is one of `classes`; else no-exercise, left out if that is none of them. Raises ValueError for a folder
    without tracks, a file that cannot be used, and a track of an exercise without a start.
    """
    folder, classes = Path(folder), list(map(canonical_class, classes))
    recordings = []
    if not (paths := sorted(folder.rglob("*.npz"))):
        raise ValueError(f"{folder}: no joint tracks there: data/README.md says what they are")
    for path in paths:
        motion = canonical_class(path.parent.name)
        exercise = motion if motion in classes else KNOWN_AS.get(motion, NO_EXERCISE)
        class_name = exercise if exercise in classes else NO_EXERCISE
        if class_name not in classes:
            continue
        track = load_track(path)
        if class_name == NO_EXERCISE:
            track = replace(track, starts=track.starts[:0])
        elif not track.starts.size:
            raise ValueError(
                f"{path}: no starts, in a folder of {class_name}: write the frames where repetitions start, "
                "or move it to a folder of another name"
            )
        elif class_name != motion:
            track = knee_bend_starts(track)
        place = path.relative_to(folder).with_suffix("")
        for view in range(views):
            rng = np.random.default_rng([seed, view, zlib.crc32(place.as_posix().encode())])
            name, person = f"{class_name}/{'-'.join(place.parts)}-view{view}", f"mocap-{track.person}"
            recordings.append(to_recording(film_track(rng, track), name, person, "train", MOCAP))
    return recordings


def to_recording(motion: SyntheticMotion, name: str, group: str, split: str, source: str) -> Recording:
    """What training reads of a filmed motion. The class is the first part of the name."""
    landmarks, fps = motion.landmarks_FxLx4, motion.fps
    times_s = np.arange(len(landmarks)) / fps
    angles_FxJ, points_FxLx3, valid_F = pose_sequence(landmarks, times_s, motion.width_px, motion.height_px)
    nearest = np.rint(np.arange(len(angles_FxJ)) / FRAME_RATE_HZ * fps).astype(int)
    return Recording(
        name=name,
        class_name=name.split("/")[0],
        group=group,
        split=split,
        angles_FxJ=angles_FxJ,
        valid_F=valid_F,
        class_known_F=motion.class_known_F[np.minimum(nearest, len(landmarks) - 1)],
        starts=to_frame(motion.starts, times_s),
        source_fps=fps,
        digest=hashlib.sha256(landmarks.tobytes()).hexdigest(),
        points_FxLx3=points_FxLx3,
        source=source,
    )
