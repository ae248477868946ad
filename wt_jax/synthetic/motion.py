"""One motion from its keyframes to filmed landmarks: a set of an exercise, or other activities."""

from dataclasses import dataclass

import numpy as np

from wt_jax.skeleton import NO_EXERCISE
from wt_jax.synthetic.activities import ACTIVITIES, reach_over
from wt_jax.synthetic.bodies import ELBOWS, GRIPS, HEAD, KNEES, PELVIS, TRUNK, Body, Keyframes, Rng
from wt_jax.synthetic.camera import FRAME_RATES_HZ, FRAME_SIZES_PX, drift, film
from wt_jax.synthetic.exercises import EXERCISES


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
    points = body.points(_play(keyframes, t_F) + sway * drift(rng, t_F, 17, 3))
    landmarks = film(rng, points, t_F, width_px, height_px)
    starts, known_F = np.rint(starts_s * fps).astype(np.int32), (t_F >= known_s[0]) & (t_F <= known_s[1])
    return SyntheticMotion(landmarks, points, fps, width_px, height_px, starts, known_F)
