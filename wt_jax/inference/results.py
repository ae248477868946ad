"""What predict and live write of a video: the JSON that docs/predict.md describes, a timeline, a video."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wt_jax.counting.decoding import UNKNOWN
from wt_jax.counting.prediction import Prediction
from wt_jax.pose.landmarks import Landmarks, Provenance
from wt_jax.runtime.files import write_json, written_beside
from wt_jax.runtime.printable import printable
from wt_jax.storage.places import absolute
from wt_jax.visualization.overlay import annotate
from wt_jax.visualization.plots import draw_prediction


def about(
    path: str,
    *,
    fps: float,
    duration_s: float,
    frames: int,
    frames_with_person: int,
    size_px: tuple[int, int],
    origin: Provenance | None = None,
) -> dict[str, Any]:
    """`source` of the document; what is not known is None."""
    return {
        "path": path,
        "video_sha256": origin.video_sha256 if origin else None,
        "pose_model_sha256": origin.model_sha256 if origin else None,
        "fps": round(fps, 3),
        "duration_s": round(duration_s, 3),
        "frames": frames,
        "frames_with_person": frames_with_person,
        "width_px": size_px[0],
        "height_px": size_px[1],
    }


def about_landmarks(path: Path, landmarks: Landmarks) -> dict[str, Any]:
    """`source` of the document of a video or a landmark file."""
    times_s = landmarks.times_s
    return about(
        absolute(path),
        fps=landmarks.fps,
        duration_s=float(times_s[-1] - times_s[0] + 1 / landmarks.fps),
        frames=len(times_s),
        frames_with_person=int(landmarks.seen_F.sum()),
        size_px=(landmarks.width_px, landmarks.height_px),
        origin=landmarks.provenance,
    )


def headline(prediction: Prediction) -> str:
    """What was found, in a few words: the counts, or why there are none, and what is not sure."""
    counts = ", ".join(f"{name} {prediction.count_text(name)}" for name in prediction.counts)
    if prediction.found_unknown:
        counts += f"{', ' if counts else ''}{UNKNOWN}: {len(prediction.found_unknown)}"
    if prediction.undecided:
        return f"{prediction.undecided} {counts}".rstrip()
    return counts or str(prediction.exercise or "nobody seen")


def write_timeline(path: Path, title: str, prediction: Prediction) -> None:
    """A png to look at: classes, repetition signal, counted starts, key angle."""
    figure = draw_prediction(prediction, f"{printable(title)}: {headline(prediction)}")
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=110)


def write_results(
    base: Path,
    content: Mapping[str, Any],
    prediction: Prediction,
    video: tuple[Path, Landmarks] | None,
) -> None:
    """`base`.json, .png and, of a video with its landmarks, .mp4: each whole or not at all."""
    write_json(base.with_name(f"{base.name}.json"), content)
    write_timeline(base.with_name(f"{base.name}.png"), base.name, prediction)
    if video:
        annotate(base.with_name(f"{base.name}.mp4"), *video, prediction)
