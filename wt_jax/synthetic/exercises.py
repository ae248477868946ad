"""The exercises of the synthetic people: of each, the extended and the flexed pose."""

from collections.abc import Callable
from functools import partial

import numpy as np

from wt_jax.synthetic.bodies import (
    ANKLES,
    ELBOWS,
    FEET,
    GRIPS,
    HEAD,
    KNEES,
    PELVIS,
    SIDES,
    THUMBS,
    TOE,
    TRUNK,
    WRISTS,
    Body,
    Rng,
    rotation,
    stand,
)


def squat(rng: Rng, body: Body) -> np.ndarray:
    """The extended and the flexed pose, (2, 17, 3); the feet stay on the floor."""
    poses, wide, toes_out = np.stack([stand(rng, body)] * 2), rng.uniform(0.09, 0.24), rng.uniform(0.05, 0.6)
    poses[:, ANKLES], poses[:, FEET] = SIDES * wide + [0, 0, body.sole], SIDES[:, [0, 2, 1]] * toes_out
    poses[:, KNEES] = SIDES * np.sin(toes_out) + [np.cos(toes_out), 0, 0]
    apart, lift, style = rng.uniform(0.02, 0.15), rng.uniform([0.0, 1.2], [0.2, 1.6]), int(rng.integers(5))
    knee, shank = np.radians(rng.uniform([4, 75], [13, 122])), rng.uniform([0.02, 0.3], [0.04, 0.6])
    for i, pose in enumerate(poses):
        pose[PELVIS] = [0, 0, body.sole] - body.legs(knee[i] - min(shank[i], knee[i] / 2), knee[i])
        balance = rng.uniform(0, 0.12) * i - pose[PELVIS, 0]  # the shoulders stay above the feet
        pose[TRUNK, 0] = np.arcsin(min(balance / body.trunk, 0.95))
        pose[HEAD, 0] -= 0.5 * pose[TRUNK, 0]
        if style < 2:  # straight arms, held forwards or raised on the way down
            angle = lift[1 if style == 0 else i]
            arm = 0.96 * body.arm * np.array([np.sin(angle), 0, -np.cos(angle)])
            pose[WRISTS], pose[ELBOWS] = body.neck(pose) + SIDES * body.shoulder + arm, [0, 0, -1]
            continue
        hands, elbows = (
            (SIDES * apart + [0.22, 0, -0.08], SIDES * 0.6 + [0, 0, -1.0]),  # before the chest
            (SIDES * 0.07 + [-0.05, 0, 0.13], SIDES * 0.9 + [0.2, 0, 0]),  # behind the head
            (
                SIDES * (body.shoulder + 0.1 + apart) + [-0.04, 0, 0.02],
                SIDES * 0.2 + [-0.4, 0, -1],
            ),  # barbell
        )[style - 2]
        turn = rotation(pose[TRUNK]).T
        pose[WRISTS], pose[ELBOWS] = body.neck(pose) + hands @ turn, elbows @ turn
    return poses


