"""The exercises of the synthetic people, with their variants: of each, the poses from extended to flexed."""

import numpy as np

from wt_jax.synthetic.bodies import (
    ANKLES,
    ELBOWS,
    FEET,
    GRIPS,
    HEAD,
    KNEES,
    PELVIS,
    PLACES,
    SIDES,
    THUMBS,
    TOE,
    TRUNK,
    WRISTS,
    Body,
    Rng,
    rotation,
)
from wt_jax.synthetic.movement import MakeMovement, Movement
from wt_jax.synthetic.postures import hands_at, raised, stand

# How often arms are held: forwards, raised, hanging, before the chest, behind the head, with a barbell on the
# shoulders or before them, overhead.
_ARMS = (0.15, 0.15, 0.1, 0.18, 0.1, 0.2, 0.09, 0.03)


def squat_poses(rng: Rng, body: Body) -> np.ndarray:
    """Standing and squatting, (2, 17, 3), the feet on the floor: free, front, goblet, overhead, barbell."""
    poses, sumo = np.stack([stand(rng, body)] * 2), rng.random() < 0.2
    wide, toes_out = rng.uniform([0.2, 0.5], [0.4, 0.9]) if sumo else rng.uniform([0.06, 0.0], [0.26, 0.6])
    poses[:, ANKLES], poses[:, FEET] = SIDES * wide + [0, 0, body.sole], SIDES[:, [0, 2, 1]] * toes_out
    caving = rng.uniform(-0.35, 0.15)
    poses[:, KNEES] = SIDES * np.sin(toes_out + caving) + [np.cos(toes_out + caving), 0, 0]
    apart, lift = rng.uniform(0.02, 0.15), rng.uniform([0.0, 1.0], [0.25, 1.7])
    style = int(rng.choice(8, p=_ARMS))
    knee, shank = np.radians(rng.uniform([2, 80], [14, 145])), rng.uniform([0.02, 0.25], [0.04, 0.65])
    bend = rng.uniform(0, 0.25)
    for i, pose in enumerate(poses):
        pose[PELVIS] = [0, 0, body.sole] - body.legs(knee[i] - min(shank[i], knee[i] / 2), knee[i])
        balance = bend * i - pose[PELVIS, 0]  # the shoulders stay above the feet
        pose[TRUNK, 0] = np.arcsin(np.clip(balance / body.trunk, -0.3, 0.95))
        pose[HEAD, 0] -= 0.5 * pose[TRUNK, 0]
        if style < 3:  # straight arms, held forwards, raised on the way down, or left hanging
            angle = (lift[1], lift[i], lift[0])[style]
            arm = 0.96 * body.arm * np.array([np.sin(angle), 0, -np.cos(angle)])
            pose[WRISTS], pose[ELBOWS] = body.neck(pose) + SIDES * body.shoulder + arm, [0, 0, -1]
            continue
        on_bar, in_rack = body.shoulder + 0.1 + apart, body.shoulder - 0.02 + apart / 3
        hands, elbows = (
            (SIDES * apart + [0.22, 0, -0.08], SIDES * 0.6 + [0, 0, -1.0]),  # before the chest, a goblet
            (SIDES * 0.07 + [-0.05, 0, 0.13], SIDES * 0.9 + [0.2, 0, 0]),  # behind the head
            (SIDES * on_bar + [-0.04, 0, 0.02], SIDES * 0.2 + [-0.4, 0, -1]),
            (SIDES * in_rack + [0.1, 0, 0.02], SIDES * 0.15 + [1, 0, 0]),
            (raised(body, np.pi - 0.15, np.pi / 2 - apart), SIDES * 0.5 + [-0.5, 0, 0]),  # overhead
        )[style - 3]
        hands_at(body, pose, hands, elbows)
    return poses


def _squat(rng: Rng, body: Body) -> Movement:
    poses = squat_poses(rng, body)
    kind = rng.random()
    if kind < 0.12:  # a jump: the feet leave the floor at the top
        jump = poses[0].copy()
        jump[PLACES, 2] += rng.uniform(0.08, 0.3)
        jump[FEET, 0] = rng.uniform(0.3, 0.8)
        return Movement(np.stack([*poses, jump]), (0.9, 2.0), is_loop=True)
    if kind < 0.2:  # pistols: one leg ahead, on one side or on both in turn
        sides = [_pistol(poses, i) for i in rng.permutation(2)]
        if rng.random() < 0.5:
            return Movement(np.stack([poses[0], sides[0]]), (1.5, 4.5))
        return Movement(np.stack([poses[0], sides[0], poses[0], sides[1]]), (1.5, 4.5), True, (0, 2))
    return Movement(poses, (1.0, 4.5))


