"""Draws docs/images/synthetic.png: `python docs/draw_synthetic.py`, some seconds.

Everything that synthetic people do, five moments of each, before camera and pose estimator: of an exercise
those people who do it most differently, of all else the first.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from wt_jax.synthetic.activities import ACTIVITIES
from wt_jax.synthetic.bodies import Body, rotation
from wt_jax.synthetic.exercises import EXERCISES
from wt_jax.synthetic.motion import REPERTOIRE
from wt_jax.synthetic.movement import ease
from wt_jax.visualization.drawing import draw_skeleton, draw_text

IMAGE = Path(__file__).resolve().parent / "images" / "synthetic.png"
MOMENTS, VARIANTS, PEOPLE = 5, 4, 150
COLUMNS, STRIP_PX, TEXT_PX = 4, (328, 104), 15
FINER = 3  # times larger is it drawn than shown, or lines would be too thick
WALL, FLOOR, SHADES = 168, 132, 48
VIEW = rotation(np.array([0.0, 0.0, 0.9])) @ rotation(np.array([0.0, 0.12, 0.0]))  # from ahead and the left


def moments_of(name: str, person: int) -> np.ndarray:
    """Landmarks (MOMENTS, 33, 3), metres, from extended to flexed, or through an activity."""
    rng = np.random.default_rng([person, *name.encode()])
    body = Body(rng)
    if name in REPERTOIRE:
        movement = REPERTOIRE[name][0](rng, body)
        last = len(movement.poses_Px17x3) - (0.5 if movement.is_loop else 1)
        return body.points(movement.at(np.linspace(0, last, MOMENTS)))
    keyframes = {make.__name__: make for make in ACTIVITIES}[name](rng, body, 4.0)
    times_s = np.cumsum([max(seconds, 1e-3) for seconds, _ in keyframes])
    at_s = times_s[0] + np.linspace(0.1, 0.7, MOMENTS) * np.ptp(times_s)
    return body.points(ease(times_s, np.stack([pose for _, pose in keyframes]), at_s))


def most_different(name: str) -> list[np.ndarray]:
    """What VARIANTS of PEOPLE do, each as unlike those before as can be."""
    people = np.stack([moments_of(name, person) for person in range(PEOPLE)])
    apart = np.full(PEOPLE, np.inf)
    chosen = [0]
    while len(chosen) < VARIANTS:
        apart = np.minimum(apart, np.square(people - people[chosen[-1]]).sum((1, 2, 3)))
        chosen.append(int(apart.argmax()))
    return [people[person] for person in chosen]


def strips() -> Iterator[tuple[str, np.ndarray]]:
    """Title and landmarks of each strip."""
    for name in EXERCISES:
        yield from ((name, moments) for moments in most_different(name))
    for name in (*REPERTOIRE, *(make.__name__ for make in ACTIVITIES)):
        if name not in EXERCISES:
            yield name.lstrip("_").replace("_", "-"), moments_of(name, 0)


def draw_strip(title: str, moments_MxLx3: np.ndarray) -> np.ndarray:
    """The moments side by side, on one floor and in one scale, (H, W, 3)."""
    width_px, height_px = (FINER * side for side in STRIP_PX)
    strip = np.full((height_px, width_px, 3), WALL, np.uint8)
    strip[round(0.93 * height_px) :] = FLOOR
    each_px = width_px / MOMENTS
    seen = (moments_MxLx3 - moments_MxLx3[:, 23:25].mean(1, keepdims=True) * [1, 1, 0]) @ VIEW
    across, up = seen[..., 1], seen[..., 2]
    scale = min(0.98 * each_px / np.ptp(across), 0.78 * height_px / np.ptp(up))
    for moment in range(MOMENTS):
        x = (moment + 0.5) * each_px + scale * (across[moment] - (across.max() + across.min()) / 2)
        y = 0.95 * height_px - scale * (up[moment] - up.min())
        draw_skeleton(strip, np.stack([x / width_px, y / height_px], -1))
    strip = cv2.resize(strip, STRIP_PX, interpolation=cv2.INTER_AREA)
    draw_text(strip, title, (5, TEXT_PX), TEXT_PX, (255, 255, 255))
    return strip


def main() -> None:
    drawn = [draw_strip(*strip) for strip in strips()]
    empty = np.full_like(drawn[0], WALL)
    drawn += [empty] * (-len(drawn) % COLUMNS)
    rows = [np.concatenate(drawn[i : i + COLUMNS], 1) for i in range(0, len(drawn), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).quantize(SHADES).save(IMAGE, optimize=True)


if __name__ == "__main__":
    main()
