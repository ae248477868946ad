"""Videos -> landmark files: `data/raw/<class>/<video>` to `data/landmarks/<class>/<video>.npz`, each once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.sharing import shared_out
from wt_jax.config import Data
from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.extraction import extract_with_remark
from wt_jax.pose.landmarks import (
    Landmarks,
    read_provenance,
    save_landmarks,
    why_too_long,
)
from wt_jax.pose.process_pool import on_this_machine
from wt_jax.pose.remote_videos import RemoteVideos
from wt_jax.runtime.files import is_writable, sha256
from wt_jax.runtime.inputs import check_file
from wt_jax.runtime.names import why_unusable
from wt_jax.runtime.printable import printable
from wt_jax.runtime.progress import Progress, track
from wt_jax.skeleton import canonical_class, check_classes
from wt_jax.storage.on_demand import fetched
from wt_jax.storage.places import url_of
from wt_jax.video.formats import VIDEO_SUFFIXES
from wt_jax.video.reader import Video

_DIED = "the process that read it died: a damaged video, or not enough memory"


@dataclass
class Extraction:
    """What `extract_folder` did: videos extracted and unchanged, frames, those that failed, and remarks."""

    extracted: int = 0
    unchanged: int = 0
    n_frames: int = 0
    failed: dict[Path, str] = field(default_factory=dict)
    remarks: dict[Path, str] = field(default_factory=dict)


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
    others. Of the copy of a root in a bucket (`loading.copy_of_data`) videos are fetched where they are
    extracted, and landmarks go there. Raises ValueError for a model that cannot be used, a bucket that
    cannot be written and a cluster that is not there.
    """
    report, root = Extraction(), Path(root)
    remote = RemoteVideos(root) if url_of(root) else None
    model = find_model() if is_model_named else None
    try:
        jobs = list(
            _jobs(root, remote, classes, sha256(model) if model else None, report, max_minutes, progress)
        )
        if jobs:
            if remote:
                remote.check_writable()
            model = model or find_model()
            PoseEstimator(model).close()  # a wrong file is one error, not one for each video
            jobs = [replace(job, model=model) for job in jobs]
            _extract(jobs, remote, report, workers, cluster, progress)
    finally:
        if remote:
            remote.keep()
    return report


@dataclass(frozen=True)
class _Job:
    video: Path
    output: Path
    n_frames: int  # as the container says, or about
    max_minutes: float
    url: str = ""  # of one that is to be fetched
    model: Path = Path()


@dataclass(frozen=True)
class _Result:
    landmarks: Landmarks | None
    remark: str  # why there are none, or what is odd about them

    @property
    def n_frames(self) -> int:
        return len(self.landmarks.times_s) if self.landmarks else 0


def _extract(
    jobs: list[_Job],
    remote: RemoteVideos | None,
    report: Extraction,
    workers: int | None,
    cluster: Cluster | None,
    progress: bool,
) -> None:
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
                _keep(jobs[i], result, remote, report)
                if cluster:
                    bar.update(result.n_frames)
                total += result.n_frames - jobs[i].n_frames
                bar.total = total


def _jobs(
    root: Path,
    remote: RemoteVideos | None,
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
    digest = remote.digest if remote else _digest
    for name, paths in track(videos.items(), "looking for what is new", "videos", is_shown=is_shown):
        first, output = paths[0], there.get(name)
        if output:
            provenance = read_provenance(output) if output.is_file() else None
            if provenance is None or (
                model_sha256 in (None, provenance.model_sha256)
                and provenance.video_sha256 in map(digest, paths)
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
            output = output or root / "landmarks" / first.parent.name / f"{first.stem}.npz"
            if remote:
                yield _Job(first, output, remote.n_frames(first), max_minutes, url_of(first))
                continue
            try:
                yield _Job(first, output, _n_frames(first, max_minutes), max_minutes)
            except (ValueError, OSError) as error:
                report.failed[first] = _without_path(error, first)


def _n_frames(path: Path, max_minutes: float) -> int:
    """As the container says. Raises ValueError for a video that cannot be opened, or is too long."""
    with Video(path) as video:
        if reason := why_too_long(video.n_frames, video.n_frames / video.fps, max_minutes):
            raise ValueError(reason)
        return video.n_frames


def _keep(job: _Job, result: _Result, remote: RemoteVideos | None, report: Extraction) -> None:
    video = job.video
    if result.landmarks is None:
        report.failed[video] = result.remark
        return
    try:
        if remote:
            remote.save(job.output, result.landmarks, video)
        else:
            save_landmarks(job.output, result.landmarks)
    except ValueError as error:  # of a bucket
        report.failed[video] = str(error)
        return
    except OSError as error:
        report.failed[video] = f"{job.output} cannot be written ({error}): make room, and run it again"
        return
    report.extracted += 1
    report.n_frames += result.n_frames
    if result.remark:
        report.remarks[video] = result.remark


def _digest(video: Path) -> str:
    """SHA-256 of a video, "" of one that cannot be read: opening it will say why."""
    try:
        check_file(video)
        return sha256(video)
    except (ValueError, OSError):
        return ""


def _work(job: _Job) -> _Result:
    """What a worker does, here or on a cluster: never raises for a video."""
    try:
        if not job.url:
            return _Result(*extract_with_remark(job.video, job.model))
        with fetched(job.url) as video:
            _n_frames(video, job.max_minutes)
            return _Result(*extract_with_remark(video, job.model))
    except MemoryError:
        return _Result(None, "not enough memory: fewer --workers, or cut the video into parts")
    except Exception as error:  # whatever a library makes of a broken video
        return _Result(None, _without_path(error, job.url or job.video))


def _anywhere(job: _Job) -> _Job:
    return replace(job, video=job.video.resolve(), model=job.model.resolve())


def _without_path(error: BaseException, video: Path | str) -> str:
    return printable(error).removeprefix(f"{printable(video)}: ") or type(error).__name__
