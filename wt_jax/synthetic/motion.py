"""One motion from its parts to filmed landmarks: sets of an exercise and what is between, or no-exercise."""

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy  # its parts are imported where they are first used

from wt_jax.skeleton import NO_EXERCISE
from wt_jax.synthetic.activities import ACTIVITIES, Keyframes, route
from wt_jax.synthetic.bodies import ELBOWS, GRIPS, HEAD, KNEES, PELVIS, TRUNK, Body, Rng
from wt_jax.synthetic.camera import choose_frames, drift, film
from wt_jax.synthetic.exercises import EXERCISES
from wt_jax.synthetic.floor import FLOOR
from wt_jax.synthetic.gym import GYM
from wt_jax.synthetic.movement import MakeMovement, Movement, ease, repeat

# Every movement by its name, and how often it is drawn as no-exercise where it is not a class of its own.
REPERTOIRE: dict[str, tuple[MakeMovement, float]] = (
    {name: (make, 3.0) for name, make in EXERCISES.items()} | GYM | FLOOR
)
_SECONDS = 20.0  # of a recording, about
_ROUNDING_S = 0.04  # standard deviation of what rounds a movement's corners off


@dataclass(frozen=True, eq=False)
class SyntheticMotion:
    """One filmed motion at its own frame rate.

    `landmarks_FxLx4`: x, y in shares of the image, z in units of x (hips at 0, nearer is smaller),
    visibility; NaN where the person is lost. `points_FxLx3`: the true skeleton, metres. `starts`: frames
    where a repetition leaves the extended position. `class_known_F` is False before, between and after sets.
    """

    landmarks_FxLx4: np.ndarray
    points_FxLx3: np.ndarray
    fps: float
    width_px: int
    height_px: int
    starts: np.ndarray
    class_known_F: np.ndarray


@dataclass(frozen=True, eq=False)
class _Part:
    """Some seconds of a motion: `play` gives the poses (F, 17, 3) at times from 0 to `seconds`."""

    seconds: float
    play: Callable[[np.ndarray], np.ndarray]
    is_set: bool = False
    starts_s: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def pose(self, time_s: float) -> np.ndarray:
        return self.play(np.array([time_s]))[0]


def _of_keyframes(keyframes: Keyframes) -> _Part:
    keyframes = [*keyframes, (0.1, keyframes[-1][1])]
    times_s, poses = (
        np.cumsum([max(s, 1e-3) for s, _ in keyframes]),
        np.stack([pose for _, pose in keyframes]),
    )
    times_s -= times_s[0]
    return _Part(float(times_s[-1]), lambda t_F: ease(times_s, poses, t_F))


def _of_set(rng: Rng, movement: Movement, seconds: float, *, counts: bool) -> _Part:
    times_s, phases, starts_s = repeat(rng, movement, seconds)
    starts_s = starts_s if counts else starts_s[:0]
    return _Part(float(times_s[-1]), lambda t_F: movement.at(ease(times_s, phases, t_F)), counts, starts_s)


def _exercise(rng: Rng, body: Body, class_name: str) -> list[_Part]:
    """One set or two, with how people get there, rest, and leave."""
    movement, n_sets = REPERTOIRE[class_name][0](rng, body), 1 + (rng.random() < 0.3)
    parts = [_of_set(rng, movement, rng.uniform(6, 16) / n_sets, counts=True)]
    for _ in range(n_sets - 1):
        parts += [_rest(rng, body, parts[-1]), _of_set(rng, movement, rng.uniform(3, 8), counts=True)]
    if rng.random() < 0.35:
        parts.insert(0, _activity(rng, body, rng.uniform(1, 4)))
    if rng.random() < 0.35:
        parts.append(_activity(rng, body, rng.uniform(1, 4)))
    return parts


def _rest(rng: Rng, body: Body, after: _Part) -> _Part:
    """Between two sets: staying as one is, or something else."""
    if rng.random() < 0.4:
        pose = after.pose(after.seconds)
        shifted = pose.copy()
        shifted[[PELVIS, TRUNK]] += rng.normal(0, [[0.015] * 3, [0.06] * 3])
        return _of_keyframes([(0.0, pose), (rng.uniform(1, 3), shifted), (rng.uniform(1, 3), pose)])
    return _activity(rng, body, rng.uniform(2, 5))


def _activity(rng: Rng, body: Body, seconds: float) -> _Part:
    shares = np.array([*ACTIVITIES.values()])
    act = [*ACTIVITIES][rng.choice(len(shares), p=shares / shares.sum())]
    return _of_keyframes(act(rng, body, seconds))


