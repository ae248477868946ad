"""How bodies are held: upright, seated, lying; and how poses follow from one another.

Axes of the trunk: x out of the chest, y to the left, z from the pelvis to the middle of the shoulders.
"""

from collections.abc import Callable

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
    TRUNK,
    WRISTS,
    Body,
    Rng,
    rotation,
)


def stand(rng: Rng, body: Body) -> np.ndarray:
    """A pose, (17, 3), of somebody who stands upright with the arms down, each time a little differently."""
    pose, width = np.zeros((17, 3)), body.hip * rng.uniform(0.6, 2.0)
    pose[PELVIS] = [rng.normal(0, 0.01), rng.normal(0, 0.02), 0.993 * body.leg + body.sole]
    pose[HEAD] = rng.normal(0, 1, 3) * [0.15, 0.04, 0.25]
    pose[ANKLES] = SIDES * width + [0, 0, body.sole]
    pose[FEET, 2] = SIDES[:, 1] * rng.uniform(0, 0.5)
    pose[KNEES], pose[ELBOWS] = SIDES * 0.3 + [1, 0, 0], SIDES * 0.5 + [-1, 0, -0.3]
    pose[GRIPS], pose[THUMBS] = rng.normal(0, 0.12, (2, 3)), SIDES * -0.5 + [1, 0, 0]
    pose[WRISTS] = body.neck(pose) + SIDES * (body.shoulder + 0.07) + [0.04, 0, -0.96 * body.arm]
    return pose


def sit(rng: Rng, body: Body, seat: float | None = None) -> np.ndarray:
    """Seated on something `seat` metres high (None: a chair or a bench), the feet before it on the floor."""
    pose = stand(rng, body)
    height = body.sole + body.shank * rng.uniform(0.8, 1.1) if seat is None else seat
    pose[PELVIS] = [0, 0, height]
    pose[TRUNK, 0] = rng.normal(0, 0.1)
    forwards = rng.uniform(0.75, 1.1) * body.thigh if seat is None else rng.uniform(0.55, 0.97) * body.leg
    pose[ANKLES] = SIDES * body.hip * rng.uniform(1, 2.2) + [forwards, 0, body.sole]
    pose[KNEES] = SIDES * 0.3 + [0.3, 0, 1]
    hands_down(body, pose, [0.3, 0, -0.7 * body.trunk], 0.1)
    return pose


def lie(rng: Rng, body: Body, *, bench: bool = False) -> np.ndarray:
    """On the back, on the floor or on a bench, with the knees bent or the legs straight; the arms beside."""
    pose = stand(rng, body)
    height = rng.uniform(0.4, 0.55) if bench else 0.12
    pose[TRUNK, 0] = -np.pi / 2 + (rng.choice([0, rng.uniform(0.3, 0.9)]) if bench else 0.0)
    pose[PELVIS], pose[KNEES] = [0, 0, height], SIDES * 0.2 + [0.2, 0, 1]
    pose[HEAD, 0] = rng.uniform(0, 0.3)
    bent = rng.uniform(0.45, 0.75) if rng.random() < 0.6 or bench else 0.99
    pose[ANKLES] = SIDES * body.hip * rng.uniform(0.7, 1.6) + [bent * body.leg, 0, body.sole]
    if bench:
        pose[ANKLES] = SIDES * rng.uniform(0.12, 0.3) + [rng.uniform(0.5, 0.65) * body.leg, 0, body.sole]
    pose[FEET, 0] = -1.2 if bent > 0.9 else 0.0
    hands_down(body, pose, [0.02, 0, -0.9 * body.arm], 0.15)
    return pose


def prone(rng: Rng, body: Body, *, on_elbows: bool = False) -> np.ndarray:
    """The plank, on the hands or on the elbows."""
    pose = stand(rng, body)
    height = 0.05 + (body.upper_arm if on_elbows else 0.94 * body.arm)  # of the shoulders
    slope = np.arcsin((height - 0.14) / (body.leg + body.trunk))
    pose[TRUNK, 0] = np.pi / 2 - slope + rng.normal(0, 0.03)
    pose[HEAD, 0] = -rng.uniform(0, 0.6)
    pose[PELVIS] = [0, 0, 0.14 + 0.99 * body.leg * np.sin(slope)]
    pose[ANKLES] = SIDES * body.hip * rng.uniform(0.6, 1.6) + [-body.leg * np.cos(slope), 0, 0.12]
    pose[FEET, 0], pose[KNEES] = 1.2, [0, 0, -1]
    neck = body.neck(pose)
    forwards = body.forearm if on_elbows else 0.0
    pose[WRISTS] = SIDES * (body.shoulder + rng.uniform(-0.05, 0.1)) + [neck[0] + forwards, 0, 0.04]
    pose[ELBOWS] = SIDES * 0.3 + [-1, 0, -1]
    pose[GRIPS], pose[THUMBS] = [1.2, 0, 0], -SIDES
    return pose


