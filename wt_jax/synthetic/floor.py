"""What is done on the floor, on bars, or by jumping: no-exercise that looks like one, repeated."""

import numpy as np

from wt_jax.synthetic.bodies import (
    ANKLES,
    ELBOWS,
    FEET,
    HEAD,
    KNEES,
    PELVIS,
    PLACES,
    SIDES,
    TRUNK,
    WRISTS,
    Body,
    Rng,
    unit,
)
from wt_jax.synthetic.exercises import EXERCISES, squat_poses
from wt_jax.synthetic.movement import MakeMovement, Movement
from wt_jax.synthetic.postures import (
    hands_at,
    hands_down,
    in_turn,
    lie,
    prone,
    raised,
    reach_for,
    stand,
    step_apart,
    way,
)

_USUAL_S = (1.0, 4.0)  # of a repetition


def _sit_up(rng: Rng, body: Body) -> Movement:
    """Sit-ups and crunches, the hands at the head, over the chest, beside or reaching forwards."""
    pose, up = lie(rng, body), rng.choice([rng.uniform(1.0, 1.7), rng.uniform(0.3, 0.6)])
    hands, elbows = (
        (SIDES * 0.1 + [0.02, 0, 0.14], SIDES * 1.0),
        (SIDES * 0.05 + [0.15, 0, -0.12], SIDES * 0.8 + [0, 0, -1]),
        (SIDES * body.shoulder + [0.5 * body.arm, 0, -0.6 * body.arm], SIDES * 0.3 + [-1, 0, 0]),
        (raised(body, 2.6, 0.2), SIDES * 0.5),
    )[rng.integers(4)]

    def change(one: np.ndarray, share: float) -> None:
        one[TRUNK, 0] += up * share
        one[HEAD, 0] += 0.3 * share
        hands_at(body, one, hands, elbows)

    return Movement(way(pose, change), _USUAL_S)


def _leg_raise(rng: Rng, body: Body) -> Movement:
    """Lying, both legs or in turn, straight or bent, as a bicycle; or hanging from a bar."""
    if rng.random() < 0.35:
        pose = EXERCISES["pull-ups"](rng, body).poses_Px17x3[0]
        low, high = rng.uniform([0.0, 0.9], [0.2, 1.8])
    else:
        pose = lie(rng, body)
        low, high = rng.uniform([np.pi / 2 + 0.1, np.pi / 2 + 0.9], [np.pi / 2 + 0.5, np.pi + 0.1])
    bend = rng.choice([0.1, rng.uniform(0.6, 1.9)])

    def change(one: np.ndarray, share: float) -> None:
        one[ANKLES] = (
            one[PELVIS] + SIDES * body.hip + body.legs(low + share * (high - low), bend * (0.3 + 0.7 * share))
        )
        one[KNEES] = [0.5, 0, 1]

    poses = way(pose, change, 3)
    return Movement(in_turn(poses), (1.0, 3.0), True) if rng.random() < 0.4 else Movement(poses, _USUAL_S)


def _bridge(rng: Rng, body: Body) -> Movement:
    pose = lie(rng, body)
    pose[ANKLES] = SIDES * body.hip + [0.55 * body.leg, 0, body.sole]

    def change(one: np.ndarray, share: float) -> None:
        one[PELVIS, 2] += 0.35 * share
        one[TRUNK, 0] -= np.arcsin(0.35 / body.trunk) * share
        one[FEET, 0] = 0.0

    return Movement(way(pose, change), _USUAL_S)


def _twist(rng: Rng, body: Body) -> Movement:
    """Russian twists, seated and leaning back."""
    pose = lie(rng, body)
    pose[TRUNK, 0] = -rng.uniform(0.4, 0.9)
    left, right = pose.copy(), pose.copy()
    for one, turn in ((left, 0.7), (right, -0.7)):
        one[TRUNK, 2] = turn
        hands_at(body, one, SIDES * 0.05 + [0.35, turn / 4, -0.25], SIDES * 0.6 + [0, 0, -1])
    return Movement(np.stack([left, right]), (1.0, 3.0))


