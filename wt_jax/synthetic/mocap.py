"""Motion capture on film: joint tracks, made the landmarks of somebody a little different.

Letters: F frames, K joints (24), L landmarks (33), S sides (left, right).
"""

import numpy as np

from wt_jax.skeleton import FRAME_RATE_HZ
from wt_jax.synthetic.bodies import FACE, HEEL, KNUCKLES, SIDES, TOE, Rng, unit
from wt_jax.synthetic.camera import FRAME_RATES_HZ, FRAME_SIZES_PX, film
from wt_jax.synthetic.joint_tracks import JOINTS, PARENTS, JointTrack
from wt_jax.synthetic.motion import SyntheticMotion

# Exercises by the names that data sets have for them; their starts are where repetitions were cut apart.
KNOWN_AS = {"deep-squat": "squats", "inline-lunge": "lunges", "side-lunge": "lunges"}

_PIECE_S = 20.0  # of a longer track that much is filmed
_PARENTS = [JOINTS.index(parent) for parent in PARENTS.values()]
_MIRRORED = [
    JOINTS.index({"l": "r_", "r": "l_"}[name[0]] + name[2:] if name[1] == "_" else name) for name in JOINTS
]
_ANKLES = [JOINTS.index("l_ankle"), JOINTS.index("r_ankle")]
# Joints of one name are scaled alike, left and right, and the head as a whole.
_LIMBS = np.unique(
    [name.split("_")[-1].replace("nose", "head").replace("ear", "head") for name in JOINTS],
    return_inverse=True,
)[1]
_NOSE = FACE[0] - FACE[7:9].mean(0)  # from the middle of the ears
_PINKY, _INDEX, _THUMB = KNUCKLES


def film_track(rng: Rng, track: JointTrack) -> SyntheticMotion:
    """Films somebody else doing the same, 20 s at most: other limbs, half of the time the other hand,
    another pace."""
    duration_s = (len(track.joints_FxKx3) - 1) / FRAME_RATE_HZ
    pace = min(rng.uniform(0.85, 1.2), duration_s)  # a second is left of the shortest
    piece_s = min(_PIECE_S * pace, duration_s)
    first_s = rng.uniform(0, duration_s - piece_s)
    fps, (width_px, height_px) = float(rng.choice(FRAME_RATES_HZ)), rng.choice(FRAME_SIZES_PX).tolist()
    t_F = np.arange(int(piece_s / pace * fps + 1e-6) + 1) / fps
    joints = _somebody_else(rng, _at(track.joints_FxKx3, first_s + pace * t_F))
    points = landmarks_of(joints, pronation=rng.normal(0, 0.4))
    landmarks = film(rng, points, t_F, width_px, height_px)
    starts = np.rint((track.starts / FRAME_RATE_HZ - first_s) / pace * fps).astype(np.int32)
    starts = starts[(starts >= 0) & (starts < len(t_F))]
    return SyntheticMotion(landmarks, points, fps, width_px, height_px, starts, np.ones(len(t_F), bool))


def landmarks_of(joints_FxKx3: np.ndarray, pronation: float = 0.0) -> np.ndarray:
    """The 33 landmarks (F, L, 3) of joints, metres; the thumbs turned inwards by `pronation`, radians.

    Eyes and mouth are put on the head, thumb and little finger on the hand, by the proportions of bodies.py;
    heels beneath where markers sit.
    """
    of = {name: joints_FxKx3[:, k] for k, name in enumerate(JOINTS)}
    pairs = {
        name[2:]: np.stack([of[name], of[f"r{name[1:]}"]], 1) for name in JOINTS if name.startswith("l_")
    }
    pinky, thumb = _knuckles(pairs, of["neck"] - of["pelvis"], pronation)
    face, heel = _face(of["nose"], pairs["ear"]), _heels(pairs)
    arms = [pairs[name] for name in ("shoulder", "elbow", "wrist")]
    legs = [pairs[name] for name in ("hip", "knee", "ankle")]
    return np.concatenate([face, *arms, pinky, pairs["hand"], thumb, *legs, heel, pairs["toe"]], 1)


