"""What people do besides exercises: no-exercise, and what comes before, between and after sets."""

import numpy as np

from wt_jax.synthetic.bodies import (
    ANKLES,
    ELBOWS,
    FEET,
    HEAD,
    PELVIS,
    PLACES,
    SIDES,
    TRUNK,
    WRISTS,
    Body,
    Rng,
    rotation,
)
from wt_jax.synthetic.exercises import squat_poses
from wt_jax.synthetic.postures import hands_at, hands_down, lie, raised, reach_for, sit, stand, step_apart

Keyframes = list[tuple[float, np.ndarray]]  # (seconds since the one before, pose)


def _gestures(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Standing or seated, talking with the hands, waving."""
    pose, arms = (
        sit(rng, body) if rng.random() < 0.2 else stand(rng, body),
        ([0], [1], [0, 1])[rng.integers(3)],
    )
    centre, size, beat_s = (
        ([0.15, 0, 0.25], [0.03, 0.12, 0.05], rng.uniform(0.3, 0.8))
        if rng.random() < 0.3
        else ([0.28, 0, -0.25], [0.07, 0.05, 0.1], rng.uniform(0.5, 1.4))
    )
    pose[ELBOWS] = SIDES * 0.8 + [-0.3, 0, -0.8]
    keyframes = [(0.0, pose)]
    for beat in range(int(seconds / beat_s)):
        key = pose.copy()
        hands = body.neck(pose) + SIDES * 0.25 + centre + size * ((-1) ** beat + rng.normal(0, 0.7, (2, 3)))
        key[WRISTS][arms] = hands[arms]
        key[HEAD] += rng.normal(0, 1, 3) * [0.06, 0.03, 0.15]
        keyframes.append((beat_s * rng.uniform(0.8, 1.25), key))
    return keyframes


def _stand_about(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Standing, from one leg to the other, the arms down, on the hips, crossed, or holding something."""
    pose, (apart, straight) = stand(rng, body), rng.uniform([0.0, 0.8], [0.25, 0.96])
    hands, elbows = (
        (SIDES * (body.shoulder + apart) + [0.03, 0, -straight * body.arm], SIDES * 0.6 + [-1, 0, 0]),
        (SIDES * (body.hip + 0.06) + [0.02, 0, -0.95 * body.trunk], SIDES * 1.0 + [-0.3, 0, 0]),
        (SIDES * -0.05 + [0.2, 0, -0.25], SIDES * 0.6 + [0.2, 0, -1]),
        (SIDES * 0.06 + [0.15, 0, -0.9 * body.trunk], SIDES * 0.7 + [-0.5, 0, 0]),
    )[rng.choice(4, p=[0.6, 0.15, 0.1, 0.15])]
    hands_at(body, pose, hands, elbows)
    keyframes = [(0.0, pose)]
    while seconds > 0:
        key = pose.copy()
        key[PELVIS] += rng.normal(0, [0.02, 0.05, 0.005])
        key[[TRUNK, HEAD]] += rng.normal(0, [[0.04, 0.04, 0.1], [0.1, 0.05, 0.3]])
        hands_at(body, key, hands, elbows)
        shift_s = rng.uniform(0.4, 3)
        keyframes.append((shift_s, key))
        seconds -= shift_s
    return keyframes


def _side_bends(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Bending to the left and right, the arms overhead or beside."""
    pose, is_overhead = stand(rng, body), rng.random() < 0.6
    keyframes = [(0.0, pose)]
    for turn in range(max(2, int(seconds / 2.5))):
        key = pose.copy()
        key[TRUNK, 1] = (-1) ** turn * rng.uniform(0.2, 0.5)
        if is_overhead:
            hands_at(body, key, SIDES * 0.12 + [0.05, 0, 0.93 * body.arm], SIDES * 0.8 + [0.3, 0, 0])
        else:
            hands_down(body, key, [0.05, 0, -0.9 * body.arm], 0.07)
        keyframes += [] if turn else [(0.8, _reach_over(pose, key))]
        keyframes += [(rng.uniform(0.8, 1.8), key), (rng.uniform(0.2, 1.5), key)]
    return keyframes


def _bends(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Touching the toes, picking things up, tying a shoe: with straight or with bent knees."""
    pose = stand(rng, body)
    keyframes = [(0.0, pose)]
    for _ in range(max(1, int(seconds / 4))):
        key = squat_poses(rng, body)[1] if rng.random() < 0.2 else pose.copy()
        key[TRUNK, 0] = rng.uniform(1.0, 1.7)
        key[PELVIS] += [-0.14, 0, -0.015]
        key[WRISTS] = body.neck(key) + SIDES * 0.12 + [0.05, 0, -0.93 * body.arm]
        key[WRISTS][:, 2] = np.maximum(key[WRISTS][:, 2], 0.06)
        if rng.random() < 0.3:
            key[WRISTS][0] = pose[WRISTS][0]
        down_s, stay_s, up_s = rng.uniform([0.6, 0.2, 0.6], [1.8, 2.0, 1.8])
        keyframes += [(down_s, key), (stay_s, key), (up_s, pose), (rng.uniform(0.1, 1.0), pose)]
    return keyframes


def _sit_down(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Sitting down, staying, standing up; some again and again."""
    seated = sit(rng, body, None if rng.random() < 0.85 else 0.12)
    standing = stand(rng, body)
    standing[PLACES, 0] += seated[ANKLES, 0].mean()
    between = (standing + seated) / 2
    between[TRUNK, 0] = rng.uniform(0.4, 0.9)
    between[PELVIS, 0] = 0.3 * standing[PELVIS, 0] + 0.7 * seated[PELVIS, 0]
    keyframes, waiting_s = [(0.0, standing)], rng.choice([rng.uniform(0.1, 0.8), rng.uniform(1, seconds)])
    for _ in range(1 if waiting_s > 1 else rng.integers(1, 5)):
        down_s, up_s = rng.uniform(0.3, 1.0, 2)
        keyframes += [(down_s, between), (down_s, seated), (waiting_s, seated)]
        keyframes += [(up_s, between), (up_s, standing), (rng.uniform(0.1, 1.2), standing)]
    return keyframes


def _walk(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Walking or running, seen by a camera that moves along: the feet travel under the pelvis."""
    runs = rng.random() < 0.25
    pose = stand(rng, body)
    stride, quarter_s, swing = rng.uniform([0.3, 0.2, 0.1], [0.7, 0.38, 0.3]) * ([1.3, 0.6, 1] if runs else 1)
    pose[PELVIS, 2] = body.sole + 0.985 * np.sqrt(body.leg**2 - min(stride, 0.9) ** 2 / 4)
    if runs:
        hands_at(body, pose, SIDES * body.shoulder + [0.2, 0, -0.35], SIDES * 0.2 + [-1, 0, -0.3])
    keyframes, turn = [], rng.normal(0, 0.5)
    for quarter in range(int(seconds / quarter_s)):
        key, phase = pose.copy(), np.pi / 2 * quarter + np.array([0, np.pi])
        forwards, behind = np.cos(phase), np.maximum(-np.cos(phase), 0)
        lift = np.maximum(-np.sin(phase), 0)
        key[ANKLES, 0] += stride / 2 * forwards
        key[ANKLES, 2] += (0.35 if runs else 0.12) * lift + 0.09 * behind  # lifted; heel off the floor
        key[FEET, 0] = 0.55 * behind - 0.25 * np.maximum(forwards, 0)
        key[WRISTS, 0] -= swing * forwards
        key[TRUNK] += [0.15 * runs, 0, 0.08 * forwards[0]]
        keyframes.append((quarter_s if quarter else 0.0, _turned(key, turn * np.sin(quarter / 8))))
    return keyframes


def _turned(pose: np.ndarray, yaw: float) -> np.ndarray:
    """The whole body, about the vertical."""
    places = [PELVIS, *range(3, 5), *range(7, 13), *range(13, 17)]
    turned, turn = pose.copy(), rotation(np.array([0, 0, yaw])).T
    turned[places] = pose[places] @ turn
    turned[[TRUNK, 5, 6], 2] += yaw
    return turned


def _turn_about(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Standing, looking and turning to other sides."""
    pose, yaw = stand(rng, body), 0.0
    keyframes = [(0.0, pose)]
    while seconds > 0:
        yaw += rng.normal(0, 1.0)
        turn_s, stay_s = rng.uniform([0.7, 0.2], [1.8, 2.5])
        key = _turned(stand(rng, body), yaw)
        keyframes += [(turn_s, key), (stay_s, key)]
        seconds -= turn_s + stay_s
    return keyframes


def _dance(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Something else at every beat, some of it again and again."""
    beat_s, pose = rng.uniform(0.3, 0.8), stand(rng, body)
    figures = []
    for _ in range(rng.integers(3, 9)):
        key = pose.copy()
        low = rng.uniform(0, 0.25)
        key[PELVIS] += rng.normal([0, 0, -low * low], [0.04, 0.08, 0])
        key[TRUNK] += rng.normal(0, [0.12, 0.12, 0.25])
        key[ANKLES] += rng.normal(0, [0.08, 0.1, 0], (2, 3))
        key[ANKLES, 2] += np.maximum(rng.normal(-0.1, 0.15, 2), 0)
        away = rng.uniform([0.1, 0.0, -0.5], [0.5, 0.5, 0.6], (2, 3))
        hands_at(
            body,
            key,
            SIDES * (body.shoulder + away[:, 1:2]) + away * [1, 0, 1],
            SIDES * 0.7 + [-0.5, 0, -0.6],
        )
        step_apart(body, key)
        figures.append(_turned(key, rng.normal(0, 0.3)))
    order = rng.integers(len(figures), size=4)
    n_beats = max(2, int(seconds / beat_s))
    return [(beat_s if i else 0.0, figures[order[i % 4]]) for i in range(n_beats)]


def _stretch(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """One posture after another, each held."""
    keyframes: Keyframes = [(0.0, stand(rng, body))]
    while seconds > 0:
        posture = (stand, stand, sit, lie)[rng.integers(4)]
        pose = posture(rng, body)
        pose[TRUNK] += rng.normal(0, [0.3, 0.2, 0.3] if posture is not lie else 0.08)
        if rng.random() < 0.7:
            hands_at(body, pose, raised(body, *rng.uniform([0.3, 0], [3.0, 1.6])), SIDES * 0.6 + [-1, 0, 0])
        if posture is stand and rng.random() < 0.4:
            pose[3] = pose[PELVIS] + [-0.1, body.hip, -0.45]  # a heel to the seat
        move_s, hold_s = rng.uniform([0.8, 0.5], [2.5, 4])
        keyframes += [(move_s, pose), (hold_s, pose)]
        seconds -= move_s + hold_s
    return keyframes


def _get_up(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Down to the floor and up again, by a crouch, with a moment lying or seated there."""
    standing, low = stand(rng, body), lie(rng, body) if rng.random() < 0.6 else sit(rng, body, 0.12)
    crouch = squat_poses(rng, body)[1]
    crouch[TRUNK, 0] = rng.uniform(0.4, 1.2)
    seat = sit(rng, body, 0.12)
    for pose in (crouch, seat):
        reach_for(body, pose, seat[PELVIS] + SIDES * 0.25 - [0.15, 0, 0.05])
    waiting_s = rng.uniform(0.5, max(0.6, seconds - 4))
    down = [(rng.uniform(0.6, 1.4), crouch), (rng.uniform(0.5, 1.2), seat), (rng.uniform(0.5, 1.2), low)]
    up = [(waiting_s, low), (rng.uniform(0.5, 1.2), seat), (rng.uniform(0.6, 1.2), crouch), (0.9, standing)]
    return [(0.0, standing), (rng.uniform(0.1, 1.0), standing), *down, *up, (0.5, standing)]


def _reach_over(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Half way between two poses, with the hands in front of the body and not through it."""
    pose = (one + other) / 2
    pose[WRISTS, 0] += 0.3
    return pose


def route(rng: Rng, body: Body, one: np.ndarray, other: np.ndarray) -> Keyframes:
    """From one pose to another as people go there: to the floor by a crouch, to a bar by reaching for it."""
    steps: list[np.ndarray] = []
    for pose in (one, other):
        is_raised = pose[WRISTS, 2].min() > body.neck(pose)[2] + 0.3 and pose[ANKLES, 2].min() > 0.15
        if pose[PELVIS, 2] < 0.5 * body.leg or abs(pose[TRUNK, 0]) > 1.1:
            step = squat_poses(rng, body)[1]
            step[TRUNK, 0] = max(step[TRUNK, 0], rng.uniform(0.6, 1.2))
            is_prone = pose[TRUNK, 0] > 0
            feet = pose[ANKLES].mean(0) + 0.6 * is_prone * (pose[WRISTS].mean(0) - pose[ANKLES].mean(0))
            step[[PELVIS, 3, 4], :2] += feet[:2]
            step[WRISTS] = pose[WRISTS] if is_prone else step[WRISTS] + [*feet[:2], 0]
            steps.append(step)
        elif is_raised:
            step = stand(rng, body)
            step[[PELVIS, 3, 4], :2] += pose[WRISTS, :2].mean(0)
            hands_at(body, step, raised(body, 2.9, 0.6), SIDES * 0.5 + [-0.5, 0, 0])
            steps.append(step)
    if not steps:
        steps = [_reach_over(one, other)]
    seconds = rng.uniform(0.35, 1.1, len(steps) + 1).tolist()
    return [(0.0, one), *zip(seconds, [*steps, other], strict=True)]


# What people do, and how often each is drawn, beside the others.
ACTIVITIES = {
    _stand_about: 3.0, _gestures: 1.0, _side_bends: 1.0, _bends: 1.0, _sit_down: 1.0, _walk: 2.0,
    _turn_about: 1.5, _dance: 1.0, _stretch: 1.0, _get_up: 1.0,
}  # fmt: skip
