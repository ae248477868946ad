"""Landmarks of recordings as tracks in torsos, and what a track is not: smooth.

Lengths are in torsos: shoulders to hips, median of a recording, z divided by DEEPER in that length alone;
x, y and z of a track are as given, in units of x. Letters: F frames, L landmarks (33).
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.signal import savgol_coeffs

from wt_jax.pose.landmarks import load_landmarks
from wt_jax.skeleton import HIPS, SHOULDERS

GROUPS = {
    "face": range(11), "shoulder": SHOULDERS, "elbow": (13, 14), "wrist": (15, 16), "fingers": range(17, 23),
    "hip": HIPS, "knee": (25, 26), "ankle": (27, 28), "heel": (29, 30), "toe": (31, 32),
}  # fmt: skip
SEEN = {"visible": (0.8, 1.01), "doubtful": (0.4, 0.8), "hidden": (-1.0, 0.4)}  # visibility, from and below
VIEWS = {"front": (0.0, 0.7), "oblique": (0.7, 0.92), "side": (0.92, 1.01)}  # share of left to right in z
BONES = {  # of the left side
    "upper arm": (11, 13), "forearm": (13, 15), "thigh": (23, 25), "shank": (25, 27), "trunk": (11, 23),
}  # fmt: skip
DEEPER = 2.5  # z against x and y, about
WINDOW = 11  # frames
LAGS = 5  # frames
_WEIGHTS = -savgol_coeffs(WINDOW, 3)
_WEIGHTS[WINDOW // 2] += 1


@dataclass(eq=False)
class Track:
    """One recording: (F, L, 4) as its file has it."""

    source: str
    class_name: str
    fps: float
    size_px: np.ndarray
    landmarks_FxLx4: np.ndarray

    @cached_property
    def points(self) -> np.ndarray:
        """(F, L, 3) in torsos; NaN in lost frames."""
        width, height = self.size_px
        px = self.landmarks_FxLx4[..., :3].astype(np.float64) * [width, height, width]
        torso = (px[:, SHOULDERS].mean(1) - px[:, HIPS].mean(1)) / [1, 1, DEEPER]
        return px / np.nanmedian(np.linalg.norm(torso, axis=-1))

    @property
    def visibility(self) -> np.ndarray:
        """(F, L), NaN in lost frames."""
        return self.landmarks_FxLx4[..., 3]

    @cached_property
    def seen_F(self) -> np.ndarray:
        return ~np.isnan(self.landmarks_FxLx4[..., :2]).any((1, 2))

    @cached_property
    def jitter(self) -> np.ndarray:
        """(F, L, 3) what a cubic over WINDOW frames leaves; NaN near the ends and lost frames."""
        around = np.lib.stride_tricks.sliding_window_view(self.points, WINDOW, axis=0)
        left = np.full_like(self.points, np.nan)
        left[WINDOW // 2 : -(WINDOW // 2)] = around @ _WEIGHTS
        return left

    @cached_property
    def calm_FxL(self) -> np.ndarray:
        """The slower half of a landmark's frames."""
        speed = np.linalg.norm(np.gradient(self.points[..., :2] - self.jitter[..., :2], axis=0), axis=-1)
        return speed <= np.nanmedian(speed, axis=0)

    @cached_property
    def across(self) -> tuple[float, int]:
        """How much of the left-to-right line is in z (0 front, 1 side), and the near side (0 left)."""
        line = np.nanmedian(self.points[:, [11, 23]] - self.points[:, [12, 24]], axis=0).mean(0)
        return abs(line[2]) / max(float(np.linalg.norm(line)), 1e-9), int(line[2] > 0)

    def is_seen(self, landmarks: list[int], seen: str) -> np.ndarray:
        """(F, len(landmarks)): of that visibility."""
        low, high = SEEN[seen]
        return (self.visibility[:, landmarks] >= low) & (self.visibility[:, landmarks] < high)

    def bone(self, first: int, last: int) -> np.ndarray:
        """(frames with somebody, 3) from the one landmark to the other."""
        return (self.points[:, last] - self.points[:, first])[self.seen_F]


def load(root: Path, sources: list[str]) -> list[Track]:
    """Recordings of these sources of some 24 to 30 frames a second."""
    with (root / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] in sources]
    tracks = []
    for row in rows:
        given = load_landmarks(root / row["file"])
        if given.fps <= 31 and given.seen_F.sum() > 3 * WINDOW:
            size_px = np.array([given.width_px, given.height_px])
            tracks.append(Track(row["source"], row["class"], given.fps, size_px, given.landmarks_FxLx4))
    return tracks


def by_view(tracks: list[Track]) -> dict[str, list[Track]]:
    return {view: [t for t in tracks if low <= t.across[0] < high] for view, (low, high) in VIEWS.items()}


def by_source(tracks: list[Track]) -> dict[str, list[Track]]:
    return {name: [t for t in tracks if t.source == name] for name in sorted({t.source for t in tracks})}


def by_class_and_view(tracks: list[Track]) -> Iterator[tuple[str, str, list[Track]]]:
    for class_name in sorted({t.class_name for t in tracks}):
        for view, of in by_view([t for t in tracks if t.class_name == class_name]).items():
            if len(of) > 4:
                yield class_name, view, of


def minutes(tracks: list[Track]) -> float:
    return sum(len(t.points) / t.fps for t in tracks) / 60


def robust(values: np.ndarray) -> float:
    """Standard deviation of the bulk."""
    return 1.4826 * float(np.median(np.abs(values))) if values.size else np.nan


def runs(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def products(values_Fx: np.ndarray, mask_Fx: np.ndarray) -> np.ndarray:
    """Sums of products of values 0 .. LAGS frames apart, both of the mask, and how many: (LAGS + 1, 2)."""
    both = [mask_Fx[lag:] & mask_Fx[: len(mask_Fx) - lag] for lag in range(LAGS + 1)]
    of = [values_Fx[lag:] * values_Fx[: len(values_Fx) - lag] for lag in range(LAGS + 1)]
    return np.array([[product[mask].sum(), mask.sum()] for product, mask in zip(of, both, strict=True)])


def left_of(process: np.ndarray) -> np.ndarray:
    """Autocovariance, at lags 0 .. LAGS, of what the cubic leaves of a process, given at lags 0 .. 20."""
    both, offsets = np.correlate(_WEIGHTS, _WEIGHTS, "full"), np.arange(1 - WINDOW, WINDOW)
    return np.array([both @ process[np.abs(offsets + lag)] for lag in range(LAGS + 1)])


def table(columns: str) -> str:
    """The head of a table, of names between bars."""
    return f"| {columns} |\n|{'---|' * (columns.count('|') + 1)}"


def row(*cells: object) -> str:
    return f"| {' | '.join(f'{cell:.3g}' if isinstance(cell, float) else str(cell) for cell in cells)} |"


def spread(values: Sequence[float] | np.ndarray, digits: int = 2) -> str:
    """Median, and 10 % and 90 %."""
    return "{:.{d}f} ({:.{d}f}-{:.{d}f})".format(
        *np.nanquantile(np.asarray(values), [0.5, 0.1, 0.9]), d=digits
    )
