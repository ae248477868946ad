"""Clips of one exercise: a folder of videos or landmark files, and what is known of their repetitions."""

import hashlib
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from wt_jax.counting.principal_motion import motion_starts
from wt_jax.data.builder import make_recording
from wt_jax.data.csv_tables import parse_whole_number, read_table
from wt_jax.data.labels import read_starts
from wt_jax.data.recordings import Recording
from wt_jax.data.splits import assign_splits
from wt_jax.inference.input_files import name_results
from wt_jax.labeling.worklist import is_class_folder
from wt_jax.pose.joint_angles import angle_sequence, nearest_frames
from wt_jax.pose.landmarks import Landmarks
from wt_jax.skeleton import FRAME_RATE_HZ

LABELLED, COUNTED, PROPOSED = "labels", "counts.csv", "proposed"  # where the starts are from
# Of those counted so many may be missing: who counts by eye is off by one as often, by a first or last that a
# clip cuts off, and what is learned from few clips is the name.
_MOST_MISSING, _MISSING_SHARE = 1, 0.1
_FAR_SHARE = 0.3  # of a count: what seems to be there is seldom as far off


@dataclass(frozen=True)
class Clip:
    """`recording` is of the exercise, with known starts; `origin` says who knows them.

    `remark` is what is to be said of it, or "".
    """

    path: Path
    recording: Recording
    origin: str
    remark: str = ""

    @property
    def n_starts(self) -> int:
        """How many repetitions it has."""
        return 0 if self.recording.starts is None else len(self.recording.starts)


def read_clips(
    folder: Path, sources: Sequence[Path], class_name: str, look_at: Callable[[Path], Landmarks]
) -> tuple[list[Clip], dict[Path, str]]:
    """The clips among `sources`, files of a folder, in groups by person or source video, and what is wrong
    with the others.

    Starts are those of a label file (`label_file`); else as many as `counts.csv` (`file,count`) says, else as
    many as there seem to be: by what repeats. Raises ValueError, with the line, for a wrong counts.csv, and
    for two clips of one name, for labels and people go by it.
    """
    names = name_results(sources)
    for one, other in combinations(sources, 2):
        if one.stem.lower() == other.stem.lower():
            raise ValueError(f"{one} and {other}: two clips of one name, and labels go by it: rename one")
    counts = _read_counts(folder, names)
    clips: list[Clip] = []
    failed: dict[Path, str] = {}
    for path, name in names.items():
        try:
            landmarks = look_at(path)
            starts, origin, remark = _find_starts(path, class_name, landmarks, counts.get(name))
            digest = hashlib.sha256(landmarks.landmarks_FxLx4.tobytes() + repr(starts.tolist()).encode())
            recording = make_recording(f"{class_name}/{name}", landmarks, starts, digest.hexdigest())
        except (ValueError, OSError) as error:
            failed[path] = str(error).removeprefix(f"{path}: ")
            continue
        clips.append(Clip(path, recording, origin, remark))
    grouped = assign_splits([clip.recording for clip in clips], {})
    return [
        replace(clip, recording=replace(one.load(), split="train"))
        for clip, one in zip(clips, grouped, strict=True)
    ], failed


def label_file(path: Path, class_name: str) -> Path | None:
    """Where the labels of a clip are: beside it, or in labels/<class>/ of its root."""
    roots = path.absolute().parents[:3]
    places = [
        path.with_suffix(".csv"),
        *(root / "labels" / class_name / f"{path.stem}.csv" for root in roots),
    ]
    return next((place for place in places if place.is_file() and place.name != COUNTED), None)


def label_command(what: Path, folder: Path, class_name: str) -> str:
    """Marks a clip, or all in a folder, where `label_file` and training look for labels."""
    root = os.path.normpath(folder / ("../.." if is_class_folder(folder) else ".."))
    options = f"--class {shlex.quote(class_name)} --data {shlex.quote(root)}"
    return f"python -m wt_jax.label {shlex.quote(str(what))} {options}"


def folds_of(clips: Sequence[Clip], most: int) -> list[list[int]]:
    """Clips (by number) to leave out together: of few groups each is a fold. [] of one group."""
    groups = sorted({clip.recording.group for clip in clips})
    n_folds = min(len(groups), most)
    if n_folds < 2:
        return []
    return [
        [i for i, clip in enumerate(clips) if groups.index(clip.recording.group) % n_folds == fold]
        for fold in range(n_folds)
    ]


def _read_counts(folder: Path, names: dict[Path, str]) -> dict[str, int]:
    """Name of a clip -> repetitions, of `folder`/counts.csv; {} without it."""
    table = folder / COUNTED
    if not table.is_file():
        return {}
    known = {text: name for path, name in names.items() for text in (path.name, path.stem, name)}
    counts: dict[str, int] = {}
    for where, cells in read_table(table, ("file", "count")):
        if cells["file"] not in known:
            raise ValueError(
                f"{where}: file={cells['file']!r}: no clip of {folder} is called so: mend or delete the row"
            )
        name = known[cells["file"]]
        if name in counts:
            raise ValueError(f"{where}: file={cells['file']!r}: is listed twice: keep one row")
        counts[name] = parse_whole_number(cells["count"], where, "count")
    return counts


def _find_starts(
    path: Path, class_name: str, landmarks: Landmarks, count: int | None
) -> tuple[np.ndarray, str, str]:
    """In frames of the video, where they are from, and a remark on them, or "".

    Raises ValueError for fewer than there must be.
    """
    times_s = landmarks.times_s
    if labels := label_file(path, class_name):
        return read_starts(labels, len(times_s)), LABELLED, ""
    angles_FxJ, valid_F = angle_sequence(
        landmarks.landmarks_FxLx4, times_s, landmarks.width_px, landmarks.height_px
    )
    found = motion_starts(angles_FxJ, valid_F, count)
    n_missing = 0 if count is None else count - len(found)
    remark = f"{len(found)} of the {count} repetitions found" if n_missing else ""
    if (count != 0 and not len(found)) or n_missing > max(_MOST_MISSING, _MISSING_SHARE * (count or 0)):
        raise ValueError(
            f"{remark or 'nothing that repeats found'}: mark them: "
            f"{label_command(path, path.parent, class_name)}"
        )
    if count is not None and not remark:
        seen = len(motion_starts(angles_FxJ, valid_F))
        if abs(seen - count) > max(_MOST_MISSING, _FAR_SHARE * count):
            remark = f"{count} counted, {seen} seem to be there"
    starts = nearest_frames(times_s[0] + found / FRAME_RATE_HZ, times_s)
    origin = PROPOSED if count is None else COUNTED
    return starts, origin, f"note: {path}: {remark}: it is learned from {len(starts)}" if remark else ""
