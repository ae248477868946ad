"""A skeleton in 3-D: limbs, and how a pose puts them in the world.

A pose says where pelvis, hands and feet are and how trunk and head are turned; knees and elbows follow by
two-bone inverse kinematics, so no limb changes its length, and hands and feet that are fixed in an exercise
stay put.

World axes: x where the person faces, y to their left, z up; metres, seconds, radians. Limb lengths are shares
of body height, as MediaPipe sees them beside people's trunks (benchmarks/estimator_errors.py): its shoulders
lie higher and its hips lower than joints do.
"""

import numpy as np

Rng = np.random.Generator
# A pose is (17, 3): pelvis position, turn of trunk and head (pitch, roll, yaw); left and right: ankle
# position, foot turn, knee direction, wrist position, elbow direction, grip (forearm + grip: hand), thumb.
PELVIS, TRUNK, HEAD = 0, 1, 2
ANKLES, FEET, KNEES, WRISTS, ELBOWS, GRIPS, THUMBS = (slice(i, i + 2) for i in range(3, 17, 2))
PLACES = [PELVIS, 3, 4, 9, 10]  # what of a pose moves where the whole body does: pelvis, ankles, wrists
SIDES = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])  # left, right
FACE = np.array(  # landmarks 0-10 from the middle of the shoulders, in body heights
    [[0.075, 0, 0.095], [0.062, 0.010, 0.118], [0.060, 0.018, 0.119], [0.055, 0.026, 0.118],
     [0.062, -0.010, 0.118], [0.060, -0.018, 0.119], [0.055, -0.026, 0.118],
     [0.005, 0.043, 0.105], [0.005, -0.043, 0.105], [0.062, 0.014, 0.075], [0.062, -0.014, 0.075]]
)  # fmt: skip
# Little finger, index and thumb from the wrist: along the hand and towards the thumb, in body heights.
KNUCKLES = np.array([[0.041, -0.016], [0.046, 0.010], [0.028, 0.02]])
HEEL, TOE = np.array([-0.022, 0, -0.034]), np.array([0.110, 0, -0.034])  # from the ankle, in body heights


class Body:
    """Limb lengths of one person."""

    def __init__(self, rng: Rng):
        self.height = float(np.clip(rng.normal(1.72, 0.09), 1.5, 1.98))
        shares = np.array([0.220, 0.210, 0.298, 0.157, 0.139, 0.057, 0.104])
        lengths = (self.height * shares * np.clip(rng.normal(1, 0.05, 7), 0.88, 1.12)).tolist()
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
        hand = unit(unit(wrists - elbows) + pose[:, GRIPS])
        thumb = unit(pose[:, THUMBS] - (pose[:, THUMBS] * hand).sum(-1, keepdims=True) * hand)
        fingers = [wrists + self.height * (along * hand + across * thumb) for along, across in KNUCKLES]
        heels, toes = (rotation(pose[:, FEET]) @ (self.height * end) for end in (HEEL, TOE))
        shank, length = unit(ankles - knees), np.linalg.norm(self.height * HEEL)
        pointed = np.clip((unit(toes) * shank).sum(-1, keepdims=True) - 0.3, 0, 1)
        heels = length * unit(heels + pointed * (length * shank - heels))  # beneath the ankle, MediaPipe says
        feet = [ankles + heels, ankles + toes]
        return np.concatenate([face, shoulders, elbows, wrists, *fingers, hips, knees, ankles, *feet], 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Directions (..., 3), of length 1."""
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
    line, distance = unit(target - root), np.linalg.norm(target - root, axis=-1, keepdims=True)
    distance = np.clip(distance, abs(upper - lower) + 0.02, 0.9995 * (upper + lower))
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    away = unit(towards - (towards * line).sum(-1, keepdims=True) * line)
    return root + along * line + np.sqrt(upper**2 - along**2) * away, root + distance * line
