"""What else is done in a gym, standing, seated or on a bench: no-exercise that looks like one, repeated."""

from collections.abc import Callable

import numpy as np

from wt_jax.synthetic.bodies import ANKLES, FEET, HEAD, PELVIS, PLACES, SIDES, TRUNK, WRISTS, Body, Rng
from wt_jax.synthetic.exercises import squat_poses
from wt_jax.synthetic.movement import MakeMovement, Movement
from wt_jax.synthetic.postures import hands_at, in_turn, lie, mirror, raised, sit, stand, step_apart, way

_USUAL_S = (0.9, 4.0)  # of a repetition
_OUT, _BACK, _DOWN = SIDES * 1.0, SIDES * 0.3 + [-1, 0, -0.2], SIDES * 0.4 + [-0.2, 0, -1]  # elbows


def _base(rng: Rng, body: Body, *, may_sit: bool = True) -> np.ndarray:
    pose = sit(rng, body) if may_sit and rng.random() < 0.35 else stand(rng, body)
    pose[TRUNK, 0] += rng.normal(0, 0.07)
    return pose


def _between(
    body: Body, pose: np.ndarray, low: np.ndarray, high: np.ndarray, elbows: np.ndarray
) -> np.ndarray:
    """The hands straight from one place to another."""
    return way(pose, lambda one, share: hands_at(body, one, low + share * (high - low), elbows))


def _curled(body: Body, upper: tuple[float, float], bends: tuple[float, float]) -> Callable:
    """The forearms turn about elbows that stay: upper arms raised forwards and out, elbows bent from to."""

    def change(pose: np.ndarray, share: float) -> None:
        elbows = raised(body, upper[0], upper[1], body.upper_arm / body.arm)
        turn = upper[0] + bends[0] + share * (bends[1] - bends[0])
        hands_at(body, pose, elbows + body.forearm * np.array([np.sin(turn), 0, -np.cos(turn)]), elbows)

    return change


def _shoulder_press(rng: Rng, body: Body) -> Movement:
    apart, front = rng.uniform([0.0, 0.0], [0.3, 0.25])
    low = SIDES * (body.shoulder + apart) + [front, 0, rng.uniform(-0.08, 0.1)]
    high = SIDES * (body.shoulder + 0.6 * apart) + [0.05, 0, rng.uniform(0.85, 0.95) * body.arm]
    return Movement(
        _between(body, _base(rng, body), low, high, SIDES * rng.uniform(0.2, 1) + [0.3, 0, -0.6]), _USUAL_S
    )


def _lat_pull_down(rng: Rng, body: Body) -> Movement:
    """Seated at the machine: the bar comes down before the chest, and the trunk leans back a little."""
    pose, apart = sit(rng, body), rng.uniform(0.0, 0.35)
    upright, leaning = -rng.uniform(-0.1, 0.25), -rng.choice([0.0, rng.uniform(0, 0.4)])
    high = SIDES * (body.shoulder + apart) + [0.1, 0, 0.95 * np.sqrt(max(body.arm**2 - apart**2, 0.1))]
    low = SIDES * (body.shoulder + apart) + [rng.uniform(0.05, 0.25), 0, rng.uniform(-0.25, 0.1)]
    elbows = SIDES * rng.uniform(0.1, 0.8) + [0.1, 0, -1.0]

    def change(one: np.ndarray, share: float) -> None:
        one[TRUNK, 0] = upright + share * leaning
        hands_at(body, one, high + share * (low - high), elbows)

    return Movement(way(pose, change), _USUAL_S)


def _biceps_curl(rng: Rng, body: Body) -> Movement:
    pose = _base(rng, body)
    poses = way(
        pose, _curled(body, tuple(rng.uniform([-0.2, 0], [0.6, 0.6])), (0.1, rng.uniform(2.0, 2.6))), 4
    )
    if rng.random() < 0.4:
        return Movement(in_turn(poses), (2.0, 5.0), is_loop=True)
    return Movement(poses, _USUAL_S)


def _raise(rng: Rng, body: Body) -> Movement:
    """Lateral and front raises, and all between."""
    pose = _base(rng, body)
    low, high = rng.uniform([0.05, 1.2], [0.4, 2.3])
    to_side = rng.choice([rng.uniform(0, 0.4), rng.uniform(1.1, 1.57)])
    if rng.random() < 0.2:  # bent over
        pose[TRUNK, 0] += rng.uniform(0.7, 1.3)
    reach = rng.uniform(0.85, 0.97)
    poses = way(
        pose,
        lambda one, share: hands_at(
            body, one, raised(body, low + share * (high - low), to_side, reach), _BACK
        ),
        4,
    )
    return Movement(in_turn(poses), (2.0, 5.0), True) if rng.random() < 0.2 else Movement(poses, _USUAL_S)


def _upright_row(rng: Rng, body: Body) -> Movement:
    low, high = SIDES * 0.1 + [0.12, 0, -0.9 * body.arm], SIDES * 0.1 + [0.15, 0, rng.uniform(-0.15, 0.05)]
    return Movement(
        _between(body, _base(rng, body, may_sit=False), low, high, np.array([0, 0, 0.5]) + _OUT), _USUAL_S
    )