def _plank(rng: Rng, body: Body) -> Movement:
    """Held, with a little rocking; some lift a leg or an arm in turn, some go from elbows to hands."""
    poses = np.stack([prone(rng, body, on_elbows=rng.random() < 0.5)] * 2)
    kind = rng.random()
    if kind < 0.5:
        poses[1, PELVIS] += rng.normal(0, [0.02, 0.03, 0.03])
    elif kind < 0.75:
        poses[1, rng.choice([3, 4]), 2] += rng.uniform(0.15, 0.4)
    else:
        poses[1, rng.choice([9, 10])] += [rng.uniform(-0.2, 0.3), 0, rng.uniform(0.1, 0.3)]
    return Movement(poses, (1.0, 5.0))


def _pike(rng: Rng, body: Body) -> Movement:
    """From the plank to a downward dog, or to the cobra."""
    poses = np.stack([prone(rng, body)] * 2)
    feet, hands = poses[0, ANKLES].mean(0), poses[0, WRISTS].mean(0)
    leg, arm = rng.uniform(0.85, 0.98) * body.leg, rng.uniform(0.85, 0.97) * body.arm
    if rng.random() < 0.5:
        hips = _above(feet, hands, leg, body.trunk + arm)
        chest = hips + body.trunk * unit(hands - hips)
    else:
        hips = feet + np.array([leg, 0, 0])
        chest = _above(hips, hands, body.trunk, arm)
    poses[1, PELVIS], poses[1, TRUNK, 0] = hips, np.arctan2(chest[0] - hips[0], chest[2] - hips[2])
    return Movement(poses, (1.5, 5.0))


def _above(one: np.ndarray, other: np.ndarray, from_one: float, from_other: float) -> np.ndarray:
    """The place so far from each of two, above the line between them; both lie in the plane y = 0."""
    apart, along = np.linalg.norm(other - one), unit(other - one)
    share = np.clip((from_one**2 - from_other**2 + apart**2) / (2 * apart), -from_one, from_one)
    return one + share * along + np.sqrt(from_one**2 - share**2) * np.array([-along[2], 0, along[0]])


def _mountain_climber(rng: Rng, body: Body) -> Movement:
    pose = prone(rng, body)

    def change(one: np.ndarray, share: float) -> None:
        one[ANKLES] += share * np.array([0.75 * body.leg, 0, 0.08])
        one[KNEES] = [0.5 * share, 0, -1]

    poses = way(pose, change, 3)
    return Movement(in_turn(poses), (0.6, 2.0), is_loop=True)


def _burpee(rng: Rng, body: Body) -> Movement:
    """Down to a crouch, the legs thrown back, forwards again, and a jump."""
    up, plank = stand(rng, body), prone(rng, body)
    crouch, jump = squat_poses(rng, body)[1], up.copy()
    plank[PLACES, 0] -= plank[WRISTS, 0].mean() - crouch[ANKLES, 0].mean() - 0.35
    crouch[TRUNK, 0] = max(crouch[TRUNK, 0], 1.2)
    reach_for(body, crouch, plank[WRISTS])
    jump[PLACES, 2] += rng.uniform(0.1, 0.3)
    hands_at(body, jump, raised(body, 2.9, 0.4), SIDES * 0.5)
    low = plank.copy()
    low[PELVIS, 2] -= 0.1
    return Movement(
        np.stack([up, crouch, plank, low if rng.random() < 0.5 else plank, crouch, jump]), (2.0, 5.0), True
    )


def _jumping_jack(rng: Rng, body: Body) -> Movement:
    pose, wide, high = stand(rng, body), *rng.uniform([0.25, 2.0], [0.45, 3.0])

    def change(one: np.ndarray, share: float) -> None:
        one[ANKLES] += SIDES * wide * share
        one[[PELVIS, 3, 4], 2] += 0.08 * np.sin(np.pi * share)
        step_apart(body, one)
        hands_at(body, one, raised(body, 0.2 + (high - 0.2) * share, np.pi / 2), SIDES * 0.4 + [-1, 0, 0])

    return Movement(way(pose, change, 5), (0.7, 1.8))


