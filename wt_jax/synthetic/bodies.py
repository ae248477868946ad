"""A skeleton moved in 3-D: bodies, poses, exercises and other activities, for recordings of nobody.

A pose says where pelvis, hands and feet are and how trunk and head are turned; knees and elbows follow by
two-bone inverse kinematics, so no limb changes its length, and hands and feet that are fixed in an exercise
stay put. A motion is a list of keyframes.

World axes: x where the person faces, y to their left, z up; metres, seconds, radians. Limb lengths are shares
of body height: Drillis and Contini (1966), as in Winter, Biomechanics and Motor Control of Human Movement,
figure 4.1; hips, face, hands and feet are where MediaPipe puts its landmarks.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

Rng = np.random.Generator
Keyframes = list[tuple[float, np.ndarray]]  # (seconds since the one before, pose)
# A pose is (17, 3): pelvis position, turn of trunk and head (pitch, roll, yaw); left and right: ankle
# position, foot turn, knee direction, wrist position, elbow direction, grip (forearm + grip: hand), thumb.
PELVIS, TRUNK, HEAD = 0, 1, 2
ANKLES, FEET, KNEES, WRISTS, ELBOWS, GRIPS, THUMBS = (slice(i, i + 2) for i in range(3, 17, 2))
SIDES = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])  # left, right
FACE = np.array(  # landmarks 0-10 from the middle of the shoulders, in body heights
    [[0.075, 0, 0.095], [0.062, 0.010, 0.118], [0.060, 0.018, 0.119], [0.055, 0.026, 0.118],
     [0.062, -0.010, 0.118], [0.060, -0.018, 0.119], [0.055, -0.026, 0.118],
     [0.005, 0.043, 0.105], [0.005, -0.043, 0.105], [0.062, 0.014, 0.075], [0.062, -0.014, 0.075]]
)  # fmt: skip
HEEL, TOE = np.array([-0.022, 0, -0.034]), np.array([0.110, 0, -0.034])  # from the ankle, in body heights


class Body:
    """Limb lengths of one person."""

    def __init__(self, rng: Rng):
        self.height = float(np.clip(rng.normal(1.72, 0.09), 1.5, 1.98))
        shares = np.array([0.245, 0.246, 0.288, 0.186, 0.146, 0.058, 0.100])
        lengths = (self.height * shares * np.clip(rng.normal(1, 0.035, 7), 0.9, 1.1)).tolist()
        self.thigh, self.shank, self.trunk, self.upper_arm, self.forearm, self.hip, self.shoulder = lengths
        self.leg, self.arm, self.sole = (
            self.thigh + self.shank,
            self.upper_arm + self.forearm,
            0.039 * self.height,
        )

    def legs(self, thigh: float, knee: float) -> np.ndarray:
        """Hip to ankle: the thigh forwards of straight down by `thigh`, the shank bent back by `knee`."""
        x, z = np.sin([thigh, thigh - knee]), -np.cos([thigh, thigh - knee])
        return np.array([x @ [self.thigh, self.shank], 0, z @ [self.thigh, self.shank]])

    def reach(self, elbow_deg: float, apart: float) -> float:
        """Shoulder to wrist in the plane of movement, the hands `apart` outside the shoulders."""
        cos = np.cos(np.radians(elbow_deg))
        square = self.upper_arm**2 + self.forearm**2 - 2 * self.upper_arm * self.forearm * cos - apart**2
        return float(np.sqrt(max(square, 0.01)))

    def neck(self, pose: np.ndarray) -> np.ndarray:
        """Middle of the shoulders."""
        return pose[..., PELVIS, :] + rotation(pose[..., TRUNK, :])[..., 2] * self.trunk

    def points(self, pose_Fx17x3: np.ndarray) -> np.ndarray:
        """The 33 landmarks of a pose, (F, 33, 3)."""
        pose, trunk = pose_Fx17x3, rotation(pose_Fx17x3[:, TRUNK])
        neck, side = self.neck(pose)[:, None], trunk[:, None, :, 1] * SIDES[:, 1:2]
        hips, shoulders = pose[:, PELVIS, None] + side * self.hip, neck + side * self.shoulder
        face = neck + FACE * self.height @ (trunk @ rotation(pose[:, HEAD])).swapaxes(1, 2)
        knees, ankles = _bend(hips, pose[:, ANKLES], self.thigh, self.shank, pose[:, KNEES])
        elbows, wrists = _bend(shoulders, pose[:, WRISTS], self.upper_arm, self.forearm, pose[:, ELBOWS])
        hand = _unit(_unit(wrists - elbows) + pose[:, GRIPS])
        thumb = _unit(pose[:, THUMBS] - (pose[:, THUMBS] * hand).sum(-1, keepdims=True) * hand)
        spread = ((0.052, -0.02), (0.058, 0.012), (0.03, 0.022))  # pinky, index, thumb
        fingers = [wrists + self.height * (along * hand + across * thumb) for along, across in spread]
        feet = [ankles + rotation(pose[:, FEET]) @ (self.height * end) for end in (HEEL, TOE)]
        return np.concatenate([face, shoulders, elbows, wrists, *fingers, hips, knees, ankles, *feet], 1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def rotation(turn: np.ndarray) -> np.ndarray:
    """(..., 3) pitch (forwards is positive), roll, yaw -> (..., 3, 3): Rz(yaw) Ry(pitch) Rx(roll)."""
    (cp, cr, cy), (sp, sr, sy) = np.moveaxis(np.cos(turn), -1, 0), np.moveaxis(np.sin(turn), -1, 0)
    rows = [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr,
            sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr,
            -sp, cp * sr, cp * cr]  # fmt: skip
    return np.stack(rows, -1).reshape(*turn.shape[:-1], 3, 3)


def _bend(root, target, upper: float, lower: float, towards) -> tuple[np.ndarray, np.ndarray]:
    """Inverse kinematics: the middle joint, bent `towards`, and the end, at `target` where within reach."""
    line, distance = _unit(target - root), np.linalg.norm(target - root, axis=-1, keepdims=True)
    distance = np.clip(distance, abs(upper - lower) + 0.02, 0.9995 * (upper + lower))
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    away = _unit(towards - (towards * line).sum(-1, keepdims=True) * line)
    return root + along * line + np.sqrt(upper**2 - along**2) * away, root + distance * line


def _stand(rng: Rng, body: Body) -> np.ndarray:
    pose, width = np.zeros((17, 3)), body.hip * rng.uniform(0.8, 1.6)
    pose[PELVIS] = [rng.normal(0, 0.01), rng.normal(0, 0.02), 0.993 * body.leg + body.sole]
    pose[HEAD] = rng.normal(0, 1, 3) * [0.1, 0.04, 0.2]
    pose[ANKLES] = SIDES * width + [0, 0, body.sole]
    pose[FEET, 2] = SIDES[:, 1] * rng.uniform(0, 0.5)
    pose[KNEES], pose[ELBOWS] = SIDES * 0.3 + [1, 0, 0], SIDES * 0.5 + [-1, 0, -0.3]
    pose[GRIPS], pose[THUMBS] = rng.normal(0, 0.12, (2, 3)), SIDES * -0.5 + [1, 0, 0]
    pose[WRISTS] = body.neck(pose) + SIDES * (body.shoulder + 0.07) + [0.04, 0, -0.96 * body.arm]
    return pose


def _squat(rng: Rng, body: Body) -> np.ndarray:
    """The extended and the flexed pose, (2, 17, 3); the feet stay on the floor."""
    poses, wide, toes_out = np.stack([_stand(rng, body)] * 2), rng.uniform(0.09, 0.24), rng.uniform(0.05, 0.6)
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
    poses, apart = np.stack([_stand(rng, body)] * 2), rng.uniform(-0.02, 0.16)
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
    poses, (*draws, apart), up = np.stack([_stand(rng, body)] * 2), rng.uniform(low, high), -1 if pull else 1
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
    "squats": _squat,
    "pull-ups": partial(_hanging, pull=True),
    "dips": partial(_hanging, pull=False),
}


def reach_over(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Half way between two poses, with the hands in front of the body and not through it."""
    pose = (one + other) / 2
    pose[WRISTS, 0] += 0.3
    return pose


def _arms(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Standing and gesturing, or waving."""
    pose, arms = _stand(rng, body), ([0], [1], [0, 1])[rng.integers(3)]
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
    pose = _stand(rng, body)
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
    pose = _stand(rng, body)
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
    standing, seated = _squat(rng, body)
    down_s, up_s = rng.uniform(1.2, 3, 2)
    return [(1.0, standing), (down_s, seated), (seconds / 2, seated), (up_s, standing)]


def _walk(rng: Rng, body: Body, seconds: float) -> Keyframes:
    """Walking beside a camera that moves along: the feet travel under the pelvis."""
    pose, (stride, quarter_s, swing) = _stand(rng, body), rng.uniform([0.3, 0.22, 0.1], [0.65, 0.38, 0.25])
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