def _triceps(rng: Rng, body: Body) -> Movement:
    """Push-downs, and extensions overhead."""
    pose = _base(rng, body)
    if rng.random() < 0.5:
        pose[TRUNK, 0] += rng.uniform(0, 0.4)
        return Movement(way(pose, _curled(body, (0.2, 0.0), (rng.uniform(1.5, 2.0), 0.1)), 4), _USUAL_S)
    return Movement(way(pose, _curled(body, (2.9, 0.1), (rng.uniform(1.8, 2.4), 0.1)), 4), _USUAL_S)


def _row(rng: Rng, body: Body) -> Movement:
    """Bent over, or seated at a cable; both arms, or one."""
    if rng.random() < 0.6:
        pose = squat_poses(rng, body)[0]
        pose[TRUNK, 0] = rng.uniform(0.6, 1.5)
        pose[PELVIS] += [-0.15, 0, -0.08]
        lean = pose[TRUNK, 0]  # straight down, in the trunk's axes
        far = SIDES * body.shoulder + 0.9 * body.arm * np.array([np.sin(lean), 0, -np.cos(lean)])
    else:
        pose = sit(rng, body)
        far = SIDES * 0.1 + [0.9 * body.arm, 0, -0.15]
    near = SIDES * (body.shoulder + rng.uniform(0, 0.15)) + [0.15, 0, -rng.uniform(0.2, 0.4)]
    poses = _between(body, pose, far, near, _BACK)
    return (
        Movement(in_turn(_with_middle(poses)), (2.0, 5.0), True)
        if rng.random() < 0.2
        else Movement(poses, _USUAL_S)
    )


def _with_middle(poses: np.ndarray) -> np.ndarray:
    """Two poses with the one half way between them."""
    return np.stack([poses[0], poses.mean(0), poses[1]])


def _bench_press(rng: Rng, body: Body) -> Movement:
    """Flat or inclined, with a bar or two dumb-bells; in some with arms that close in a bow."""
    pose, apart = lie(rng, body, bench=True), rng.uniform(0.0, 0.3)
    low = SIDES * (body.shoulder + apart) + [rng.uniform(0.05, 0.18), 0, -rng.uniform(0.0, 0.2)]
    high = SIDES * (body.shoulder + 0.5 * apart) + [
        rng.uniform(0.85, 0.95) * body.arm,
        0,
        -rng.uniform(-0.05, 0.15),
    ]
    return Movement(
        _between(body, pose, high, low, SIDES * rng.uniform(0.4, 1.2) + [-0.7, 0, -0.5]), _USUAL_S
    )


def _fly(rng: Rng, body: Body) -> Movement:
    pose = lie(rng, body, bench=True) if rng.random() < 0.5 else _base(rng, body)
    wide = rng.uniform(1.2, 1.7)
    return Movement(
        way(
            pose,
            lambda one, share: hands_at(body, one, raised(body, np.pi / 2, wide * (1 - share), 0.9), _BACK),
            4,
        ),
        _USUAL_S,
    )


def _hinge(rng: Rng, body: Body) -> Movement:
    """Deadlifts and good mornings: the hips go back, the trunk comes forward, the arms hang or hold a bar."""
    pose = stand(rng, body)
    lean, knee, back = rng.uniform([0.7, 0.05, 0.1], [1.5, 0.9, 0.3])
    on_back = rng.random() < 0.25
    pose[TRUNK, 0] = 0.0

    def change(one: np.ndarray, share: float) -> None:
        one[TRUNK, 0] = lean * share
        one[HEAD, 0] -= 0.6 * lean * share
        one[PELVIS] = [-back * share, 0, body.sole] - body.legs(knee * share * 0.4, knee * share) * [0, 0, 1]
        if on_back:
            hands_at(body, one, SIDES * (body.shoulder + 0.15) + [-0.04, 0, 0.02], _BACK)
        else:
            one[WRISTS] = body.neck(one) + SIDES * body.shoulder + [0, 0, -0.96 * body.arm]

    return Movement(way(pose, change, 3), (1.2, 4.5))


def _swing(rng: Rng, body: Body) -> Movement:
    """Kettle-bells swung from between the legs to the front."""
    pose = stand(rng, body)
    pose[ANKLES] = SIDES * rng.uniform(0.2, 0.35) + [0, 0, body.sole]
    lean, high = rng.uniform([0.7, 1.3], [1.2, 2.6])

    def change(one: np.ndarray, share: float) -> None:
        one[TRUNK, 0] = lean * (1 - share)
        one[PELVIS] += [-0.2 * (1 - share), 0, -0.1 * (1 - share)]
        along = -0.3 + share * (high + 0.3)
        one[WRISTS] = (
            body.neck(one) + SIDES * 0.05 + 0.93 * body.arm * np.array([np.sin(along), 0, -np.cos(along)])
        )

    return Movement(way(pose, change, 5), (1.0, 2.2))


