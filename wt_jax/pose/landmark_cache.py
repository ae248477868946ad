"""Landmarks of videos that were looked at before, so that another checkpoint need not search them again."""

import hashlib
import importlib.metadata
import io
import os
import time
from functools import cache
from pathlib import Path

import numpy as np

from wt_jax.pose.landmarks import Landmarks, Provenance
from wt_jax.runtime.files import cache_folder, written_beside
from wt_jax.video import capture, reader

MOST_BYTES = 1 << 30  # some 20 hours of video at 30 frames a second
_SUFFIX = ".landmarks"
_DIGEST_CHARS = 64  # of a SHA-256 in hexadecimal
_LEFT_BEHIND_S = 24 * 3600.0  # so old a file that is still being written is one of a process that was killed
# Whoever changes what is found in a video changes one of these files.
_CODE = (__file__, "estimator.py", "extraction.py", reader.__file__, capture.__file__)


class LandmarkCache:
    """A folder of what `extraction.extract_with_remark` found, by digests of all that decides it.

    Those are the video, the pose model, the versions of MediaPipe and OpenCV, and our own code. A file begins
    with the SHA-256 of the rest of it, an npz archive: whatever is damaged counts as not there. Above
    `most_bytes` the files that were not used for the longest time go. Only their owner can read them.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = MOST_BYTES):
        self.folder = folder or cache_folder() / "landmarks"
        self._most_bytes = most_bytes

    def path(self, provenance: Provenance) -> Path:
        """Where the landmarks of this provenance are kept, if they are."""
        return self.folder / f"{_key(provenance)}{_SUFFIX}"

    def load(self, provenance: Provenance) -> tuple[Landmarks, str] | None:
        """Landmarks and what was odd about the video, as they were saved; None where they are not there."""
        path = self.path(provenance)
        try:
            if not path.is_file():
                return None
            content = path.read_bytes()
            if content[:_DIGEST_CHARS] != _digest(provenance, content[_DIGEST_CHARS:]):
                return None
            os.utime(path)  # used now: the last to go
        except OSError:
            return None
        with np.load(io.BytesIO(content[_DIGEST_CHARS:]), allow_pickle=False) as kept:
            size_px = int(kept["width"]), int(kept["height"])
            found = Landmarks(kept["landmarks"], float(kept["fps"]), *size_px, kept["times_s"], provenance)
            return found, str(kept["remark"])

    def save(self, provenance: Provenance, landmarks: Landmarks, remark: str) -> None:
        """Keeps them, beside first and then renamed. Raises OSError, as for a full disk."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        archive = io.BytesIO()
        np.savez_compressed(
            archive,
            landmarks=landmarks.landmarks_FxLx4,
            times_s=landmarks.times_s,
            fps=np.float64(landmarks.fps),
            width=np.int64(landmarks.width_px),
            height=np.int64(landmarks.height_px),
            remark=np.str_(remark),
        )
        with written_beside(self.path(provenance)) as beside:
            beside.write_bytes(_digest(provenance, archive.getvalue()) + archive.getvalue())
        self._trim(self.path(provenance))

    def _trim(self, newest: Path) -> None:
        """Removes what was not used for the longest time, until the rest is small enough."""
        files = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            try:
                about = path.stat()
            except FileNotFoundError:  # another process trims as well
                continue
            if not path.name.startswith("."):
                files.append((about.st_mtime, about.st_size, path))
            elif about.st_mtime < time.time() - _LEFT_BEHIND_S:
                path.unlink(missing_ok=True)
        left_bytes = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if left_bytes <= self._most_bytes:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                left_bytes -= size


def _digest(provenance: Provenance, archive: bytes) -> bytes:
    """Of a file's content and of its name, so that one which was renamed is not taken for another."""
    return hashlib.sha256(_key(provenance).encode() + archive).hexdigest().encode()


def _key(provenance: Provenance) -> str:
    parts = (provenance.video_sha256, provenance.model_sha256, *_finders())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _finders() -> tuple[str, ...]:
    """What finds landmarks, apart from the model: packages by their versions, our code by its digest."""
    code = hashlib.sha256()
    for name in _CODE:
        code.update((Path(__file__).parent / name).read_bytes())
    return (
        importlib.metadata.version("mediapipe"),
        importlib.metadata.version("opencv-contrib-python"),
        code.hexdigest(),
    )
