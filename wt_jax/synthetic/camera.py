"""Recordings for a user with no data yet: moving skeletons filmed by a pinhole camera.

The landmarks take the road of real ones: one function computes angles for both.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wt_jax.data.recordings import Recording
from wt_jax.pose.joint_angles import pose_sequence, to_frame
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class
from wt_jax.synthetic.bodies import (
    ACTIVITIES,
    ELBOWS,
    EXERCISES,
    GRIPS,
    HEAD,
    KNEES,
    PELVIS,
    TRUNK,
    Body,
    Keyframes,
    Rng,
    reach_over,
    rotation,
)

FRAME_SIZES_PX = ((1280, 720), (1920, 1080), (640, 480), (320, 240), (720, 1280), (1080, 1920))
FRAME_RATES_HZ = (24.0, 25.0, 30000 / 1001, 30.0, 60.0)


@dataclass(frozen=True, eq=False)
class SyntheticMotion:
    """One filmed motion at its own frame rate.

    `landmarks_FxLx4`: x, y in [0, 1] of the image, z in units of x (hips at 0, nearer is smaller),
    visibility; NaN where the person is lost. `points_FxLx3`: the true skeleton, metres. `starts`: frames
    where a repetition leaves the extended position. `class_known_F` is False before and after the set.
    """

    landmarks_FxLx4: np.ndarray
    points_FxLx3: np.ndarray
    fps: float
    width_px: int
    height_px: int
    starts: np.ndarray
    class_known_F: np.ndarray


def _repetitions(rng: Rng, poses: np.ndarray) -> tuple[Keyframes, list[float]]:
    """A set of 13 to 19 s, 1.2 to 4.5 s a repetition, and its starts in seconds after the first keyframe."""
    log_period, tiring, seconds = rng.uniform([np.log(1.2), 0.0, 13.0], [np.log(3.4), 0.3, 19.0])
    down, low, high = rng.uniform([0.3, 0.02, 0.02], [0.5, 0.12, 0.2])  # shares of a repetition
    depths, starts_s = [(rng.uniform(0.8, 1.6), 0.0), (rng.uniform(0.3, 1.2), 0.0)], []
    t = depths[1][0]
    while t < seconds:
        period_s = np.exp(log_period) * (1 + tiring * t / seconds) * rng.normal(1, 0.08)
        period_s, (bottom, top) = np.clip(period_s, 1.2, 4.5), rng.uniform([0.85, 0.0], [1.0, 0.05])
        pause_s = rng.uniform(0.5, 2) if rng.random() < 0.12 else 0.0
        depths += [(down * period_s, bottom), (low * period_s, bottom)]
        depths += [((1 - down - low - high) * period_s, top), (high * period_s + pause_s, top)]
        starts_s.append(t)
        t += period_s + pause_s
    return [(s, poses[0] + depth * (poses[1] - poses[0])) for s, depth in depths], starts_s


def _play(keyframes: Keyframes, t_F: np.ndarray) -> np.ndarray:
    """Poses between keyframes, (F, 17, 3): monotone cubics without overshoot (Fritsch and Butland, 1984)."""
    poses = np.stack([pose for _, pose in keyframes])
    times_s = np.cumsum([s for s, _ in keyframes]) - keyframes[0][0]
    step = np.diff(times_s)[:, None, None]
    slope, tangent = np.diff(poses, axis=0) / step, np.zeros_like(poses)
    product = slope[1:] * slope[:-1]
    np.divide(2 * product, slope[1:] + slope[:-1], out=tangent[1:-1], where=product > 0)
    k = np.clip(np.searchsorted(times_s, t_F, side="right") - 1, 0, len(step) - 1)
    u = (t_F - times_s[k])[:, None, None] / step[k]
    bow = step[k] * u * (1 - u) * ((1 - u) * tangent[k] - u * tangent[k + 1])
    return poses[k] + u**2 * (3 - 2 * u) * (poses[k + 1] - poses[k]) + bow


def _drift(rng: Rng, t_F: np.ndarray, *size: int) -> np.ndarray:
    """Slow wandering of standard deviation 1, (F, *size): three sinusoids of 1.5 to 7 s each."""
    rate_hz, phase = rng.uniform(0.14, 0.65, (3, *size)), rng.uniform(0, 2 * np.pi, (3, *size))
    time_s = t_F.reshape(-1, *[1] * (len(size) + 1))
    return np.sqrt(2 / 3) * np.sin(2 * np.pi * rate_hz * time_s + phase).sum(1)


def _film(rng: Rng, points_FxLx3: np.ndarray, t_F: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Landmarks (F, L, 4) as a pose estimator gives them, filmed from anywhere around, with its mistakes."""
    yaw, pitch, roll, distance = rng.uniform([0, -0.05, -0.05, 2.2], [2 * np.pi, 0.4, 0.05, 6.0])
    middle = (points_FxLx3.min((0, 1)) + points_FxLx3.max((0, 1))) / 2
    turn = rotation(np.array([0, 0, yaw])) @ rotation(np.array([-pitch, roll, 0]))
    view = (points_FxLx3 - middle) @ turn  # the camera looks along -x
    depth = distance + view[..., 0].max() - view[..., 0]
    flat = np.stack([view[..., 1], -view[..., 2]], -1) / depth[..., None]
    frame_px, extent = np.array([width_px, height_px]), np.ptp(flat, (0, 1))
    focal_px = rng.uniform(0.5, 0.92) * (frame_px / extent).min()
    corner_px = 0.04 * frame_px + rng.uniform(0, 1, 2) * (0.92 * frame_px - focal_px * extent)

    hip_depth = depth[:, 23:25].mean(1, keepdims=True)
    hidden = 1 / (1 + np.exp((depth.mean(1, keepdims=True) - depth) / 0.08))  # 1: the far side of the body
    unsure = (1 + hidden) * np.where(np.isin(np.arange(33), [*range(17, 23), *range(27, 33)]), 1.5, 1.0)
    shake, wander = rng.uniform([0.0005, 0.002], [0.003, 0.01])  # metres, of a landmark in plain view
    error = shake * rng.normal(size=flat.shape) + wander * _drift(rng, t_F, 33, 2)
    for first in rng.integers(0, len(t_F), rng.poisson(2)):  # an elbow, wrist, knee or ankle is misplaced
        limb, frames = rng.choice([13, 14, 15, 16, 25, 26, 27, 28]), rng.integers(1, 5)
        error[first : first + frames, limb] += rng.normal(0, 0.08, 2)
    error_px = unsure[..., None] * error * focal_px / hip_depth.mean()
    xy = np.clip(((flat - flat.min((0, 1))) * focal_px + corner_px + error_px) / frame_px, 0, 1)
    z = (depth - hip_depth) * focal_px / hip_depth / width_px
    landmarks = np.concatenate([xy, z[..., None], (0.99 - 0.5 * hidden)[..., None]], -1).astype(np.float32)
    for first in rng.integers(0, len(t_F), rng.poisson(0.7)):  # somebody walks through the picture
        landmarks[first : first + rng.integers(1, 13)] = np.nan
    return landmarks


