"""A movement that repeats: the poses it goes through, and when it does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wt_jax.synthetic.bodies import Body, Rng


@dataclass(frozen=True, eq=False)
class Movement:
    """Poses (P, 17, 3), gone through from the first to the last and back; or round and round, if `is_loop`.

    In a loop a repetition starts at each of the poses `starts`, otherwise at the first. `period_s` are the
    shortest and the longest time of a repetition.
    """

    poses_Px17x3: np.ndarray
    period_s: tuple[float, float]
    is_loop: bool = False
    starts: tuple[int, ...] = (0,)

    def at(self, phase_F: np.ndarray) -> np.ndarray:
        """Poses (F, 17, 3) at `phase_F` poses after the first, between two of them where it is no number."""
        n_poses = len(self.poses_Px17x3)
        below_F = np.floor(phase_F).astype(int)
        share_Fx1x1 = (phase_F - below_F)[:, None, None]
        first, next_ = (
            (below_F % n_poses, (below_F + 1) % n_poses)
            if self.is_loop
            else (np.clip(below_F, 0, n_poses - 1), np.clip(below_F + 1, 0, n_poses - 1))
        )
        poses = self.poses_Px17x3
        return poses[first] + share_Fx1x1 * (poses[next_] - poses[first])


MakeMovement = Callable[[Rng, Body], Movement]


def repeat(rng: Rng, movement: Movement, seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A set of about `seconds`: times and phases to go through (`ease`), and where repetitions start, in s.

    There is one repetition at least. People tire, pause, go deeper once than another time, and twitch
    without a repetition.
    """
    low_s, high_s = np.log(movement.period_s)
    typical_s, tiring = np.exp(rng.uniform(low_s, high_s)), rng.uniform(0, 0.35)
    ragged, depth = rng.uniform(0.02, 0.12), 1.0 if rng.random() < 0.8 else rng.uniform(0.6, 0.95)
    shares = rng.uniform([0.35, 0.0, 0.0], [0.55, 0.12, 0.2])  # of a repetition: down, low, high
    times_s = [0.0, rng.choice([rng.uniform(0.05, 0.4), rng.uniform(0.3, 1.5)])]
    phases: list[float] = [0.0, 0.0]
    starts_s: list[float] = []
    ends, n_poses = _ends(movement), len(movement.poses_Px17x3)
    while times_s[-1] < seconds or not starts_s:
        period_s = typical_s * (1 + tiring * times_s[-1] / seconds) * np.exp(ragged * rng.normal())
        if rng.random() < 0.04 and not movement.is_loop:  # a twitch: too little to be one
            bent = rng.uniform(0.05, 0.22) * (n_poses - 1)
            times_s += [times_s[-1] + rng.uniform(0.3, 0.6), times_s[-1] + rng.uniform(0.7, 1.3)]
            phases += [phases[-1] + bent, phases[-1]]
        starts_s.append(times_s[-1])
        pause_s = rng.uniform(0.4, 3) if rng.random() < 0.1 else 0.0
        if movement.is_loop:
            turn, nth = divmod(len(starts_s) - 1, len(ends))
            a, b = ends[nth]
            steps = np.arange(a + 1, b + 1)
            moving_s = (1 - shares[2] * 0.7) * period_s
            times_s += list(starts_s[-1] + moving_s * (steps - a) / (b - a))
            phases += list(turn * n_poses + steps)
        else:
            down_s, hold_s, up_s = np.array([shares[0], shares[1], 1 - shares.sum()]) * period_s
            bottom = (n_poses - 1) * depth * rng.uniform(0.85, 1)
            top = rng.uniform(0, 0.05)
            times_s += list(starts_s[-1] + np.cumsum([down_s, hold_s + 1e-3, up_s]))
            phases += [bottom, bottom, top]
        times_s.append(max(times_s[-1] + 1e-3, starts_s[-1] + period_s) + pause_s)
        phases.append(phases[-1])
    times_s.append(times_s[-1] + rng.uniform(0.05, 1.5))
    phases.append(phases[-1])
    return np.array(times_s), np.array(phases), np.array(starts_s)


def _ends(movement: Movement) -> list[tuple[int, int]]:
    """Of each repetition of a loop the pose where it starts and the one where the next does."""
    starts = movement.starts
    return list(zip(starts, [*starts[1:], starts[0] + len(movement.poses_Px17x3)], strict=True))


def ease(times_s: np.ndarray, values: np.ndarray, t_F: np.ndarray) -> np.ndarray:
    """Values (K, ...) at `times_s`, between them by monotone cubics (Fritsch and Butland, 1984): (F, ...)."""
    step = np.diff(times_s).reshape(-1, *[1] * (values.ndim - 1))
    slope, tangent = np.diff(values, axis=0) / step, np.zeros_like(values)
    product = slope[1:] * slope[:-1]
    np.divide(2 * product, slope[1:] + slope[:-1], out=tangent[1:-1], where=product > 0)
    k = np.clip(np.searchsorted(times_s, t_F, side="right") - 1, 0, len(step) - 1)
    u = np.clip((t_F - times_s[k]) / np.diff(times_s)[k], 0, 1).reshape(-1, *[1] * (values.ndim - 1))
    bow = step[k] * u * (1 - u) * ((1 - u) * tangent[k] - u * tangent[k + 1])
    return values[k] + u**2 * (3 - 2 * u) * (values[k + 1] - values[k]) + bow