def _hop(rng: Rng, body: Body) -> Movement:
    """Jumps on the spot: with a rope, or high from a short squat."""
    pose = stand(rng, body)
    low, high = rng.uniform([0.02, 0.05], [0.25, 0.35])
    poses = np.stack([pose] * 3)
    poses[1, PELVIS, 2] -= low
    poses[1, TRUNK, 0] += 2 * low
    poses[1, WRISTS] += [0, 0, -low]
    poses[2, PLACES, 2] += high
    poses[2, WRISTS, 2] += rng.uniform(0, 0.5)
    poses[2, FEET, 0] = 0.6
    return Movement(poses, (0.4, 1.6), is_loop=True)


def _run(rng: Rng, body: Body) -> Movement:
    """On the spot: high knees, heels to the seat, marching."""
    pose, kind = stand(rng, body), rng.random()
    lift = rng.uniform(0.2, 0.55) * body.leg

    def change(one: np.ndarray, share: float) -> None:
        one[ANKLES] += share * (
            np.array([-0.35, 0, 0.45 * body.leg]) if kind < 0.3 else np.array([0.15, 0, lift])
        )
        hands_at(
            body, one, SIDES * body.shoulder + [0.1 + 0.3 * (1 - share), 0, -0.35 - 0.2 * share],
            SIDES * 0.2 + [-1, 0, -0.3],
        )  # fmt: skip

    poses = way(pose, change, 3)
    poses[:, WRISTS] = poses[::-1, WRISTS] if kind < 0.6 else poses[:1, WRISTS]
    return Movement(in_turn(poses), (0.5, 2.0), is_loop=True)


def _pommel(rng: Rng, body: Body) -> Movement:
    """On the hands, the legs swung round: pommel horse, and what children do on bars."""
    pose = EXERCISES["dips"](rng, body).poses_Px17x3[0]
    wide, turns = rng.uniform(0.4, 1.2), np.linspace(0, 2 * np.pi, 6, endpoint=False) * rng.choice([-1, 1])
    poses = np.stack([pose] * 6)
    for one, turn in zip(poses, turns, strict=True):
        one[TRUNK, :2] += 0.3 * wide * np.array([np.cos(turn), np.sin(turn)])
        away = np.array([np.sin(wide) * np.cos(turn), np.sin(wide) * np.sin(turn), -np.cos(wide)])
        one[PELVIS, :2] += 0.1 * wide * away[:2]
        one[ANKLES] = one[PELVIS] + SIDES * body.hip * 0.5 + 0.97 * body.leg * away
    return Movement(poses, (0.8, 2.5), is_loop=True)


def _side_plank(rng: Rng, body: Body) -> Movement:
    """On one elbow, held or with hips that drop and rise."""
    pose, side = stand(rng, body), rng.choice([-1, 1])
    pose[ANKLES] = SIDES * 0.06 + [0, side * 0.92 * body.leg, 0.12]
    poses, lower = np.stack([pose] * 2), 0 if side < 0 else 1
    for one, drop in zip(poses, (0.0, rng.uniform(0.02, 0.18)), strict=True):
        one[PELVIS] = [0, 0, 0.34 - drop]
        one[TRUNK, 1] = side * (np.pi / 2 - np.arcsin(0.3 + drop / body.trunk))
        hands_down(body, one, [0.1, 0, -0.5], 0.1)
        one[WRISTS][lower] = body.neck(poses[0]) * [1, 1, 0] + [0.9 * body.forearm, 0, 0.04]
        one[ELBOWS][lower] = [0, 0, -1]
    return Movement(poses, (1.0, 4.0))


# Name -> movement, and how often it is drawn, beside the others.
FLOOR: dict[str, tuple[MakeMovement, float]] = {
    "sit-ups": (_sit_up, 4.0),
    "leg-raises": (_leg_raise, 2.0),
    "bridges": (_bridge, 1.0),
    "russian-twists": (_twist, 1.0),
    "planks": (_plank, 1.5),
    "pikes": (_pike, 1.0),
    "mountain-climbers": (_mountain_climber, 1.5),
    "burpees": (_burpee, 1.5),
    "jumping-jacks": (_jumping_jack, 2.0),
    "jumps": (_hop, 1.0),
    "high-knees": (_run, 1.5),
    "pommel-horse": (_pommel, 1.5),
    "side-planks": (_side_plank, 0.5),
}