def synthetic_motion(class_name: str, rng: Rng, body: Body | None = None) -> SyntheticMotion:
    """Films a set of an exercise, or about 25 s of no-exercise.

    Raises KeyError for a class that is neither.
    """
    body = Body(rng) if body is None else body
    activities = [
        ACTIVITIES[i](rng, body, rng.uniform(3.5, 5.5)) for i in rng.permutation(len(ACTIVITIES))[:4]
    ]
    starts_s, known_s = np.zeros(0), (0.0, np.inf)
    if class_name == NO_EXERCISE:
        keyframes = [keyframe for activity in activities for keyframe in activity]
    else:
        repetitions, after_first_s = _repetitions(rng, EXERCISES[class_name](rng, body))
        before, after = (activity[:4] if rng.random() < 0.4 else [] for activity in activities[:2])
        if before:
            before.append((0.8, reach_over(before[-1][1], repetitions[0][1])))
        if after:
            after.insert(0, (0.8, reach_over(repetitions[-1][1], after[0][1])))
        keyframes = [*before, *repetitions, *after]
        first_s = sum(s for s, _ in [*before[1:], *repetitions[:1]]) if before else 0.0
        starts_s = first_s + np.array(after_first_s)
        known_s = first_s, first_s + sum(s for s, _ in repetitions[1:])

    fps, (width_px, height_px) = float(rng.choice(FRAME_RATES_HZ)), rng.choice(FRAME_SIZES_PX).tolist()
    t_F = np.arange(int(sum(s for s, _ in keyframes[1:]) * fps)) / fps
    sway = np.zeros((17, 3))
    sway[[PELVIS, TRUNK, HEAD]] = [[0.003, 0.004, 0.002], [0.006, 0.01, 0.03], [0.08, 0.03, 0.12]]
    sway[ELBOWS], sway[KNEES], sway[GRIPS] = 0.08, 0.04, 0.08
    points = body.points(_play(keyframes, t_F) + sway * _drift(rng, t_F, 17, 3))
    landmarks = _film(rng, points, t_F, width_px, height_px)
    starts, known_F = np.rint(starts_s * fps).astype(np.int32), (t_F >= known_s[0]) & (t_F <= known_s[1])
    return SyntheticMotion(landmarks, points, fps, width_px, height_px, starts, known_F)


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
    source = np.rint(np.arange(len(angles_FxJ)) / FRAME_RATE_HZ * fps).astype(int)
    return Recording(
        name=f"{class_name}/person{person:02}",
        class_name=class_name,
        group=f"person{person:02}",
        split=split,
        angles_FxJ=angles_FxJ,
        valid_F=valid_F,
        class_known_F=motion.class_known_F[np.minimum(source, len(landmarks) - 1)],
        starts=to_frame(motion.starts, times_s),
        source_fps=fps,
        digest=hashlib.sha256(landmarks.tobytes()).hexdigest(),
        points_FxLx3=points_FxLx3,
    )
