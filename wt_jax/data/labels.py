"""Label files (where repetitions start), segments.csv (where the class is certain), and soft targets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wt_jax.data.csv_tables import parse_number, parse_whole_number, read_table, recording_name
from wt_jax.runtime.files import written_beside
from wt_jax.skeleton import FRAME_RATE_HZ

# Shapes of the bump around a start (labels.kernel): of the distance in half widths, 1 at 0 and 0.5 at 1.
KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gaussian": lambda distance: np.exp2(-(distance**2)),
    "lorentzian": lambda distance: 1.0 / (1.0 + distance**2),
}
_SAME_TIME_S = 1e-7  # rounding of times


class Span(NamedTuple):
    """First and last frame of a video, both inside, and the line that says so, "segments.csv:7"."""

    first: int
    last: int
    where: str


def read_starts(path: Path | str, n_frames: int) -> np.ndarray:
    """Start frames of a label file, at the video's own rate: sorted int32, empty when no row says 1.

    Columns `frame` (or `frame_index`) and `label`; others are ignored, `1.0` reads as 1, and frames may
    be missing (they count as 0). `n_frames` is the length of the video.
    Raises ValueError, with file and line: a missing column, a frame that is no whole number, that is
    listed twice or lies beyond the video, a label other than 0 or 1.
    """
    first_at: dict[int, str] = {}
    starts = []
    for where, row in read_table(path, ("frame", "label")):
        frame = parse_whole_number(row["frame"], where, "frame")
        if frame >= n_frames:
            raise ValueError(
                f"{where}: frame={frame} is beyond the last frame, {n_frames - 1}: "
                "give labels and landmarks of the same video, frames counted from 0"
            )
        if frame in first_at:
            raise ValueError(
                f"{where}: frame={frame} is listed twice, first in {first_at[frame]}: keep one row"
            )
        first_at[frame] = where
        label = parse_number(row["label"])
        if label not in (0, 1):
            raise ValueError(f"{where}: label={row['label']!r}: must be 0, or 1 where a repetition starts")
        if label == 1:
            starts.append(frame)
    return np.array(sorted(starts), np.int32)


def write_starts(path: Path | str, starts: np.ndarray, n_frames: int) -> None:
    """Writes a label file of `n_frames` rows, beside `path` first and then renamed."""
    starts = np.asarray(starts, np.int64)
    if starts.size and (starts.min() < 0 or starts.max() >= n_frames):
        raise ValueError(f"{path}: starts {starts.min()}..{starts.max()}: must lie in 0..{n_frames - 1}")
    labels = np.zeros(n_frames, np.int64)
    labels[starts] = 1
    with written_beside(path) as beside:
        beside.write_text("frame,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))


def read_segments(root: Path | str) -> dict[str, list[Span]]:
    """Spans of `root/segments.csv`: recording name -> its spans, in frames of the video.

    The folder's class is certain only inside the spans of a listed file. {} without the file.
    Raises ValueError, with file and line, as `read_starts` does, and where first > last.
    """
    path = Path(root) / "segments.csv"
    spans: dict[str, list[Span]] = {}
    if not path.exists():
        return spans
    for where, row in read_table(path, ("file", "first", "last")):
        first, last = (parse_whole_number(row[column], where, column) for column in ("first", "last"))
        if first > last:
            raise ValueError(f"{where}: first={first} is after last={last}: swap them")
        spans.setdefault(recording_name(row["file"], where), []).append(Span(first, last, where))
    return spans


def class_known(spans: Sequence[Span] | None, n_frames: int, times_s: np.ndarray) -> np.ndarray:
    """Mask (F,) at 30 fps of the frames inside spans of the video's frames; all True where spans is None.

    `times_s` are the times of the video's frames. Raises ValueError, with file and line, for a span beyond
    the last of them.
    """
    grid_s = times_s[0] + np.arange(n_frames) / FRAME_RATE_HZ
    known_F = np.full(n_frames, spans is None)
    for first, last, where in spans or ():
        if last >= len(times_s):
            raise ValueError(
                f"{where}: span {first}..{last} goes beyond the last frame, {len(times_s) - 1}: "
                "frames are counted from 0, in the video's own rate"
            )
        known_F |= (grid_s > times_s[first] - _SAME_TIME_S) & (grid_s < times_s[last] + _SAME_TIME_S)
    return known_F


def soft_targets(
    starts: np.ndarray, n_frames: int, kernel: str = "gaussian", width_frames: float = 4.0
) -> np.ndarray:
    """Segmentation targets of a whole recording, float32 (F,): a bump at every start, 0 without any.

    A bump, one of KERNELS, is 1 at its start and 0.5 at +-`width_frames` (half width at half maximum); the
    config checks both. At width 4 the
    Gaussian has sigma 3.4 and is 0.002 at +-12; the Lorentzian 1 / (1 + (d/4)^2) is 0.1 there. Where
    bumps overlap the higher one counts. Drawn before windows are cut, so that a start just outside a
    window still shows in it.
    """
    starts_sorted = np.concatenate([[-np.inf], np.sort(starts), [np.inf]])
    frames_F = np.arange(n_frames)
    after_F = np.searchsorted(starts_sorted, frames_F)
    distance_F = np.minimum(frames_F - starts_sorted[after_F - 1], starts_sorted[after_F] - frames_F)
    return KERNELS[kernel](distance_F / width_frames).astype(np.float32)
