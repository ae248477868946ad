"""The folder that clips are in: here, or a copy of one in a bucket; which of them can be used."""

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from wt_jax.adaptation.clips import COUNTED, Clip, label_command, read_clips
from wt_jax.inference.input_files import find_input_files, videos_later
from wt_jax.pose.landmark_cache import LandmarkCache
from wt_jax.pose.landmarks import LANDMARKS_SUFFIX, Landmarks, is_video
from wt_jax.pose.model_file import pose_model
from wt_jax.pose.poses import Poses
from wt_jax.runtime.printable import tell
from wt_jax.storage.on_demand import NothingThereError, at_hand, copy_of_inputs
from wt_jax.storage.places import is_remote, split


def copy_of_clips(place: Path | str, name: str) -> Path:
    """The folder of the clips; of a bucket a copy, with the labels where `clips.label_file` looks for them.

    Raises ValueError where it is none.
    """
    folder = copy_of_inputs(place, videos_later)
    if not folder.is_dir():
        raise ValueError(f"{place}: no such folder: give one with videos or landmark files")
    if is_remote(place):
        above = split(place)[0]
        for root in dict.fromkeys((above, split(above)[0])):
            with contextlib.suppress(NothingThereError):
                copy_of_inputs(f"{root}/labels/{name}")
    return folder


def find_clips(folder: Path, name: str, model_file: str | None) -> tuple[list[Clip], bool]:
    """The clips of a folder that can be used, and whether that is all; tells what is wrong with the others.

    Raises ValueError where it is none, or most are not.
    """
    sources, failed = find_input_files([folder], None)
    if not sources:
        raise ValueError(f"{folder}: {failed[folder]}")
    _tell_unused(folder, sources)
    model = pose_model(model_file) if any(map(is_video, sources)) else None
    poses = Poses(model, LandmarkCache() if model else None)

    def look_at(path: Path) -> Landmarks:
        with at_hand(path) as file:
            return poses.look_at(file)[0]

    clips, failed = read_clips(folder, sources, name, look_at)
    for path, reason in failed.items():
        tell(f"error: {path}: {reason}")
    if not clips:
        raise ValueError(f"{folder}: no clip to learn from")
    if len(failed) > len(clips):
        raise ValueError(
            f"{folder}: {len(failed)} of {clip_words(len(sources))} cannot be used: mend them, or move them "
            "away"
        )
    if not any(clip.n_starts for clip in clips):
        raise ValueError(
            f"{folder}: no clip has a repetition: mark them: {label_command(folder, folder, name)}"
        )
    return clips, not failed


def _tell_unused(folder: Path, sources: Sequence[Path]) -> None:
    """Says which files are not learned from: where there are videos, landmark files are taken for theirs."""
    for path in sorted(folder.glob("*.csv")):
        if path.name.lower() in ("count.csv", COUNTED) and path.name != COUNTED:
            tell(f"note: {path} is not read: call it {COUNTED}")
    names = {path.stem for path in sources}
    unused = [path for path in sorted(folder.rglob(f"*{LANDMARKS_SUFFIX}")) if path.stem not in names]
    if unused:
        more = f" and {len(unused) - 1} more" if len(unused) > 1 else ""
        if any(map(is_video, sources)):
            why = "landmarks of no video here: move them to a folder of their own"
        else:
            why = f"no landmarks: python -m wt_jax.predict {shlex.quote(str(unused[0]))} says what is missing"
        tell(f"note: {unused[0]}{more}: not learned from, {why}")


def clip_words(n: int) -> str:
    """ "1 clip", "5 clips"."""
    return f"{n} clip{'s'[: n != 1]}"
