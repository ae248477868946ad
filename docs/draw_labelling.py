"""Draws the pictures of labelling.md: `python docs/draw_labelling.py [WT_JAX]`; needs Xvfb and xdotool.

They are of the window itself, with real keys and a real mouse, on a virtual screen; the videos are of
synthetic people. `WT_JAX`, a checkout of an earlier state, draws its window as labelling_before.png.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from wt_jax.data.labels import write_starts
from wt_jax.pose.landmarks import Landmarks, save_landmarks
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.motion import SyntheticMotion, synthetic_motion
from wt_jax.video.writer import VideoWriter
from wt_jax.visualization.drawing import draw_skeleton

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "docs" / "images"
sys.path.insert(0, str(REPOSITORY / "tests"))

from virtual_screen import Screen, opened_screen, until  # noqa: E402

NAMES = ("anna", "bela", "chris", "dana", "emil", "fatma", "gil", "hana", "ivo", "jun", "kim", "lea")
WIDTH_PX, HEIGHT_PX = 640, 360


def film_of(class_name: str, person: int) -> SyntheticMotion:
    """The first film of a person that is wide, whole, and has enough repetitions."""
    body = Body(np.random.default_rng([7, person]))
    for seed in range(5000):
        film = synthetic_motion(class_name, np.random.default_rng([person, seed]), body)
        seen = film.landmarks_FxLx4[..., :2]
        low, high = np.nanmin(seen, (0, 1)), np.nanmax(seen, (0, 1))
        is_whole = bool((low > 0.02).all() and (high < 0.98).all() and (high - low).max() > 0.5)
        is_plain = film.class_known_F.all() and film.width_px > film.height_px and film.fps < 31
        if is_plain and is_whole and len(film.starts) > 6:
            return film
    raise AssertionError("nobody is filmed that well")


def write_video(path: Path, film: SyntheticMotion) -> None:
    """The skeleton before a wall, as a video, and its landmarks where a data root keeps them."""
    shade_H = np.linspace(120, 160, HEIGHT_PX)
    shade_H[round(0.86 * HEIGHT_PX) :] = 96
    wall_HxWx3 = np.repeat(np.repeat(shade_H[:, None, None], WIDTH_PX, 1), 3, 2).astype(np.uint8)
    with VideoWriter(path, film.fps, WIDTH_PX, HEIGHT_PX) as writer:
        for landmarks_Lx4 in film.landmarks_FxLx4:
            picture_HxWx3 = wall_HxWx3.copy()
            draw_skeleton(picture_HxWx3, landmarks_Lx4)
            writer.write(picture_HxWx3)
    root, class_name = path.parents[2], path.parent.name
    landmarks = Landmarks(film.landmarks_FxLx4, film.fps, film.width_px, film.height_px)
    save_landmarks(root / "landmarks" / class_name / f"{path.stem}.npz", landmarks)


def make_root(root: Path) -> dict[str, SyntheticMotion]:
    """Twelve videos, of which eight are labelled."""
    films = {}
    for person, name in enumerate(NAMES):
        class_name = "squats" if person < 6 else "push-ups"
        films[name] = film_of(class_name, person)
        write_video(root / "raw" / class_name / f"{name}.mp4", films[name])
        if class_name == "push-ups" or name in ("anna", "bela"):
            labels = root / "labels" / class_name / f"{name}.csv"
            write_starts(labels, films[name].starts, len(films[name].landmarks_FxLx4))
    return films


def keep(screen: Screen, name: str) -> None:
    """What is on the screen, without what is around the window."""
    screen.point_away()
    time.sleep(0.7)
    picture = screen.picture()
    there = picture.any(-1)
    rows, columns = np.flatnonzero(there.sum(1) > 30), np.flatnonzero(there.sum(0) > 30)
    window = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    Image.fromarray(window).save(IMAGES / name, optimize=True)
    print(f"{name}: {window.shape[1]} x {window.shape[0]}")


def draw_before(screen: Screen, root: Path, checkout: Path, film: SyntheticMotion) -> None:
    screen.env["PYTHONPATH"], screen.place = str(checkout), checkout
    write_starts(root / "labels" / "squats" / "chris.csv", film.starts, len(film.landmarks_FxLx4))
    screen.open(root / "raw" / "squats" / "chris.mp4")
    until(lambda: screen.picture().any(-1).sum() > 500_000)
    screen.press("n", "n", "Right", "Right", "Right")
    keep(screen, "labelling_before.png")


def draw_after(screen: Screen, root: Path, film: SyntheticMotion) -> None:
    """A folder, with marks in the curves, one of them twice."""
    draft = root / "labels" / "squats" / ".chris.draft.csv"
    twice = [*film.starts[:-1], film.starts[2] + 5]
    write_starts(draft, np.sort(twice), len(film.landmarks_FxLx4))
    screen.open(root / "raw")
    until(lambda: (screen.picture() == (255, 210, 0)).all(-1).sum() > 50)
    screen.press("n", "n", "n", "Left")
    keep(screen, "labelling.png")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, opened_screen() as screen:
        root = Path(folder) / "my_data"
        films = make_root(root)
        if sys.argv[1:]:
            draw_before(screen, root, Path(sys.argv[1]), films["chris"])
        else:
            draw_after(screen, root, films["chris"])


if __name__ == "__main__":
    main()
