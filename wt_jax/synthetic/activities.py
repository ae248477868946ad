"""What synthetic people do besides exercises: no-exercise, and what comes before and after a set."""

import numpy as np

from wt_jax.synthetic.bodies import (
    ANKLES,
    ELBOWS,
    FEET,
    HEAD,
    PELVIS,
    SIDES,
    TRUNK,
    WRISTS,
    Body,
    Keyframes,
    Rng,
    rotation,
    stand,
)
from wt_jax.synthetic.exercises import squat


def reach_over(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Half way between two poses, with the hands in front of the body and not through it."""
    pose = (one + other) / 2
    pose[WRISTS, 0] += 0.3
    return pose


def _arms(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Standing and gesturing, or waving."""
    pose, arms = stand(rng, body), ([0], [1], [0, 1])[rng.integers(3)]
    centre, size, beat_s = (
        ([0.15, 0, 0.25], [0.03, 0.12, 0.05], rng.uniform(0.3, 0.8))
        if rng.random() < 0.5
        else ([0.28, 0, -0.25], [0.07, 0.05, 0.1], rng.uniform(0.5, 1.4))
    )
    pose[ELBOWS] = SIDES * 0.8 + [-0.3, 0, -0.8]
    keyframes = [(1.0, pose)]
    for beat in range(int(seconds / beat_s)):
        key = pose.copy()
        hands = body.neck(pose) + SIDES * 0.25 + centre + size * ((-1) ** beat + rng.normal(0, 0.7, (2, 3)))
        key[WRISTS][arms] = hands[arms]
        key[HEAD] += rng.normal(0, 1, 3) * [0.06, 0.03, 0.15]
        keyframes.append((beat_s * rng.uniform(0.8, 1.25), key))
    return keyframes


def _side_bends(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Bending to the left and right, the arms overhead."""
    pose = stand(rng, body)
    keyframes = [(1.0, pose)]
    for turn in range(max(2, int(seconds / 2.5))):
        key = pose.copy()
        key[TRUNK, 1] = (-1) ** turn * rng.uniform(0.2, 0.45)
        overhead = SIDES * 0.12 + [0.05, 0, 0.93 * body.arm]
        key[WRISTS], key[ELBOWS] = (
            body.neck(key) + overhead @ rotation(key[TRUNK]).T,
            SIDES * 0.8 + [0.3, 0, 0],
        )
        keyframes += [] if turn else [(0.6, reach_over(pose, key))]
        keyframes += [(rng.uniform(0.8, 1.8), key), (rng.uniform(0.4, 2), key)]
    return keyframes


def _toe_touches(rng: Rng, body: Body, seconds: float) -> Keyframes:
    pose = stand(rng, body)
    keyframes = [(1.0, pose)]
    for _ in range(max(1, int(seconds / 4))):
        key = pose.copy()
        key[TRUNK, 0] = rng.uniform(1.1, 1.7)
        key[PELVIS] += [-0.14, 0, -0.015]
        key[WRISTS] = body.neck(key) + SIDES * 0.12 + [0.05, 0, -0.93 * body.arm]
        down_s, stay_s, up_s = rng.uniform([0.8, 0.4, 0.8], [1.8, 2.0, 1.8])
        keyframes += [(down_s, key), (stay_s, key), (up_s, pose)]
    return keyframes


def _sit(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Sitting down slowly, staying, standing up."""
    standing, seated = squat(rng, body)
    down_s, up_s = rng.uniform(1.2, 3, 2)
    return [(1.0, standing), (down_s, seated), (seconds / 2, seated), (up_s, standing)]


def _walk(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Walking beside a camera that moves along: the feet travel under the pelvis."""
    pose, (stride, quarter_s, swing) = stand(rng, body), rng.uniform([0.3, 0.22, 0.1], [0.65, 0.38, 0.25])
    pose[PELVIS, 2] = body.sole + 0.985 * np.sqrt(body.leg**2 - stride**2 / 4)
    keyframes = []
    for quarter in range(int(seconds / quarter_s)):
        key, phase = pose.copy(), np.pi / 2 * quarter + np.array([0, np.pi])
        forwards, behind = np.cos(phase), np.maximum(-np.cos(phase), 0)
        key[ANKLES, 0] += stride / 2 * forwards
        key[ANKLES, 2] += 0.12 * np.maximum(-np.sin(phase), 0) + 0.09 * behind  # lifted; heel off the floor
        key[FEET, 0] = 0.55 * behind - 0.25 * np.maximum(forwards, 0)
        key[WRISTS, 0] -= swing * forwards
        key[TRUNK, 2] = 0.08 * forwards[0]
        keyframes.append((quarter_s if quarter else 1.0, key))
    return keyframes


ACTIVITIES = (_arms, _side_bends, _toe_touches, _sit, _walk)
