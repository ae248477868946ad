"""Videos of a data root in a bucket: which are known by their version, and where their landmarks go."""

import json
import time
from contextlib import suppress
from pathlib import Path

from wt_jax.pose.landmarks import Landmarks, save_landmarks
from wt_jax.runtime.files import sha256
from wt_jax.storage.bucket import Bucket, Stored
from wt_jax.storage.on_demand import at_hand
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import url_of

_KNOWN = "landmarks/.videos.json"  # object: video -> its version, and the SHA-256 of that
_KEPT_EVERY_S = 30.0
_BYTES_A_FRAME = 10_000  # about: how many frames there are tells the container alone


class RemoteVideos:
    """Those of `root`, the copy of a data root in which empty files stand for videos.

    A video is fetched where nobody has seen this version of it. Methods raise ValueError for a bucket that
    cannot be reached.
    """

    def __init__(self, root: Path):
        self._root = root
        self._bucket = Bucket(url_of(root))
        self._outbox = Outbox(url_of(root))
        self._listed = self._bucket.listing("raw")
        self._known, self._is_new = self._read_known(), False
        self._kept_s = time.monotonic()

    def check_writable(self) -> None:
        """Raises ValueError where landmarks cannot be written."""
        assert self._outbox.is_writable

    def digest(self, video: Path) -> str:
        """Its SHA-256."""
        version, digest = self._known.get(self._name(video), ("", ""))
        if version and version == self._about(video).version:
            return digest
        with at_hand(video) as file:
            self._note(video, digest := sha256(file))
        return digest

    def n_frames(self, video: Path) -> int:
        """About so many."""
        return self._about(video).n_bytes // _BYTES_A_FRAME

    def save(self, path: Path, landmarks: Landmarks, video: Path) -> None:
        """Writes landmarks to where `path` is the copy of; the copy is left as it is."""
        name = self._name(path)
        save_landmarks(self._outbox.folder / name, landmarks)
        self._outbox.send()
        if landmarks.provenance:
            self._note(video, landmarks.provenance.video_sha256)
        if time.monotonic() - self._kept_s > _KEPT_EVERY_S:
            self.keep()

    def keep(self) -> None:
        """What was seen need not be fetched the next time; of a bucket that is only read it is."""
        if self._is_new:
            with suppress(ValueError):
                self._bucket.write(_KNOWN, json.dumps(self._known, indent=1).encode())
        self._kept_s, self._is_new = time.monotonic(), False

    def _note(self, video: Path, digest: str) -> None:
        self._known[self._name(video)], self._is_new = (self._about(video).version, digest), True

    def _about(self, video: Path) -> Stored:
        return self._listed.get(self._name(video), Stored(0, ""))  # of one that has gone since

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _read_known(self) -> dict[str, tuple[str, str]]:
        """Nothing where it is missing, or damaged: it is made again."""
        try:
            content = self._bucket.read(_KNOWN)
        except FileNotFoundError:
            return {}
        try:
            known = json.loads(content)
            return {video: (str(version), str(digest)) for video, (version, digest) in known.items()}
        except (ValueError, AttributeError, TypeError):
            return {}