def _pistol(poses: np.ndarray, side: int) -> np.ndarray:
    flexed, free = poses[1].copy(), 4 - side
    flexed[[PELVIS, free], 1] = 0.7 * flexed[3 + side, 1]
    flexed[free, [0, 2]] = flexed[PELVIS, [0, 2]] + [0.75, 0.05]
    return flexed


def _push_up(rng: Rng, body: Body) -> Movement:
    """The hands stay on the floor or higher; the body, built upright, tips around its toes or knees."""
    poses, kind = np.stack([stand(rng, body)] * 2), rng.random()
    is_archer = 0.9 < kind < 0.96
    apart = rng.uniform(-0.14, -0.06) if kind < 0.12 else rng.uniform(-0.02, 0.3)  # diamond; to wide
    apart = rng.uniform(0.15, 0.24) if is_archer else apart
    elbow_deg, sag = rng.uniform([152, 35], [174, 95]), rng.uniform([-0.2, -0.2], [0.15, 0.2])
    foot, knee, lead = rng.uniform([-0.35, 0.03, -0.15], [-0.05, 0.25, 0.04])
    higher = [0, rng.uniform(0.1, 0.7), -rng.uniform(0.15, 0.5)][rng.choice(3, p=[0.7, 0.2, 0.1])]
    hand, on_knees = np.array([0, 0, 0.04 + higher]), rng.random() < 0.2
    for i, pose in enumerate(poses):
        if on_knees:
            pose[ANKLES] = SIDES * body.hip + [-rng.uniform(0.6, 0.9) * body.shank, 0, 0.1]
            pose[PELVIS] = [0, 0, body.thigh + 0.05]
        else:
            pose[ANKLES] = SIDES * body.hip - rotation(np.array([foot, 0, 0])) @ TOE * body.height
            pose[PELVIS] = pose[ANKLES].mean(0) - body.legs(knee / 2, knee)
        pose[TRUNK, 0], pose[FEET] = -sag[i], [foot, 0, 0]
        neck, reach = body.neck(pose), body.reach(elbow_deg[i], apart)
        length = np.linalg.norm(neck)
        if i == 0:
            hand[0] = np.sqrt(max(length**2 - (hand[2] + reach) ** 2, 0.2)) + lead
            nearest = length - 0.6 * body.reach(elbow_deg[1], apart)  # no nearer, or the arms could not bend
            hand[0] = max(hand[0], np.sqrt(max(nearest**2 - hand[2] ** 2, 0.0)))
        apex = (length**2 + hand @ hand - reach**2) / (2 * length * np.linalg.norm(hand))
        tip = np.arctan2(neck[2], neck[0]) - np.arctan2(hand[2], hand[0]) - np.arccos(np.clip(apex, -1, 1))
        turned = [PELVIS] if on_knees else [PELVIS, 3, 4]
        pose[turned] = pose[turned] @ rotation(np.array([tip, 0, 0])).T
        pose[TRUNK if on_knees else [TRUNK, 5, 6], 0] += tip
    if on_knees:
        poses[:, ANKLES], poses[:, FEET, 0] = poses[0, ANKLES] + [0, 0, rng.choice([0, 0.25])], 1.4
    poses[:, HEAD, 0] -= rng.uniform(-0.2, 0.8)
    poses[:, WRISTS] = SIDES * (body.shoulder + apart) + hand
    poses[:, KNEES], poses[:, ELBOWS] = [0, 0, -1], SIDES * rng.uniform(0.1, 1.2) + [-1, 0, 0.6]
    poses[:, GRIPS], poses[:, THUMBS] = [rng.uniform(0.2, 1.5), 0, 0], -SIDES
    if kind >= 0.96:  # clapping: the hands leave the floor at the top
        air = poses[0].copy()
        air[[PELVIS, 9, 10], 2] += [0.08, 0.2, 0.2]
        air[WRISTS, 1] *= rng.uniform(0.1, 0.8)
        return Movement(np.stack([*poses, air]), (0.8, 1.6), is_loop=True)
    if is_archer:  # archer: to one side and then to the other
        sides = [poses[1].copy(), poses[1].copy()]
        for pose, y in zip(sides, (0.7 * apart, -0.7 * apart), strict=True):
            pose[PELVIS, 1] += y
        return Movement(np.stack([poses[0], sides[0], poses[0], sides[1]]), (1.2, 3.0), True, (0, 2))
    return Movement(poses, (0.6, 3.2))