def _no_exercise(rng: Rng, body: Body, classes: Collection[str]) -> list[_Part]:
    """Movements that are none of the `classes`, activities, and getting ready for one that does not come."""
    parts: list[_Part] = []
    others = [of for name, of in REPERTOIRE.items() if name not in classes]
    shares = np.array([share for _, share in others])
    own = sorted(set(classes) & set(REPERTOIRE))
    while sum(part.seconds for part in parts) < _SECONDS - 4:
        kind = rng.random()
        if kind < 0.55:
            movement = others[rng.choice(len(others), p=shares / shares.sum())][0](rng, body)
            parts.append(_of_set(rng, movement, rng.choice([rng.uniform(4, 9), _SECONDS - 4]), counts=False))
        elif kind < 0.87:
            parts.append(_activity(rng, body, rng.uniform(3, 9)))
        else:
            parts += _getting_ready(rng, body, own)
    return [parts[i] for i in rng.permutation(len(parts))] if rng.random() < 0.5 else parts


def _getting_ready(rng: Rng, body: Body, exercises: Sequence[str]) -> list[_Part]:
    """Into the first position of one of these exercises, a moment there, and out of it."""
    if not exercises:
        return [_activity(rng, body, 2.0)]
    make, _ = REPERTOIRE[exercises[int(rng.integers(len(exercises)))]]
    pose = make(rng, body).poses_Px17x3[0]
    held = _of_keyframes([(0.0, pose), (rng.uniform(0.2, 0.9), pose)])
    return [_activity(rng, body, 1.0), held, _activity(rng, body, 1.0)]


def _joined(rng: Rng, body: Body, parts: list[_Part]) -> list[_Part]:
    """With the way from each to the next."""
    joined = parts[:1]
    for one, other in itertools.pairwise(parts):
        joined += [_of_keyframes(route(rng, body, one.pose(one.seconds), other.pose(0.0))), other]
    return joined


def synthetic_motion(
    class_name: str, rng: Rng, body: Body | None = None, classes: Collection[str] = tuple(EXERCISES)
) -> SyntheticMotion:
    """Films some 20 s: sets of an exercise, or no-exercise, which is anything that is none of the `classes`.

    Raises KeyError for a class that is neither in the REPERTOIRE nor no-exercise.
    """
    body = Body(rng) if body is None else body
    parts = (
        _no_exercise(rng, body, classes) if class_name == NO_EXERCISE else _exercise(rng, body, class_name)
    )
    parts = _joined(rng, body, parts)
    firsts_s = np.cumsum([0.0, *(part.seconds for part in parts)])
    begin_s, end_s = _cut(rng, parts, firsts_s)

    fps, width_px, height_px = choose_frames(rng)
    t_F = np.arange(max(2, int((end_s - begin_s) * fps))) / fps
    at_F = np.clip(np.searchsorted(firsts_s, begin_s + t_F, side="right") - 1, 0, len(parts) - 1)
    poses = np.concatenate(
        [
            part.play(begin_s + t_F[at_F == i] - firsts_s[i])
            for i, part in enumerate(parts)
            if (at_F == i).any()
        ]
    )
    poses = scipy.ndimage.gaussian_filter1d(poses, _ROUNDING_S * fps, axis=0, mode="nearest", truncate=2.5)
    sway = np.zeros((17, 3))
    sway[[PELVIS, TRUNK, HEAD]] = [[0.003, 0.004, 0.002], [0.006, 0.01, 0.03], [0.08, 0.03, 0.12]]
    sway[ELBOWS], sway[KNEES], sway[GRIPS] = 0.08, 0.04, 0.08
    points = body.points(poses + sway * drift(rng, t_F, 17, 3))
    landmarks = film(rng, points, t_F, width_px, height_px)

    is_set = np.array([part.is_set for part in parts])
    starts_s = np.concatenate([first + part.starts_s for first, part in zip(firsts_s, parts, strict=False)])
    starts = np.rint((starts_s - begin_s) * fps).astype(np.int32)
    known_F = np.ones(len(t_F), bool) if class_name == NO_EXERCISE else is_set[at_F]
    inside = (starts >= 0) & (starts < len(t_F) - 0.3 * fps)
    return SyntheticMotion(landmarks, points, fps, width_px, height_px, starts[inside], known_F)


def _cut(rng: Rng, parts: list[_Part], firsts_s: np.ndarray) -> tuple[float, float]:
    """From when to when it is filmed: in some, from the middle of a repetition, or up to one."""
    begin_s, end_s = 0.0, float(min(firsts_s[-1], 1.5 * _SECONDS))
    if parts[0].is_set and len(parts[0].starts_s) > 3 and rng.random() < 0.15:
        first_s, second_s = parts[0].starts_s[:2]
        begin_s = first_s + rng.uniform(0.2, 0.6) * (second_s - first_s)
    if parts[-1].is_set and rng.random() < 0.3:
        end_s -= min(rng.uniform(0, 3), 0.3 * parts[-1].seconds)
    return begin_s, max(end_s, begin_s + 2)
