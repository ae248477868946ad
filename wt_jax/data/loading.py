"""The recordings of a run: those of a data root, built first where need be, or synthetic ones."""

import dataclasses
import hashlib
import math
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from wt_jax.config import Data
from wt_jax.data.builder import Report, build, fingerprint, has_data, recordings_folder
from wt_jax.data.recordings import SYNTHETIC, AnyRecording, Recording, load_recordings
from wt_jax.data.splits import SPLITS, audit
from wt_jax.data.synthetic_recordings import make_recordings, mocap_recordings
from wt_jax.runtime.printable import tell
from wt_jax.storage.bucket import UnreachableError
from wt_jax.storage.copies import copy_of_folder
from wt_jax.storage.places import is_remote, local, scratch
from wt_jax.video.formats import VIDEO_SUFFIXES

_DEFAULT_ROOT = "data"
_FOLDERS = ("landmarks/", "labels/", "raw/", "recordings/")  # all else in a bucket is another's
_MOCAP_VIEWS = 2  # of each track: two cameras
_SYNTHETIC_SEED = 0  # fixed, so that a checkpoint is evaluated on the data that it was trained beside


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Recordings of all splits; their fingerprint stands for all that training sees of them."""

    data: str  # the data root, or SYNTHETIC
    recordings: list[AnyRecording]
    fingerprint: str

    def split(self, *splits: str) -> list[AnyRecording]:
        """The recordings of one or more splits, in order."""
        return [recording for recording in self.recordings if recording.split in splits]

    def load(self, *splits: str) -> list[Recording]:
        """Those recordings with their frames."""
        return [recording.load() for recording in self.split(*splits)]


def load_dataset(
    root: str,
    recordings: str,
    classes: Sequence[str],
    fallback: Path,
    max_minutes: float = Data.max_minutes,
    people: int = Data.synthetic_people,
    most_bytes: float = math.inf,
) -> Dataset:
    """Recordings of `root`, of `max_minutes` each at most; builds what is missing or changed there.

    Where the root cannot be written and `recordings` is not set, they are kept below `fallback`. Where there
    are files of more than `most_bytes`, frames stay in them. The root `synthetic`, and the default root with
    nothing of the user's in it, give so many synthetic people. Raises ValueError for any other root without
    data, for data that cannot be used, and for a leaking split.
    """
    if root == SYNTHETIC:
        print(f"data: {SYNTHETIC}")
        return synthetic_dataset(classes, people)
    here = copy_of_data(root)
    if recordings:
        recordings = str(copy_of_folder(recordings))
    elif is_remote(root):
        recordings = _built_recordings(root, here)
    if not has_data(here, recordings or None):
        if root != _DEFAULT_ROOT or _names_in(root):
            raise ValueError(why_no_data(root))
        print(f"data: {SYNTHETIC} (stick figures: nothing under {root}/; data/README.md: how to add yours)")
        return synthetic_dataset(classes, people)
    has_landmarks, has_videos = (_has_files(here / name) for name in ("landmarks", "raw"))
    if has_videos and not has_landmarks:
        raise ValueError(
            f"data root {root}: videos, but no landmarks of them yet: python -m wt_jax.build_dataset "
            f"--data {shlex.quote(root)} extracts them, once"
        )
    if has_landmarks:
        digest = hashlib.sha256(str(here.resolve()).encode()).hexdigest()[:8]
        folder = recordings_folder(here, recordings, fallback / f"{here.resolve().name}-{digest}")
        in_files = max(map(_bytes_in, (folder, here / "landmarks"))) > most_bytes
        report = build(here, folder, classes, max_minutes=max_minutes, in_files=in_files)
        _tell(report, folder)
        found = report.recordings
    else:
        folder = Path(recordings or here / "recordings")
        found = load_recordings(folder, classes, max_minutes, _bytes_in(folder) > most_bytes)
        audit(found)
    print(f"data: {root}")
    return Dataset(str(root), found, fingerprint(found))


def is_there(root: str, recordings: str = "") -> bool:
    """Whether there is data in the root that a checkpoint was trained on.

    Why a bucket cannot be read is told: it may be somebody else's, or gone.
    """
    try:
        return has_data(copy_of_data(root), copy_of_folder(recordings) if recordings else None)
    except UnreachableError:
        raise
    except ValueError as error:
        tell(f"warning: {error}")
        return False


def copy_of_data(root: str) -> Path:
    """A data root; of one in a bucket a copy, in which empty files stand for the videos."""
    return copy_of_folder(root, _without_videos)


def why_no_data(root: str) -> str:
    """What is said of a data root in which `has_data` finds none."""
    holds = f"it holds {', '.join(_names_in(root)[:5]) or 'nothing'}"
    return (
        f"data root {root}: {holds if local(root).is_dir() else 'no such folder'}; expected videos as "
        "raw/<class>/<video>.mp4, or landmarks/<class>/<video>.npz, see data/README.md"
    )


def synthetic_dataset(classes: Sequence[str], people: int, among: Collection[str] = SPLITS) -> Dataset:
    """What the default root gives while it is empty, of the splits `among`."""
    made: list[AnyRecording] = [*make_recordings(classes, _SYNTHETIC_SEED, people, among)]
    return Dataset(SYNTHETIC, made, fingerprint(made))


def with_made(dataset: Dataset, options: Data) -> Dataset:
    """The dataset, and to train on beside it synthetic people and filmed motion capture, as `options` say."""
    made: list[Recording] = []
    if options.synthetic and dataset.data != SYNTHETIC:
        made += make_recordings(options.classes, _SYNTHETIC_SEED, options.synthetic_people, ("train",))
    if options.mocap:
        tracks = str(copy_of_folder(options.mocap))
        made += mocap_recordings(tracks, options.classes, _SYNTHETIC_SEED, _MOCAP_VIEWS)
    if not made:
        return dataset
    print(f"beside it {len(made)} recordings of synthetic people and motion capture to train on")
    recordings = [*dataset.recordings, *made]
    return Dataset(dataset.data, recordings, fingerprint(recordings))


def _without_videos(names: Collection[str]) -> tuple[list[str], list[str]]:
    """Of a data root in a bucket: what is fetched, and of what the name will do."""
    names = [name for name in names if "/" not in name or name.startswith(_FOLDERS)]
    has_landmarks = any(name.startswith("landmarks/") for name in names)
    later = [n for n in names if n.startswith("raw/") or PurePosixPath(n).suffix.lower() in VIDEO_SUFFIXES]
    left = {*later, *(name for name in names if has_landmarks and name.startswith("recordings/"))}
    return [name for name in names if name not in left], later


def _built_recordings(root: str, here: Path) -> str:
    """Where those of a bucket's landmarks are kept on this machine; "" where it holds built ones alone."""
    return str(scratch(root) / "recordings") if _has_files(here / "landmarks") else ""


def _names_in(root: str) -> list[str]:
    return sorted(path.name for path in local(root).glob("[!.]*") if path.name != "README.md")


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/[!.]*.npz"))


def _has_files(folder: Path) -> bool:
    return any(folder.glob("*/[!.]*"))


def _tell(report: Report, folder: Path) -> None:
    if report.built:
        print(report.table())
        print(f"recordings: {report.built} built, {report.unchanged} unchanged, in {folder}")
    for path, reason in report.left_out[:10]:
        print(f"left out: {path}: {reason}")
    if len(report.left_out) > 10:
        print(f"left out: {len(report.left_out) - 10} more; python -m wt_jax.build_dataset lists all")