def _at(values_FxKx3: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Values at other times than every thirtieth of a second."""
    place = np.clip(times_s * FRAME_RATE_HZ, 0, len(values_FxKx3) - 1)
    before = np.minimum(place.astype(int), len(values_FxKx3) - 2)
    share = (place - before).astype(values_FxKx3.dtype)[:, None, None]
    return (1 - share) * values_FxKx3[before] + share * values_FxKx3[before + 1]


def _somebody_else(rng: Rng, joints_FxKx3: np.ndarray) -> np.ndarray:
    """Of another height and other limbs, and mirrored half of the time; the lower foot stays where it was."""
    given = joints_FxKx3 * np.float32(np.clip(rng.normal(1, 0.05), 0.88, 1.12))
    if rng.random() < 0.5:
        given = given[:, _MIRRORED] * np.array([1, -1, 1], np.float32)
    longer = np.clip(rng.normal(1, 0.03, _LIMBS.max() + 1), 0.92, 1.08)[_LIMBS].astype(np.float32)
    joints = given.copy()
    for joint, parent in enumerate(_PARENTS):
        joints[:, joint] = joints[:, parent] + longer[joint] * (given[:, joint] - given[:, parent])
    slid, height = (given - joints)[:, _ANKLES], given[:, _ANKLES, 2]
    left = 1 / (1 + np.exp(np.clip((height[:, :1] - height[:, 1:]) / 0.03, -50, 50)))  # 1: the left is lower
    return joints + (left * slid[:, 0] + (1 - left) * slid[:, 1])[:, None]


def _face(nose_Fx3: np.ndarray, ears_FxSx3: np.ndarray) -> np.ndarray:
    """Landmarks 0 to 10."""
    middle = ears_FxSx3.mean(1)
    size = np.linalg.norm(nose_Fx3 - middle, axis=-1)[:, None, None] / np.linalg.norm(_NOSE)
    axes, own = (
        np.stack([ahead, left, np.cross(ahead, left)], -2)
        for ahead, left in (
            _right_angled(nose_Fx3 - middle, ears_FxSx3[:, 0] - ears_FxSx3[:, 1]),
            _right_angled(_NOSE, SIDES[0]),
        )
    )
    face = middle[:, None] + size * ((FACE - FACE[7:9].mean(0)) @ own.T @ axes)
    face[:, 0], face[:, 7:9] = nose_Fx3, ears_FxSx3
    return face


def _knuckles(pairs: dict[str, np.ndarray], trunk_Fx3: np.ndarray, pronation: float) -> list[np.ndarray]:
    """Little fingers and thumbs, (F, S, 3) each.

    The thumb points to where the elbow bends; of a straight arm it points ahead where the arm hangs, up
    where it is held out, and back where it is raised.
    """
    up, left = _right_angled(trunk_Fx3, pairs["hip"][:, 0] - pairs["hip"][:, 1])
    up, ahead = up[:, None], np.cross(left, up)[:, None]
    arm, hand = unit(pairs["elbow"] - pairs["shoulder"]), pairs["hand"] - pairs["wrist"]
    raised = (arm * up).sum(-1, keepdims=True)
    thumb = 0.5 * (np.sqrt(np.clip(1 - raised**2, 0, 1)) * up - raised * ahead) - arm
    finger, thumb = _right_angled(hand, thumb)
    thumb = np.cos(pronation) * thumb + np.sin(pronation) * SIDES[:, 1:2] * np.cross(finger, thumb)
    size, (cos, sin) = np.linalg.norm(hand, axis=-1, keepdims=True), _INDEX / np.linalg.norm(_INDEX)
    along, across = cos * finger - sin * thumb, sin * finger + cos * thumb
    return [
        pairs["wrist"] + size / np.linalg.norm(_INDEX) * (a * along + b * across) for a, b in (_PINKY, _THUMB)
    ]


def _heels(pairs: dict[str, np.ndarray]) -> np.ndarray:
    """The lowest point of the heel, (F, S, 3), whose marker sits higher: by ankle and toe."""
    foot = pairs["toe"] - pairs["ankle"]
    along, down = _right_angled(foot, pairs["heel"] - pairs["ankle"])
    length = np.linalg.norm(TOE)
    back = HEEL @ TOE / length**2
    beneath = np.sqrt(HEEL @ HEEL / length**2 - back**2)
    return pairs["ankle"] + np.linalg.norm(foot, axis=-1, keepdims=True) * (back * along + beneath * down)


def _right_angled(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions (..., 3): of the first, and of what of the second stands at right angles to it."""
    first = unit(one)
    return first, unit(other - (other * first).sum(-1, keepdims=True) * first)
