"""Videos -> landmarks: what a pose estimator sees in each frame of one, and where that comes from."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.landmarks import (
    FPS,
    Landmarks,
    Provenance,
    constant_times,
)
from wt_jax.pose.process_pool import count
from wt_jax.runtime.files import sha256
from wt_jax.runtime.inputs import check_file
from wt_jax.video.reader import Video

_CLOCK_S = 1.5e-3  # timestamps come in milliseconds (mkv, webm): no nearer to a constant rate can be seen
_MISSING_S = 0.5  # at the end; sound that goes on a little longer than the pictures is no cut


def extract(video: Path | str, model: Path | str) -> Landmarks:
    """Landmarks of all frames of a video file, with NaN where nobody is seen, and their provenance.

    Times are kept where the rate varies. Raises ValueError, with the reason, for a video or a model that
    cannot be used.
    """
    landmarks, _ = extract_with_remark(Path(video), Path(model))
    return landmarks


def find_provenance(video: Path, model: Path) -> Provenance:
    """What the landmarks that `model` finds in `video` come from; ValueError where that is no file."""
    check_file(video, "a video")
    return Provenance(sha256(video), sha256(model))


def extract_with_remark(
    video: Path, model: Path, on_frame: Callable[[], Any] = count, provenance: Provenance | None = None
) -> tuple[Landmarks, str]:
    """`extract`, and what is odd about the video, "" where nothing is; tells `on_frame` of each frame.

    `provenance` is that of `find_provenance`, where somebody has asked already.
    """
    provenance = provenance or find_provenance(video, model)
    rows, times_s = [], []
    with Video(video) as frames, PoseEstimator(model) as estimator:
        for time_s, frame_HxWx3 in _ahead(iter(frames)):
            rows.append(estimator(frame_HxWx3, time_s))
            times_s.append(time_s)
            on_frame()
        promised_s, size_px = frames.promised_s, (frames.width_px, frames.height_px)
        fps, kept_s = _rate(np.array(times_s), frames.fps)
    if fps > FPS[1]:
        raise ValueError(f"{video}: {fps:g} frames a second: {FPS[1]:g} at most: convert it to a lower rate")
    remark = ""
    if (read_s := times_s[-1] + 1 / fps) < promised_s - _MISSING_S:
        remark = (
            f"ends after {read_s:.1f} of {promised_s:.1f} s, and so do its landmarks: cut off, or damaged?"
        )
    return Landmarks(np.stack(rows), fps, *size_px, kept_s, provenance), remark


def _ahead(frames: Iterator[Any]) -> Iterator[Any]:
    """The same frames, each read while the one before it is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, frames, None)
        while (frame := coming.result()) is not None:
            coming = reader.submit(next, frames, None)
            yield frame


def _rate(times_s: np.ndarray, container_fps: float) -> tuple[float, np.ndarray]:
    """Frames a second, and the times: those of a constant rate where these are as near as a clock tells."""
    if len(times_s) < 2:
        return container_fps, times_s
    mean_fps = (len(times_s) - 1) / times_s[-1]
    for fps in (container_fps, mean_fps):
        constant_s = constant_times(len(times_s), fps)
        if np.abs(times_s - constant_s).max() <= _CLOCK_S:
            return float(fps), constant_s
    return float(mean_fps), times_s
