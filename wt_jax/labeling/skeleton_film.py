"""A recording of which there are landmarks alone, to look at as a video: its skeleton, drawn."""

from pathlib import Path

import numpy as np

from wt_jax.pose.landmarks import load_landmarks
from wt_jax.visualization.drawing import draw_skeleton

_HEIGHT_PX = 480
_WIDEST_PX = 1600  # of an image whose stated size is odd
_WALL = (92, 92, 92)


class SkeletonFilm:
    """What `video.reader.Video` is for a video: `times_s` of its frames, and each of them as a picture.

    A context manager. Raises ValueError as `load_landmarks` does.
    """

    def __init__(self, path: Path | str):
        self.landmarks = load_landmarks(path)
        self.times_s = self.landmarks.times_s

    def __enter__(self) -> "SkeletonFilm":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""

    def frame(self, index: int) -> np.ndarray:
        """Frame `index`: the skeleton on grey, in the image's own shape, (H, W, 3) uint8 RGB."""
        width_px = round(_HEIGHT_PX * self.landmarks.width_px / self.landmarks.height_px)
        picture_HxWx3 = np.full((_HEIGHT_PX, min(max(width_px, 1), _WIDEST_PX), 3), _WALL, np.uint8)
        draw_skeleton(picture_HxWx3, self.landmarks.landmarks_FxLx4[index])
        return picture_HxWx3
