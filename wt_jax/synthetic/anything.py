"""Movements that nobody has a name for: some limbs, from any posture, between places that they can reach."""

from collections.abc import Callable

import numpy as np

from wt_jax.synthetic.bodies import ANKLES, ELBOWS, HEAD, PELVIS, SIDES, TRUNK, WRISTS, Body, Rng, rotation
from wt_jax.synthetic.exercises import EXERCISES
from wt_jax.synthetic.movement import Movement
from wt_jax.synthetic.postures import hands_at, lie, prone, raised, sit, stand, step_apart

_LEAST_M = 0.15  # that some landmark moves: less is fidgeting
_TRIES = 20


def anything(rng: Rng, body: Body) -> Movement:
    """Out of a posture and back, or round by way of two or three others; by both sides alike, or not."""
    posture = _POSTURES[rng.choice(len(_POSTURES), p=_SHARES)]
    rest = posture(rng, body)
    n_others = 1 if rng.random() < 0.75 else int(rng.integers(2, 4))
    for _ in range(_TRIES):
        limbs = [limb for limb, share in _LIMBS[posture].items() if rng.random() < share]
        poses = np.stack([rest, *(_moved(rng, body, rest, limbs) for _ in range(n_others))])
        if np.linalg.norm(np.ptp(body.points(poses), axis=0), axis=-1).max() > _LEAST_M:
            break
    return Movement(poses, (0.6, 5.0), is_loop=n_others > 1)


def _moved(rng: Rng, body: Body, rest: np.ndarray, limbs: list[Callable]) -> np.ndarray:
    """Some limbs elsewhere. Hands that are not moved go along with the trunk."""
    pose, hands = rest.copy(), (rest[WRISTS] - body.neck(rest)) @ rotation(rest[TRUNK])
    for limb in limbs:
        limb(rng, body, pose)
    if _arms not in limbs and (_low in limbs or _trunk in limbs):
        hands_at(body, pose, hands, pose[ELBOWS] @ rotation(pose[TRUNK]))
    return pose


def _trunk(rng: Rng, body: Body, pose: np.ndarray) -> None:
    pose[TRUNK] += rng.normal(0, [0.45, 0.2, 0.35])
    pose[HEAD] += rng.normal(0, 0.15, 3)


def _arms(rng: Rng, body: Body, pose: np.ndarray) -> None:
    elevation, to_side, reach = rng.uniform([0.0, -0.2, 0.3], [3.0, 1.7, 0.97])
    hands = raised(body, elevation, to_side, reach)
    elbows = SIDES * rng.uniform(0.0, 1.0) + rng.uniform([-1.0, 0, -1.0], [0.3, 0, 0.4])
    if rng.random() < 0.35:  # one alone: the other stays
        still = (pose[WRISTS] - body.neck(pose)) @ rotation(pose[TRUNK])
        side = rng.integers(2)
        hands[side] = still[side]
    hands_at(body, pose, hands, elbows)


def _low(rng: Rng, body: Body, pose: np.ndarray) -> None:
    """The pelvis goes down, or to a side, above feet that stay."""
    pose[PELVIS] += rng.uniform([-0.25, -0.2, -0.6], [0.1, 0.2, -0.05]) * [1, 1, body.leg]
    step_apart(body, pose)


def _legs(rng: Rng, body: Body, pose: np.ndarray) -> None:
    """A foot, or both, elsewhere: before, beside, behind, up."""
    thigh, knee, out = rng.uniform([-0.5, 0.05, 0.0], [1.7, 1.9, 0.6])
    reached = body.legs(thigh, knee) @ rotation(pose[TRUNK] * [1.0, 0, 1]).T
    feet = pose[PELVIS] + SIDES * (body.hip + out) + reached
    sides = [0, 1] if _is_lying(pose) and rng.random() < 0.6 else [int(rng.integers(2))]
    for side in sides:
        pose[ANKLES.start + side] = np.maximum(feet[side], [-np.inf, -np.inf, body.sole])


def _apart(rng: Rng, body: Body, pose: np.ndarray) -> None:
    """The feet apart, to the sides or one before the other."""
    pose[ANKLES] += SIDES * rng.uniform(0.1, 0.5) + rng.choice([0.0, 0.5]) * SIDES[:, [1, 0, 2]]
    step_apart(body, pose)


def _is_lying(pose: np.ndarray) -> bool:
    return bool(abs(pose[TRUNK, 0]) > 1.0)


def _split(rng: Rng, body: Body) -> np.ndarray:
    """Standing with one foot before the other."""
    pose = stand(rng, body)
    pose[ANKLES, 0] += SIDES[:, 1] * rng.uniform(0.15, 0.4) * rng.choice([-1, 1])
    step_apart(body, pose)
    return pose


def _hang(rng: Rng, body: Body) -> np.ndarray:
    return EXERCISES["pull-ups"](rng, body).poses_Px17x3[0]


# How often somebody begins so, and what moves from there, how often.
_LIMBS: dict[Callable, dict[Callable, float]] = {
    stand: {_trunk: 0.35, _arms: 0.7, _low: 0.35, _legs: 0.25, _apart: 0.2},
    _split: {_trunk: 0.3, _arms: 0.5, _low: 0.8},
    sit: {_trunk: 0.5, _arms: 0.8, _legs: 0.3},
    lie: {_trunk: 0.3, _arms: 0.5, _legs: 0.6},
    prone: {_trunk: 0.4, _legs: 0.7},
    _hang: {_legs: 0.9, _trunk: 0.3},
}
_POSTURES = [*_LIMBS]
_SHARES = [0.45, 0.1, 0.15, 0.15, 0.08, 0.07]
