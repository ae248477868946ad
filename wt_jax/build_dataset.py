"""Videos, landmarks and labels -> recordings: python -m wt_jax.build_dataset --data ROOT [--output DIR]."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wt_jax.cluster.flags import Cluster, add_cluster, read_cluster
from wt_jax.config import Data
from wt_jax.data.builder import build, recordings_folder
from wt_jax.data.loading import copy_of_data
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.cli import positive_number, run, whole_number
from wt_jax.skeleton import CLASSES, check_classes
from wt_jax.storage.places import is_remote, local, scratch

_SHOWN = 5  # names of removed recordings


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = ArgumentParser(prog="python -m wt_jax.build_dataset", description=__doc__)
    parser.add_argument(
        "--data", default="data", metavar="ROOT", help="holds raw/ or landmarks/, and labels/ (default: data)"
    )
    parser.add_argument("--output", metavar="DIR", help="where recordings go (default: ROOT/recordings)")
    parser.add_argument(
        "--classes", nargs="+", default=CLASSES, metavar="NAME", help=f"default: {' '.join(CLASSES)}"
    )
    parser.add_argument(
        "--max_minutes",
        default=f"{Data.max_minutes:g}",
        metavar="N",
        help=f"longest recording; a longer one is left out (default: {Data.max_minutes:g})",
    )
    videos = parser.add_argument_group("landmarks of videos in ROOT/raw")
    videos.add_argument(
        "--workers",
        metavar="N",
        help="processes, a video each (default: as many as cores, 16 at most; of a cluster, all its cores)",
    )
    add_pose_model(videos)
    videos.add_argument(
        "--pose_size", metavar="NAME", help="which one is downloaded: lite, full or heavy (default: full)"
    )
    add_cluster(parser)
    options = parser.parse_args(arguments)
    workers = None if options.workers is None else whole_number("--workers", options.workers)
    cluster = read_cluster(options, needs_workers=False)
    max_minutes = positive_number("--max_minutes", options.max_minutes)
    check_classes(options.classes, "--classes")

    root = copy_of_data(options.data)
    output = options.output
    if is_remote(options.data) and not output:
        output = scratch(options.data) / "recordings"
    output = output or recordings_folder(root, None)
    not_extracted = _extract_videos(root, options, workers, cluster, max_minutes)
    with _recordings(output) as folder:
        report = build(
            copy_of_data(options.data),
            folder,
            options.classes,
            max_minutes=max_minutes,
            remove=True,
            not_extracted=not_extracted,
        )
    print(report.table())
    print(f"{report.built} built, {report.unchanged} unchanged, in {output}; {len(report.left_out)} left out")
    if report.removed:
        names = [f"{path.parent.name}/{path.stem}" for path in report.removed]
        more = ", ..." if len(names) > _SHOWN else ""
        print(f"removed {len(names)} recordings without a source: {', '.join(names[:_SHOWN])}{more}")
    for path, reason in report.left_out:
        print(f"left out: {path}: {reason}")
    for path in not_extracted.keys() - {path for path, _ in report.left_out}:
        print(f"left as it was: {path}: {not_extracted[path]}; its older landmarks stay in use")
    return 0


@contextmanager
def _recordings(place: Path | str) -> Iterator[Path]:
    """The folder to build in: of a bucket a copy, which is sent."""
    if not is_remote(place):
        yield local(place)
        return
    from wt_jax.storage.workdir import opened  # here: it brings JAX, and workers have no need of that

    with opened(str(place)) as folder:
        yield folder


def _extract_videos(
    root: Path,
    options: argparse.Namespace,
    workers: int | None,
    cluster: Cluster | None,
    max_minutes: float,
) -> dict[Path, str]:
    """Brings landmarks/ up to date with raw/; returns the videos that failed, with the reason."""
    if not any(root.glob("raw/*/*")):
        return {}
    # Here: without videos there is no need of OpenCV and MediaPipe, nor of what they need of the system.
    from wt_jax.pose.folder_extraction import extract_folder
    from wt_jax.pose.model_file import is_named, pose_model

    started_s = time.monotonic()
    done = extract_folder(
        root,
        options.classes,
        lambda: pose_model(options.pose_model, options.pose_size or "full"),
        is_model_named=is_named(options.pose_model, options.pose_size),
        workers=workers,
        cluster=cluster,
        max_minutes=max_minutes,
    )
    seconds = time.monotonic() - started_s
    speed = f" ({done.n_frames} frames, {done.n_frames / seconds:.0f} a second)" if done.extracted else ""
    print(f"videos: {done.extracted} extracted{speed}, {done.unchanged} unchanged, {len(done.failed)} failed")
    for path, remark in done.remarks.items():
        print(f"note: {path}: {remark}")
    return done.failed


if __name__ == "__main__":
    run(main)