def _hanging(rng: Rng, body: Body, low: list[float], high: list[float], pull: bool) -> np.ndarray:
    """The hands stay on a bar overhead, or beside the hips; the legs hang.

    Drawn between `low` and `high`: elbow in degrees, shoulders in front of the hands, lean, each extended and
    flexed; how far apart the hands are outside the shoulders.
    """
    poses, (*draws, apart), up = np.stack([stand(rng, body)] * 2), rng.uniform(low, high), -1 if pull else 1
    knee = rng.choice([0.08, rng.uniform(0.2, 1.8)]) + rng.choice([0.0, rng.normal(0, 0.3)]) * np.arange(2)
    knee = np.maximum(knee, 0.03)
    thigh = rng.uniform(-0.1, 0.25) + 0.15 * knee + rng.normal(0, 0.25) * np.arange(2)
    if rng.random() < 0.08:  # the legs held out in front
        thigh = thigh + rng.uniform(0.8, 1.6)
    pointed, crossed, lean = rng.uniform([0.2, 0.0, 0.0], [1.5, 1.3, 1.0])
    hand = np.array([0, 0, body.leg + body.trunk - up * body.arm + rng.uniform(0.1, 0.4)])
    for i, pose in enumerate(poses):
        elbow_deg, front, pose[TRUNK, 0] = draws[i::2]
        pose[PELVIS] = body.reach(elbow_deg, apart) * np.array([np.sin(front), 0, up * np.cos(front)])
        pose[PELVIS] += hand - rotation(pose[TRUNK])[:, 2] * body.trunk
        pose[ANKLES] = SIDES * body.hip * (crossed - 0.2) + pose[PELVIS] + body.legs(thigh[i], knee[i])
        pose[FEET] = [knee[i] - thigh[i] + pointed, 0, 0]
        pose[HEAD, 0] -= 0.3 * i if pull else 0.5 * pose[TRUNK, 0]
    poses[1, [PELVIS, 3, 4], 1] += 0.08 * (lean - 0.5)  # to one side
    poses[1, TRUNK, 1] += 0.4 * (lean - 0.5)
    poses[:, ANKLES] += rng.normal(0, 0.05, (2, 3)) + rng.normal(0, 0.03, (2, 2, 3))  # no leg as the other
    poses[:, WRISTS], poses[:, KNEES] = SIDES * (body.shoulder + apart) + hand, [1, 0, 0]
    return poses


def _pull_up(rng: Rng, body: Body) -> Movement:
    chin = rng.random() < 0.25
    low, high = [150, 15, -0.1, -1.9, -0.1, -0.6, -0.08], [178, 65, 0.05, -0.7, 0.15, 0.15, 0.32]
    if chin:
        high[-1] = 0.05
    poses = _hanging(rng, body, low, high, pull=True)
    poses[:, ELBOWS] = (
        SIDES * rng.uniform(0.0, 0.3) + [0.6, 0, -1.0]
        if chin
        else (SIDES * rng.uniform(0.0, 0.8) + [0.3, 0, -1.0])
    )
    poses[:, GRIPS] = [rng.uniform(0, 0.4), 0, 0.3]
    poses[:, THUMBS] = SIDES * (1 if chin else -1)
    if rng.random() < 0.2:  # kipping: the legs swing back, and forwards on the way up
        swing = rng.uniform(0.15, 0.5)
        hang = poses[0].copy()
        poses[0, ANKLES, 0] -= swing
        poses[1, ANKLES, 0] += swing
        hang[ANKLES, 0] += swing
        hang[PELVIS, 0] += 0.15
        return Movement(np.stack([*poses, hang]), (0.9, 2.0), is_loop=True)
    return Movement(poses, (0.9, 4.5))


def _dip(rng: Rng, body: Body) -> Movement:
    on_bench = rng.random() < 0.25
    low, high = [155, 40, -0.02, 0.2, -0.05, 0.05, -0.02], [176, 95, 0.12, 1.2, 0.2, 0.8, 0.14]
    if on_bench:
        low, high = [155, 60, 0.1, 0.1, -0.15, -0.2, -0.02], [174, 100, 0.25, 0.35, 0.1, 0.1, 0.1]
    poses = _hanging(rng, body, low, high, pull=False)
    if on_bench:  # the hands behind on a bench, the feet in front on the floor
        bent, floor = rng.uniform(0.6, 0.98), poses[0, WRISTS, 2].mean() - rng.uniform(0.35, 0.55)
        for pose in poses:
            pose[ANKLES] = [*(poses[0, PELVIS, [0]] + bent * body.leg), 0, floor] + SIDES * body.hip
        poses[:, FEET, 0], poses[:, KNEES] = -0.6, [0.3, 0, 1]
    poses[:, ELBOWS] = SIDES * rng.uniform(0.05, 0.9) + [-1, 0, 0.2]
    poses[:, GRIPS], poses[:, THUMBS] = [rng.uniform(0, 0.4), 0, -0.2], [1, 0, 0]
    return Movement(poses, (0.8, 3.8))


EXERCISES: dict[str, MakeMovement] = {
    "push-ups": _push_up,
    "squats": _squat,
    "pull-ups": _pull_up,
    "dips": _dip,
}
