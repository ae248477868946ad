"""Draws the pictures of README.md: `python docs/draw_pictures.py`.

The checkpoint in the box says what a synthetic person does whom it was not trained on, drawn by what draws
everything else: `draw_timeline`, `draw_state`. The same machine and libraries give the same pictures.
"""

import itertools
from pathlib import Path

import cv2
import numpy as np
from matplotlib.text import Text

import wt_jax
from wt_jax.counting.prediction import Prediction
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.motion import SyntheticMotion, synthetic_motion
from wt_jax.visualization.overlay import draw_state
from wt_jax.visualization.plots import draw_timeline

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "docs" / "images"
FPS, WIDTH_PX, HEIGHT_PX = 30.0, 1280, 720
PERSON = 1_000_000  # beyond those who are trained on
SETS = ("squats", "push-ups", "pull-ups")
SHOWN_PX, GAP_PX = (432, 243), 8  # of the frames in the picture: their text is still read at a page's width


def film_of(class_name: str) -> SyntheticMotion:
    """A set of the person and nothing else, whole in the picture: the first that is filmed as the others."""
    body = Body(np.random.default_rng([0, PERSON]))
    films = (synthetic_motion(class_name, np.random.default_rng(seed), body) for seed in itertools.count())
    return next(
        film
        for film in films
        if (film.fps, film.width_px, film.height_px) == (FPS, WIDTH_PX, HEIGHT_PX)
        and film.class_known_F.all()
        and len(film.starts) > 5
        and beside_the_text(film.landmarks_FxLx4)
    )


def beside_the_text(landmarks_FxLx4: np.ndarray) -> bool:
    """Whether all of the person is right of what is written into the picture, and large enough to be seen."""
    low, high = landmarks_FxLx4[..., :2].min((0, 1)), landmarks_FxLx4[..., :2].max((0, 1))
    return bool(low[0] > 0.2 and low[1] > 0.03 and (high < 0.97).all() and (high - low).max() > 0.5)


def background() -> np.ndarray:
    """A wall and a floor, (H, W, 3)."""
    width_px, height_px = SHOWN_PX
    shade_H = np.linspace(150, 185, height_px)
    shade_H[round(0.86 * height_px) :] = 120
    return np.repeat(np.repeat(shade_H[:, None, None], width_px, 1), 3, 2).astype(np.uint8)


def draw_frames(prediction: Prediction, landmarks_FxLx4: np.ndarray) -> np.ndarray:
    """A frame of each set, side by side, in the middle of a repetition, as `predict` draws into videos."""
    frames = []
    for class_name, number in zip(SETS, (3, 4, 5), strict=True):
        starts_s = [r.start_s for r in prediction.repetitions if r.exercise == class_name]
        time_s = starts_s[number - 1] + 0.5 * np.median(np.diff(starts_s))
        frames.append(background())
        draw_state(frames[-1], landmarks_FxLx4[round(time_s * FPS)], *prediction.so_far(time_s))
    gap = np.full((SHOWN_PX[1], GAP_PX, 3), 255, np.uint8)
    return np.concatenate([frames[0], gap, frames[1], gap, frames[2]], 1)


def main() -> None:
    films = [film_of(name) for name in SETS]
    landmarks_FxLx4 = np.concatenate([film.landmarks_FxLx4 for film in films])
    firsts = np.cumsum([0, *(len(film.landmarks_FxLx4) for film in films[:-1])])
    true_starts = np.concatenate([first + film.starts for first, film in zip(firsts, films, strict=True)])
    prediction = wt_jax.Predictor.restore().predict_landmarks(landmarks_FxLx4, FPS, WIDTH_PX, HEIGHT_PX)

    IMAGES.mkdir(exist_ok=True)
    said = ", ".join(f"{name} {count}" for name, count in prediction.counts.items())
    true = ", ".join(f"{name} {len(film.starts)}" for name, film in zip(SETS, films, strict=True))
    print(f"counted: {said}; true: {true}")
    figure = draw_timeline(
        prediction.timeline,
        prediction.found_segments,
        prediction.found_repetitions,
        title=f"three sets of one synthetic person: {said}",
        true_starts=true_starts,
        counting=prediction.counting,
    )
    figure.set_size_inches(11.8, 3.7)
    for text in itertools.chain(*(axis.findobj(Text) for axis in figure.axes)):  # read at a page's width too
        text.set_fontsize(1.25 * text.get_fontsize())
    figure.savefig(IMAGES / "timeline.png", dpi=130)
    frames = draw_frames(prediction, landmarks_FxLx4)
    cv2.imwrite(str(IMAGES / "frames.png"), cv2.cvtColor(frames, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