def _lunge(rng: Rng, body: Body) -> Movement:
    """Split squats that stay, lunges by each leg in turn, and to the side."""
    up, down = stand(rng, body), stand(rng, body)
    stride, depth = rng.uniform([0.5, 0.6], [0.9, 0.9])
    kind = rng.random()
    if kind < 0.3:  # to the side
        down[PELVIS] += [-0.1, stride / 2, -0.35]
        down[ANKLES] = SIDES * body.hip + [[0, stride, body.sole], [0, 0, body.sole]]
        down[TRUNK, 0] = rng.uniform(0.2, 0.7)
    else:
        down[ANKLES] = SIDES * body.hip + [[stride / 2, 0, body.sole], [-stride / 2, 0, body.sole + 0.08]]
        down[PELVIS, 2] = body.sole + depth * body.thigh
        down[FEET, 0] = [0, 0.9]
    down[WRISTS] += down[PELVIS] - up[PELVIS]
    if rng.random() < 0.4:
        for pose in (up, down):
            hands_at(body, pose, SIDES * 0.1 + [0.2, 0, -0.2], _DOWN)
    if kind < 0.6:
        return Movement(np.stack([up, down, up, mirror(down)]), (2.0, 6.0), is_loop=True)
    split = down.copy()
    split[PELVIS, 2] = body.sole + 0.93 * body.leg
    split[WRISTS, 2] += split[PELVIS, 2] - down[PELVIS, 2]
    return Movement(np.stack([split if kind > 0.8 else up, down]), (1.2, 4.0))


def _step_up(rng: Rng, body: Body) -> Movement:
    low, high = stand(rng, body), stand(rng, body)
    box = rng.uniform(0.2, 0.5)
    middle = low.copy()
    middle[3] += [0.3, 0, box]
    middle[PELVIS] += [0.12, 0, -0.03]
    high[PLACES] += [0.3, 0, box]
    return Movement(np.stack([low, middle, high]), (1.4, 3.5))


def _calf_raise(rng: Rng, body: Body) -> Movement:
    pose = stand(rng, body)

    def change(one: np.ndarray, share: float) -> None:
        one[PLACES, 2] += 0.09 * share
        one[FEET, 0] = 0.6 * share

    return Movement(way(pose, change), (0.8, 2.5))


def _punch(rng: Rng, body: Body) -> Movement:
    pose = stand(rng, body)
    pose[ANKLES, 0] += rng.normal(0, 0.15, 2)
    step_apart(body, pose)
    guard = SIDES * 0.1 + [0.22, 0, rng.uniform(-0.05, 0.1)]
    hit = SIDES * 0.04 + [0.9 * body.arm, 0, rng.uniform(-0.1, 0.15)]
    poses = _between(body, pose, guard, hit, _DOWN)
    return Movement(in_turn(_with_middle(poses)), (0.8, 2.0), is_loop=True)


def _arm_circles(rng: Rng, body: Body) -> Movement:
    pose, wide = _base(rng, body), rng.choice([0.3, 0.9, 1.4])
    size, centre = rng.uniform([0.2, 0.9], [1.4, 1.6])
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    poses = np.stack([pose] * 8)
    for one, turn in zip(poses, turns, strict=True):
        hands = raised(body, centre + size * np.cos(turn), wide + 0.6 * size * np.sin(turn), 0.95)
        hands_at(body, one, hands, _BACK)
    return Movement(poses, (0.7, 3.0), is_loop=True)


def _any(rng: Rng, body: Body) -> Movement:
    """Something that nobody has a name for: the hands and the body between two places that they can reach."""
    poses = np.stack([_base(rng, body)] * 2)
    for pose in poses:
        pose[TRUNK] += rng.normal(0, [0.25, 0.12, 0.3])
        hands = rng.uniform([-0.1, -0.15, -0.5], [0.6, 0.4, 0.6], (2, 3))
        hands_at(body, pose, SIDES * (body.shoulder + hands[:, 1:2]) + hands * [1, 0, 1], _BACK)
    if rng.random() < 0.5:
        poses[:, PELVIS] = poses[0, PELVIS]
    return Movement(poses, (0.6, 4.0))


# Name -> movement, and how often it is drawn, beside the others.
GYM: dict[str, tuple[MakeMovement, float]] = {
    "shoulder-press": (_shoulder_press, 2.0),
    "lat-pull-downs": (_lat_pull_down, 7.0),
    "biceps-curls": (_biceps_curl, 2.0),
    "arm-raises": (_raise, 3.0),
    "upright-rows": (_upright_row, 1.0),
    "triceps-extensions": (_triceps, 1.0),
    "rows": (_row, 2.0),
    "bench-press": (_bench_press, 5.0),
    "flies": (_fly, 1.0),
    "deadlifts": (_hinge, 2.0),
    "kettlebell-swings": (_swing, 1.0),
    "lunges": (_lunge, 2.0),
    "step-ups": (_step_up, 1.0),
    "calf-raises": (_calf_raise, 0.5),
    "boxing": (_punch, 1.0),
    "arm-circles": (_arm_circles, 1.0),
    "anything": (_any, 1.5),
}
