"""Videos -> landmarks: what a pose estimator sees in each frame of one, and where that comes from."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

<<<<<<< HEAD
from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.sharing import shared_out
from wt_jax.config import Data
=======
>>>>>>> cmds
from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.landmarks import (
    FPS,
    Landmarks,
    Provenance,
    constant_times,
)
<<<<<<< HEAD
from wt_jax.pose.process_pool import count, on_this_machine
from wt_jax.runtime.files import is_writable, sha256
=======
from wt_jax.pose.process_pool import count
from wt_jax.runtime.files import sha256
>>>>>>> cmds
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


<<<<<<< HEAD
def find_videos(root: Path | str, classes: Sequence[str]) -> list[Path]:
    """Videos in `root/raw/<class>/` of these classes, sorted."""
    wanted = check_classes(classes)
    return sorted(
        path
        for path in Path(root).glob("raw/[!.]*/[!.]*")
        if path.suffix.lower() in VIDEO_SUFFIXES and canonical_class(path.parent.name) in wanted
    )


def extract_folder(
    root: Path | str,
    classes: Sequence[str],
    find_model: Callable[[], Path],
    *,
    is_model_named: bool = False,
    workers: int | None = None,
    cluster: Cluster | None = None,
    max_minutes: float = Data.max_minutes,
    progress: bool = True,
) -> Extraction:
    """Extracts the videos of `root/raw` that are new, or not those that their landmark files came from.

    Landmark files that say nothing of their provenance are somebody's own and stay. `find_model` is asked
    only where there is something to do; landmarks of another model are redone where one `is_model_named`. One
    video at a time on each of `workers` processes, by default as many as cores, 16 at most; or on each worker
    of a Ray `cluster`, by default as many as its cores. Each file is there whole, or not at all, so that an
    interrupted run goes on where it was. A video that fails, or is longer than `max_minutes`, never stops the
    others. Raises ValueError for a model that cannot be used and a cluster that is not there.
    """
    report = Extraction()
    model = find_model() if is_model_named else None
    jobs = list(_jobs(Path(root), classes, sha256(model) if model else None, report, max_minutes, progress))
    if not jobs:
        return report
    model = model or find_model()
    PoseEstimator(model).close()  # a wrong file is one error, not one for each video
    jobs = [replace(job, model=model) for job in jobs]
    jobs.sort(key=lambda job: -job.n_frames)  # the longest first: no worker is left alone with it at the end
    total = sum(job.n_frames for job in jobs)
    with Progress("extraction", "frames", total, is_shown=progress) as bar:
        if cluster:
            results = shared_out(_work, [_anywhere(job) for job in jobs], cluster)
        else:
            results = on_this_machine(_work, jobs, workers, bar.update)
        with closing(results):
            for i, result in results:
                result = result or _Result(None, _DIED)
                _keep(jobs[i], result, report)
                if cluster:
                    bar.update(result.n_frames)
                total += result.n_frames - jobs[i].n_frames
                bar.total = total
    return report


@dataclass(frozen=True)
class _Job:
    video: Path
    output: Path
    n_frames: int  # as the container says
    model: Path = Path()


@dataclass(frozen=True)
class _Result:
    landmarks: Landmarks | None
    remark: str  # why there are none, or what is odd about them

    @property
    def n_frames(self) -> int:
        return len(self.landmarks.times_s) if self.landmarks else 0


def _jobs(
    root: Path,
    classes: Sequence[str],
    model_sha256: str | None,
    report: Extraction,
    max_minutes: float,
    is_shown: bool,
) -> Iterator[_Job]:
    """What is to be extracted; what is there already, or cannot be, goes to the report."""
    videos: dict[tuple[str, str], list[Path]] = {}
    for path in find_videos(root, classes):
        videos.setdefault((canonical_class(path.parent.name), path.stem), []).append(path)
    there = {
        (canonical_class(path.parent.name), path.stem): path
        for path in root.glob("landmarks/[!.]*/[!.]*.npz")
    }
    can_write = is_writable(root / "landmarks")
    for name, paths in track(videos.items(), "looking for what is new", "videos", is_shown=is_shown):
        first, output = paths[0], there.get(name)
        if output:
            provenance = read_provenance(output) if output.is_file() else None
            if provenance is None or (
                model_sha256 in (None, provenance.model_sha256)
                and provenance.video_sha256 in map(_digest, paths)
            ):
                report.unchanged += 1
                continue
        if len(paths) > 1:
            report.failed |= dict.fromkeys(
                paths, f"two videos of one name, {' and '.join(map(str, paths))}: rename"
            )
        elif reason := why_unusable(first.name):
            report.failed[first] = reason
        elif not can_write:
            report.failed[first] = (
                f"{root / 'landmarks'} cannot be written: link raw/ and labels/ into a folder of yours "
                "and give that as --data"
            )
        else:
            try:
                with Video(first) as video:
                    n_frames = video.n_frames
                    reason = why_too_long(n_frames, n_frames / video.fps, max_minutes)
            except (ValueError, OSError) as error:
                reason = _without_path(error, first)
            if reason:
                report.failed[first] = reason
                continue
            yield _Job(
                first, output or root / "landmarks" / first.parent.name / f"{first.stem}.npz", n_frames
            )


def _keep(job: _Job, result: _Result, report: Extraction) -> None:
    video = job.video
    if result.landmarks is None:
        report.failed[video] = result.remark
        return
    try:
        save_landmarks(job.output, result.landmarks)
    except OSError as error:
        report.failed[video] = f"{job.output} cannot be written ({error}): make room, and run it again"
        return
    report.extracted += 1
    report.n_frames += result.n_frames
    if result.remark:
        report.remarks[video] = result.remark


=======
>>>>>>> cmds
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