def hands_at(body: Body, pose: np.ndarray, hands: np.ndarray, elbows: np.ndarray) -> None:
    """Puts the wrists, (2, 3) in the trunk's axes from the middle of the shoulders, and bends the elbows.

    What is out of reach is reached for.
    """
    turn, shoulders = rotation(pose[TRUNK]).T, SIDES * body.shoulder
    away = np.asarray(hands) - shoulders
    away = away * np.minimum(1, 0.98 * body.arm / np.linalg.norm(away, axis=-1, keepdims=True))
    pose[WRISTS], pose[ELBOWS] = body.neck(pose) + (shoulders + away) @ turn, np.asarray(elbows) @ turn


def reach_for(body: Body, pose: np.ndarray, places: np.ndarray) -> None:
    """Puts the wrists, (2, 3) in the world, as far as the arms go; the elbows stay as they bend."""
    turn = rotation(pose[TRUNK])
    hands_at(body, pose, (places - body.neck(pose)) @ turn, pose[ELBOWS] @ turn)


def step_apart(body: Body, pose: np.ndarray) -> None:
    """Lowers the body to where both legs reach the feet, and the hands with it."""
    away = pose[ANKLES, :2] - (pose[PELVIS] + SIDES * body.hip)[:, :2]
    heights = pose[ANKLES, 2] + np.sqrt(np.maximum((0.993 * body.leg) ** 2 - (away**2).sum(-1), 0.1))
    pose[[PELVIS, 9, 10], 2] -= max(pose[PELVIS, 2] - heights.min(), 0.0)


def hands_down(body: Body, pose: np.ndarray, at: list[float], apart: float) -> None:
    """Both hands alike, so far outside the shoulders, the elbows out and back."""
    hands_at(body, pose, SIDES * (body.shoulder + apart) + at, SIDES * 0.6 + [-1, 0, -0.2])


def raised(body: Body, elevation: float, to_side: float, reach: float = 0.97) -> np.ndarray:
    """Hands of straight arms, for `hands_at`: elevation 0 is down and pi up, to_side 0 in front, pi/2 out."""
    out = np.sin(elevation)
    along = [out * np.cos(to_side), 0, -np.cos(elevation)] + SIDES * out * np.sin(to_side)
    return SIDES * body.shoulder + reach * body.arm * along


def way(pose: np.ndarray, change: Callable[[np.ndarray, float], None], n_poses: int = 2) -> np.ndarray:
    """Poses (n_poses, 17, 3) between the two ends of a movement: `change(pose, share of the way)` each."""
    poses = np.stack([pose] * n_poses)
    for one, share in zip(poses, np.linspace(0, 1, n_poses), strict=True):
        change(one, float(share))
    return poses


def in_turn(poses: np.ndarray) -> np.ndarray:
    """The movement of both sides, done by the left and then by the right: (4 (n - 1), ...), to be repeated.

    The side that waits does so as it is in the first pose.
    """
    left, right, still = poses.copy(), poses.copy(), poses[0]
    for i in (ANKLES, FEET, KNEES, WRISTS, ELBOWS, GRIPS, THUMBS):
        left[:, i.start + 1], right[:, i.start] = still[i.start + 1], still[i.start]
    return np.concatenate([left, left[-2:0:-1], right, right[-2:0:-1]])


def mirror(pose: np.ndarray) -> np.ndarray:
    """Left and right change places."""
    mirrored = pose.copy()
    for i in (ANKLES, FEET, KNEES, WRISTS, ELBOWS, GRIPS, THUMBS):
        mirrored[i] = pose[i][::-1]
    mirrored[[PELVIS, *range(3, 5), *range(7, 17)], 1] *= -1
    mirrored[[TRUNK, HEAD, 5, 6], 1:] *= -1
    return mirrored
