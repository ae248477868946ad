"""The videos of a folder that are to be labelled: where one is, and what is done."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from wt_jax.data.labels import read_starts
from wt_jax.data.loading import copy_of_data
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.pose.landmarks import LANDMARKS_SUFFIX
from wt_jax.storage.places import is_remote, local
from wt_jax.video.formats import VIDEO_SUFFIXES

_ANY_LENGTH = 10**9  # frames: how long the video is shows once it is opened
FOLDERS = ("raw", "landmarks")  # of a data root: what can be looked at
_BUCKET = 2  # part of a URL between slashes


def is_class_folder(folder: Path) -> bool:
    """Whether it is one of a data root, raw/<class> or landmarks/<class>."""
    return folder.absolute().parent.name in FOLDERS


def at_root(place: Path | str) -> Path:
    """What there is to label, of a bucket in a copy of its data root (`copy_of_data`)."""
    if not is_remote(place):
        return local(place)
    parts = str(place).split("/")
    inside = [i for i, part in enumerate(parts) if part in FOLDERS and i > _BUCKET]
    if inside:
        root = "/".join(parts[: inside[-1]])
    else:
        is_file = PurePosixPath(parts[-1]).suffix.lower() in (*VIDEO_SUFFIXES, LANDMARKS_SUFFIX)
        root = "/".join(parts[:-1] if is_file else parts)
    return copy_of_data(root) / "/".join(parts)[len(root) :].strip("/")


class Worklist:
    """Videos with their label files, and the one that is being labelled, `at`.

    A video is done once its label file is there and no draft beside it. Raises ValueError for two of one
    label file.
    """

    def __init__(self, videos: Sequence[Path], files: Sequence[MarkedStartsFile]):
        first_of: dict[Path, Path] = {}
        for video, file in zip(videos, files, strict=True):
            if first_of.setdefault(file.path, video) != video:
                raise ValueError(
                    f"{first_of[file.path]} and {video.name}: two videos of one name: rename one"
                )
        self.videos = list(videos)
        self.files = list(files)
        self.failed: dict[Path, str] = {}  # why a video could not be opened
        self.at = 0
        self._n_marks = [_read_n_marks(file) for file in files]
        if self.is_done(0):
            self.go_to_next_left()

    @property
    def video(self) -> Path:
        """The one that is being labelled."""
        return self.videos[self.at]

    @property
    def file(self) -> MarkedStartsFile:
        """Its label file."""
        return self.files[self.at]

    def is_done(self, i: int) -> bool:
        """Whether a video is labelled, and nothing waits to be saved."""
        return self._n_marks[i] is not None and not self.files[i].draft.exists()

    def n_marks(self, i: int) -> int | None:
        """Repetitions in a video's label file; None without one, or where it cannot be read."""
        return self._n_marks[i]

    @property
    def n_done(self) -> int:
        """How many videos are done."""
        return sum(map(self.is_done, range(len(self.videos))))

    @property
    def left(self) -> list[Path]:
        """Videos that are not done."""
        return [video for i, video in enumerate(self.videos) if not self.is_done(i)]

    @property
    def counts(self) -> dict[str, int]:
        """Exercise -> repetitions in all label files of the list."""
        counts: dict[str, int] = {}
        for file, n_marks in zip(self.files, self._n_marks, strict=True):
            counts[file.path.parent.name] = counts.get(file.path.parent.name, 0) + (n_marks or 0)
        return counts

    def note(self) -> None:
        """Reads the label file of the video at hand again: it may have been saved."""
        self._n_marks[self.at] = _read_n_marks(self.file)

    def go(self, by: int) -> None:
        """Moves on in the list; beyond its end it begins again."""
        self.at = (self.at + by) % len(self.videos)

    def go_to_next_left(self) -> None:
        """Moves to the next video that is not done and could be opened, if there is one."""
        n = len(self.videos)
        for i in ((self.at + step) % n for step in range(1, n + 1)):
            if not self.is_done(i) and self.videos[i] not in self.failed:
                self.at = i
                return


def _read_n_marks(file: MarkedStartsFile) -> int | None:
    try:
        return len(read_starts(file.path, _ANY_LENGTH)) if file.path.exists() else None
    except ValueError:
        return None  # opening the video says what is wrong with it
