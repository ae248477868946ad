"""A data root -> recordings: built once, then only where landmarks or labels have changed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from wt_jax.config import Data
from wt_jax.data.labels import Span, class_known, read_segments, read_starts
from wt_jax.data.recordings import (
    AnyRecording,
    FiledRecording,
    Recording,
    load_recording,
    other_recordings,
    save_recording,
)
from wt_jax.data.source_files import LAYOUT, RecordingFiles, find_files, name_of
from wt_jax.data.splits import SPLITS, assign_splits, audit, read_manifest
from wt_jax.pose.joint_angles import pose_sequence, to_frame
from wt_jax.pose.landmarks import Landmarks, load_landmarks
from wt_jax.runtime.files import is_writable
from wt_jax.runtime.progress import track
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, check_classes
from wt_jax.video.formats import VIDEO_SUFFIXES

MIN_FRAMES = 30  # one window at the default of 1 s
_FOLDERS = ("raw", "landmarks", "labels")


@dataclass
class Report:
    """What `build` did: the recordings, how many were built anew, what was left out, with the reason, and
    the files of recordings whose landmarks are gone that it removed."""

    recordings: list[AnyRecording] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    built: int = 0
    unchanged: int = 0

    def table(self) -> str:
        """Recordings, seconds, repetitions and recordings with unknown ones, by class and split."""
        classes = sorted({recording.class_name for recording in self.recordings})
        rows = [
            (name, split, [r for r in self.recordings if (r.class_name, r.split) == (name, split)])
            for name in classes
            for split in SPLITS
        ]
        lines = [("class", "split", "recordings", "seconds", "repetitions", "unknown")]
        for name, split, recordings in [*rows, ("total", "", self.recordings)]:
            seconds = sum(map(len, recordings)) / FRAME_RATE_HZ
            repetitions = sum(len(r.starts) for r in recordings if r.starts is not None)
            unknown = sum(r.starts is None for r in recordings)
            lines.append(
                (name, split, f"{len(recordings)}", f"{seconds:.0f}", f"{repetitions}", f"{unknown}")
            )
        width = max(15, *map(len, classes), 0) + 1
        return "\n".join(f"{a:<{width}}{b:<6}{c:>11}{d:>9}{e:>13}{f:>9}" for a, b, c, d, e, f in lines)


def build(
    root: Path | str,
    output: Path | str,
    classes: Sequence[str],
    progress: bool = True,
    *,
    max_minutes: float = Data.max_minutes,
    remove: bool = False,
    in_files: bool = False,
    not_extracted: Mapping[Path, str] = MappingProxyType({}),
) -> Report:
    """Builds what is missing or changed in `output/<class>/<video>.npz`.

    A bad file is left out, with its reason in the report, and never stops the others; so is one of more than
    `max_minutes`. A recording whose landmarks are gone is removed if `remove`, else left out. `not_extracted`
    are videos without landmarks for a known reason. `in_files`: the report's recordings are without their
    frames, so that memory does not grow with the data. `progress` shows a bar on a terminal, and a line now
    and then in a log. An output that is up to date need not be writable. Raises ValueError where nothing is
    usable, for what is no class name, where manifest.csv or segments.csv are wrong (all depends on them),
    where a group or a duplicated recording would be in two splits, and where something must be written and
    cannot be.
    """
    root, output = Path(root), Path(output)
    classes = check_classes(classes)
    _check_folders(root, output)
    manifest, segments = read_manifest(root), read_segments(root)
    report = Report()
    files_of = find_files(root, classes, not_extracted, report.left_out)
    present = {name_of(path) for folder in ("landmarks", "raw") for path in root.glob(f"{folder}/*/*")}
    for table, names in (("manifest.csv", manifest), ("segments.csv", segments)):
        report.left_out += [
            (root / table, f"{name}: no such file in landmarks/ or raw/: remove its row, or put it there")
            for name in names
            if name not in present
        ]

    found: list[AnyRecording] = []
    for name, files in track(files_of.items(), "building", "recordings", is_shown=progress):
        try:
            built = output / f"{name}.npz"
            recording = _load_or_build(name, files, segments.get(name), built, max_minutes)
        except (ValueError, OSError) as error:
            report.left_out.append((files.landmarks, str(error)))
            continue
        except MemoryError as error:
            reason = f"not enough memory ({error}): is it one video, and its fps right? cut it into parts"
            report.left_out.append((files.landmarks, reason))
            continue
        if not recording.split:  # built anew: better said now than after all the others
            _check_writable(output)
            if in_files:
                _save(built, recording)
        found.append(FiledRecording.of(recording, built) if in_files else recording)
    if not found:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in report.left_out[:3])
        raise ValueError(f"{root}: nothing usable: {LAYOUT} ({len(report.left_out)} left out: {reasons})")

    report.recordings = assign_splits(found, manifest)
    audit(report.recordings)
    changed = [
        recording
        for before, recording in zip(found, report.recordings, strict=True)
        if (before.group, before.split, before.source) != (recording.group, recording.split, recording.source)
    ]
    report.built, report.unchanged = len(changed), len(found) - len(changed)
    have_landmarks = {name_of(path) for path in root.glob("landmarks/*/*") if path.suffix.lower() == ".npz"}
    gone = other_recordings(output, classes, have_landmarks)
    if changed or (gone and remove):
        _check_writable(output)
    for one in changed:
        _save(output / f"{one.name}.npz", one.load())
    for path in gone:
        if remove:
            path.unlink()
            report.removed.append(path)
        else:
            report.left_out.append((path, "no source any more: python -m wt_jax.build_dataset removes it"))
    return report


def recordings_folder(
    root: Path | str, recordings: Path | str | None, fallback: Path | str | None = None
) -> Path:
    """Where a data root keeps its recordings: `recordings` if set, else below the root, else `fallback`.

    Without a fallback, recordings below a root that cannot be written are still there to be read.
    Raises ValueError where there are none and no other place is given.
    """
    if recordings:
        return Path(recordings)
    below = Path(root) / "recordings"
    if is_writable(below):
        return below
    if fallback:
        return Path(fallback)
    if below.is_dir():
        return below
    raise ValueError(
        f"{root} cannot be written: say where its recordings go, data.recordings or --output DIR"
    )


def has_data(root: Path | str, recordings: Path | str | None = None) -> bool:
    """Is there any landmark file, video or recording to train on?"""
    root = Path(root)
    built = Path(recordings) if recordings else root / "recordings"
    videos = (path for path in root.glob("raw/*/*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return any(any(paths) for paths in (root.glob("landmarks/*/*.npz"), built.glob("*/[!.]*.npz"), videos))


def fingerprint(recordings: Sequence[AnyRecording]) -> str:
    """SHA-256 of all that training sees of the recordings, whatever their order."""
    digest = hashlib.sha256(b"[")
    for i, r in enumerate(sorted(recordings, key=lambda r: (r.name, r.group, r.split, r.content))):
        starts = None if r.starts is None else r.starts.tolist()
        row = (r.name, r.group, r.split, r.content, r.class_known_F.tobytes(), starts)
        digest.update(f"{', ' * (i > 0)}{row!r}".encode())
    digest.update(b"]")
    return digest.hexdigest()


def _check_folders(root: Path, output: Path) -> None:
    if any(output.resolve().is_relative_to((root / folder).resolve()) for folder in _FOLDERS):
        raise ValueError(f"{output}: recordings go beside raw/, landmarks/ and labels/, never into them")
    if not any(any(root.glob(f"{folder}/*/*")) for folder in _FOLDERS):
        raise ValueError(f"{root}: no data there: {LAYOUT}")


def _check_writable(output: Path) -> None:
    if not is_writable(output):
        raise ValueError(
            f"{output}: cannot be written: say where recordings go, data.recordings or --output DIR"
        )


def _save(path: Path, recording: Recording) -> None:
    try:
        save_recording(path, recording)
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error}): make room, and run it again") from None


def _load_or_build(
    name: str, files: RecordingFiles, spans: list[Span] | None, built: Path, max_minutes: float
) -> Recording:
    """The recording as it lies in `built` if its files are unchanged, else a new one in no group or split."""
    with files.landmarks.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(files.labels.read_bytes() if files.labels else b"")
    where_known = None if spans is None else [(span.first, span.last) for span in spans]
    digest.update(repr((files.labels is not None, where_known)).encode())
    if built.exists():
        try:
            recording = load_recording(built, max_minutes)
            if (recording.name, recording.digest) == (name, digest.hexdigest()):
                return recording
        except ValueError:
            pass  # of another version, or broken: built again below
    return _build_recording(
        name, files, spans, digest.hexdigest(), load_landmarks(files.landmarks, max_minutes)
    )


def _build_recording(
    name: str, files: RecordingFiles, spans: list[Span] | None, digest: str, landmarks: Landmarks
) -> Recording:
    starts = read_starts(files.labels, len(landmarks.times_s)) if files.labels else None
    if name.split("/")[0] == NO_EXERCISE:
        if starts is not None and starts.size:
            n = starts.size
            raise ValueError(
                f"{files.labels}: {n} repetitions in {NO_EXERCISE}: label them 0, or move the video"
            )
        starts = np.zeros(0, np.int32)
    return make_recording(name, landmarks, starts, digest, spans)


def make_recording(
    name: str,
    landmarks: Landmarks,
    starts: np.ndarray | None,
    digest: str,
    spans: list[Span] | None = None,
) -> Recording:
    """A recording in no group or split of the landmarks of one video; `starts` are frames of that video.

    Raises ValueError for one that is shorter than a window, or shows nobody as a whole.
    """
    times_s = landmarks.times_s
    angles_FxJ, points_FxLx3, valid_F = pose_sequence(
        landmarks.landmarks_FxLx4, times_s, landmarks.width_px, landmarks.height_px
    )
    if len(valid_F) < MIN_FRAMES:
        raise ValueError(
            f"{len(valid_F)} frames at {FRAME_RATE_HZ:g} fps, shorter than a window of {MIN_FRAMES}"
        )
    if not valid_F.any():
        raise ValueError("no frame with all 25 angles: is the whole person in the picture?")
    return Recording(
        name=name,
        class_name=name.split("/")[0],
        group="",
        split="",
        angles_FxJ=angles_FxJ,
        valid_F=valid_F,
        class_known_F=class_known(spans, len(valid_F), times_s),
        starts=None if starts is None else np.unique(to_frame(starts, times_s)),
        source_fps=landmarks.fps,
        digest=digest,
        points_FxLx3=points_FxLx3,
    )
