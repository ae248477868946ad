"""Frames a second of extraction beside a bare MediaPipe loop, and with more workers, in alternating runs.

    python benchmarks/extraction.py --raw ../shared/videos/raw \\
        --model ../shared/models/pose_landmarker_full.task --most_frames 700

The bare loop opens each video with OpenCV, and gives each frame to a PoseLandmarker made for the video; no
more. Extraction is `extract_folder` from its call to its return: processes started, digests, files written.
In each round all take their turn on the same videos; a ratio is the median over rounds of those of one
round, so that a machine that slows down cancels out.
"""

import argparse
import datetime
import os
import platform
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import mediapipe
from mediapipe.tasks.python import vision
from mediapipe.tasks.python.core.base_options import BaseOptions

from wt_jax.pose.folder_extraction import extract_folder
from wt_jax.video.reader import Video


def bare(videos: list[Path], model: Path) -> float:
    """Frames/s of OpenCV and MediaPipe alone."""
    started_s, n_frames = time.monotonic(), 0
    for video in videos:
        capture = cv2.VideoCapture(str(video))
        fps = capture.get(cv2.CAP_PROP_FPS)
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)), running_mode=vision.RunningMode.VIDEO
        )
        with vision.PoseLandmarker.create_from_options(options) as landmarker:
            i = 0
            while (read := capture.read())[0]:
                image = mediapipe.Image(mediapipe.ImageFormat.SRGB, cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
                landmarker.detect_for_video(image, round(1000 * i / fps))
                i += 1
        n_frames += i
    return n_frames / (time.monotonic() - started_s)


def ours(videos: list[Path], model: Path, workers: int) -> float:
    """Frames/s of extract_folder on a fresh root."""
    with tempfile.TemporaryDirectory() as folder:
        for i, video in enumerate(videos):
            link = Path(folder, "raw", "squats", f"{i}{video.suffix}")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(video.resolve())
        started_s = time.monotonic()
        report = extract_folder(folder, ["squats"], lambda: model, workers=workers, progress=False)
        seconds = time.monotonic() - started_s
    if report.failed:
        sys.exit(f"failed: {report.failed}")
    return report.n_frames / seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="holds <class>/<video>")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most_frames", type=int, default=1_000_000, help="leave longer videos out")
    options = parser.parse_args()

    videos = []
    for path in sorted(options.raw.glob("*/*")):
        with Video(path) as video:
            if video.n_frames <= options.most_frames:
                videos.append(path)
    runs = {"bare": partial(bare, videos, options.model)}
    runs |= {f"{n} workers": partial(ours, videos, options.model, n) for n in options.workers}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            rates[name].append(run())
            print(f"{name}: {rates[name][-1]:.1f} frames/s, load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"\n{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, {len(videos)} videos")
    print("| | frames/s, median (least to most) | beside the bare loop | beside the first |")
    print("|---|---|---|---|")
    first = rates[f"{options.workers[0]} workers"]
    for name, own in rates.items():
        by_bare, by_first = (
            statistics.median(a / b for a, b in zip(own, other, strict=True))
            for other in (rates["bare"], first)
        )
        median = f"{statistics.median(own):.1f} ({min(own):.1f} to {max(own):.1f})"
        print(f"| {name} | {median} | {by_bare:.2f} | {by_first:.2f} |")


if __name__ == "__main__":
    main()
