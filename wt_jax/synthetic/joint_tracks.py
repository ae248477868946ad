"""Joint tracks (.npz): motion capture as the joints of one person over time. data/README.md has the format.

Letters: F frames, K joints (24).
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wt_jax.runtime.npz import Npz, Unreadable, open_npz
from wt_jax.skeleton import FRAME_RATE_HZ

# joint -> the joint that it hangs on, which stands before it
PARENTS = {
    "pelvis": "pelvis", "neck": "pelvis", "head": "neck", "nose": "neck", "l_ear": "neck", "r_ear": "neck",
    "l_shoulder": "neck", "r_shoulder": "neck", "l_elbow": "l_shoulder", "r_elbow": "r_shoulder",
    "l_wrist": "l_elbow", "r_wrist": "r_elbow", "l_hand": "l_wrist", "r_hand": "r_wrist",
    "l_hip": "pelvis", "r_hip": "pelvis", "l_knee": "l_hip", "r_knee": "r_hip",
    "l_ankle": "l_knee", "r_ankle": "r_knee", "l_heel": "l_ankle", "r_heel": "r_ankle",
    "l_toe": "l_ankle", "r_toe": "r_ankle",
}  # fmt: skip
JOINTS = tuple(PARENTS)

_KEYS = ("points", "pelvis", "joints", "fps", "person", "starts")
_FRAMES = (int(FRAME_RATE_HZ), int(4 * 3600 * FRAME_RATE_HZ))  # least and most: a second, four hours
_FARTHEST_M = 1000.0
_HELD = 0.08  # of the way down: so far it is still the extended position


@dataclass(frozen=True, eq=False)
class JointTrack:
    """Joints of one person, 30 frames a second.

    `joints_FxKx3` float32 are those of JOINTS, in metres, z up; `starts`, sorted frames where repetitions
    start.
    """

    joints_FxKx3: np.ndarray
    starts: np.ndarray
    person: str


def load_track(path: Path | str) -> JointTrack:
    """Reads and checks one file. Raises ValueError, with the file, what is wrong, and what to do."""
    try:
        with open_npz(path) as archive:
            return _read(archive)
    except (Unreadable, OSError) as error:
        raise ValueError(
            f"{path}: {error}: data/README.md says what a file of joint tracks holds ({', '.join(_KEYS)}); "
            "mend it, or take it out of the folder"
        ) from None


def knee_bend_starts(track: JointTrack) -> JointTrack:
    """The same track, its starts moved from cuts in standing on to where the knees begin to bend.

    A first cut at which the person is already on the way down is no start.
    """
    if not track.starts.size:
        return track
    knee_F, ends = _knee_angle(track.joints_FxKx3), [*track.starts[1:], len(track.joints_FxKx3)]
    downs = [knee_F[first:end] for first, end in zip(track.starts, ends, strict=True)]
    downs = [angle_F[: angle_F.argmin() + 1] for angle_F in downs]
    tops = np.array([angle_F.max() for angle_F in downs])
    held = tops - _HELD * np.array([np.ptp(angle_F) for angle_F in downs])  # the least extended that still is
    after = [np.flatnonzero(angle_F >= least)[-1] for angle_F, least in zip(downs, held, strict=True)]
    is_under_way = tops[0] < np.median(held)
    return replace(track, starts=(track.starts + np.array(after))[int(is_under_way) :])


def leaving_starts(track: JointTrack) -> JointTrack:
    """The same track, its starts moved from cuts at rest on to where that position is left, by any joint."""
    ends = [*track.starts[1:], len(track.joints_FxKx3)]
    moved = track.starts.copy()
    for i, (first, end) in enumerate(zip(track.starts, ends, strict=True)):
        joints = track.joints_FxKx3[first:end]
        away_F = np.linalg.norm(joints - joints[0], axis=-1).max(-1)
        way_out_F = away_F[: away_F.argmax() + 1]
        moved[i] += np.flatnonzero(way_out_F <= _HELD * away_F.max())[-1]
    return replace(track, starts=moved)


def _knee_angle(joints_FxKx3: np.ndarray) -> np.ndarray:
    """Mean of both knees, (F,), in radians; straight is pi."""
    hip, knee, ankle = (
        joints_FxKx3[:, [JOINTS.index(f"{side}_{name}") for side in "lr"]]
        for name in ("hip", "knee", "ankle")
    )
    thigh, shank = hip - knee, ankle - knee
    cross = np.linalg.norm(np.cross(thigh, shank), axis=-1)
    return np.arctan2(cross, (thigh * shank).sum(-1)).mean(-1)


def _read(archive: Npz) -> JointTrack:
    if missing := [key for key in _KEYS if key not in archive.names]:
        raise Unreadable(f"no {', '.join(missing)}")
    names = archive.read("joints").ravel().tolist()
    if missing := [joint for joint in JOINTS if joint not in names]:
        raise Unreadable(f"no joint {', '.join(missing)}")
    fps = archive.read("fps")
    if fps.size != 1 or fps.dtype.kind not in "iuf" or float(fps.item()) != FRAME_RATE_HZ:
        raise Unreadable(f"fps={fps}: must be {FRAME_RATE_HZ:g}: resample it")
    n_frames = archive.header("points").shape[:1]
    points = _numbers(archive, "points", (*n_frames, len(names), 3))
    pelvis = _numbers(archive, "pelvis", (*n_frames, 3))
    least, most = _FRAMES
    if not least <= len(points) <= most:
        raise Unreadable(f"{len(points)} frames: must be from {least} to {most}")
    starts = archive.read("starts")
    if starts.ndim != 1 or (starts.size and starts.dtype.kind not in "iu"):
        raise Unreadable(
            f"starts of shape {starts.shape}, type {starts.dtype}: must be whole numbers, frames"
        )
    starts = starts.astype(np.int64)
    if (np.diff(starts, prepend=-1) <= 0).any() or (starts >= len(points)).any():
        raise Unreadable(f"starts that are not sorted frames below {len(points)}")
    order = [names.index(joint) for joint in JOINTS]
    return JointTrack(points[:, order] + pelvis[:, None], starts, archive.text("person"))


def _numbers(archive: Npz, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of metres, float32. Its size is known to be bearable before memory is taken for it."""
    header = archive.header(name)
    if header.shape != shape or header.dtype.kind != "f" or math.prod(shape[1:]) > 10_000:
        raise Unreadable(
            f"{name} of shape {header.shape}, type {header.dtype}: must be floats of shape {shape}"
        )
    values = archive.read(name, header.n_bytes).astype(np.float32)
    if not (np.abs(values) < _FARTHEST_M).all():  # NaN is not
        frame = int((~(np.abs(values) < _FARTHEST_M)).reshape(len(values), -1).any(1).argmax())
        raise Unreadable(
            f"{name} without a place in frame {frame} (NaN, or farther off than {_FARTHEST_M:g} m)"
        )
    return values