def _push_up(rng: Rng, body: Body) -> np.ndarray:
    """The hands stay on the floor or a bench; the body, built upright on its toes, tips around them."""
    poses, apart = np.stack([stand(rng, body)] * 2), rng.uniform(-0.02, 0.16)
    elbow_deg, sag = rng.uniform([160, 58], [172, 100]), rng.uniform([-0.17, -0.15], [0.1, 0.12])
    foot, knee, lead = rng.uniform([-0.35, 0.05, -0.04], [-0.05, 0.2, 0.06])
    hand = np.array([0, 0, 0.04 + (rng.uniform(0.1, 0.5) if rng.random() < 0.2 else 0)])
    for i, pose in enumerate(poses):
        pose[ANKLES] = SIDES * body.hip - rotation(np.array([foot, 0, 0])) @ TOE * body.height
        pose[PELVIS] = pose[ANKLES].mean(0) - body.legs(knee / 2, knee)
        pose[TRUNK, 0], pose[FEET] = -sag[i], [foot, 0, 0]
        neck, reach = body.neck(pose), body.reach(elbow_deg[i], apart)
        length = np.linalg.norm(neck)
        if i == 0:
            hand[0] = np.sqrt(length**2 - (hand[2] + reach) ** 2) + lead
        apex = (length**2 + hand @ hand - reach**2) / (2 * length * np.linalg.norm(hand))
        tip = np.arctan2(neck[2], neck[0]) - np.arctan2(hand[2], hand[0]) - np.arccos(min(apex, 1))
        pose[[PELVIS, 3, 4]] = pose[[PELVIS, 3, 4]] @ rotation(np.array([tip, 0, 0])).T
        pose[[TRUNK, 5, 6], 0] += tip
    poses[:, HEAD, 0] -= rng.uniform(0.1, 0.8)
    poses[:, WRISTS] = SIDES * (body.shoulder + apart) + hand
    poses[:, KNEES], poses[:, ELBOWS] = [0, 0, -1], SIDES * rng.uniform(0.1, 1.2) + [-1, 0, 0.2]
    poses[:, GRIPS], poses[:, THUMBS] = [rng.uniform(0.8, 1.5), 0, 0], -SIDES
    return poses


def _hanging(rng: Rng, body: Body, pull: bool) -> np.ndarray:
    """Pull-up: the hands stay on a bar overhead. Dip: on bars beside the hips. The legs hang."""
    low, high = (  # elbow in degrees, shoulders in front of the hands, lean: extended, flexed; hands apart
        ([160, 22, -0.05, -0.8, -0.02, -0.3, -0.03], [172, 65, 0.0, -0.3, 0.05, 0.0, 0.16])
        if pull
        else ([160, 50, 0.0, 0.15, 0.0, 0.15, 0.0], [172, 95, 0.1, 0.5, 0.15, 0.7, 0.1])
    )
    poses, (*draws, apart), up = np.stack([stand(rng, body)] * 2), rng.uniform(low, high), -1 if pull else 1
    knee = rng.choice([0.08, rng.uniform(0.2, 1.8)])
    thigh = rng.uniform(-0.05, 0.2) + 0.15 * knee + rng.normal(0, 0.15) * np.arange(2)
    hand = np.array([0, 0, body.leg + body.trunk - up * body.arm + rng.uniform(0.1, 0.4)])
    for i, pose in enumerate(poses):
        elbow_deg, front, pose[TRUNK, 0] = draws[i::2]
        pose[PELVIS] = body.reach(elbow_deg, apart) * np.array([np.sin(front), 0, up * np.cos(front)])
        pose[PELVIS] += hand - rotation(pose[TRUNK])[:, 2] * body.trunk
        pose[ANKLES] = SIDES * body.hip + pose[PELVIS] + body.legs(thigh[i], knee)
        pose[FEET] = [knee - thigh[i] + 0.4, 0, 0]
        pose[HEAD, 0] -= 0.25 * i if pull else 0.5 * pose[TRUNK, 0]
    poses[:, WRISTS], poses[:, KNEES] = SIDES * (body.shoulder + apart) + hand, [1, 0, 0]
    poses[:, ELBOWS] = SIDES * rng.uniform(0.1, 0.9) + ([0.7, 0, -0.5] if pull else [-1, 0, 0.2])
    poses[:, GRIPS] = [rng.uniform(0, 0.4), 0, 0.3 if pull else -0.2]
    poses[:, THUMBS] = SIDES * rng.choice([-1, -1, 1]) if pull else [1, 0, 0]
    return poses


EXERCISES: dict[str, Callable[[Rng, Body], np.ndarray]] = {
    "push-ups": _push_up,
    "squats": squat,
    "pull-ups": partial(_hanging, pull=True),
    "dips": partial(_hanging, pull=False),
}
