"""Where a command writes its results: a folder of this machine, or one whose files are sent to a bucket."""

from pathlib import Path

from wt_jax.runtime.files import LOCK, is_writable
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.places import is_remote, local
from wt_jax.storage.reading import fresh_folder

_TRIAL = ".writable"  # an object, for a moment


class Outbox:
    """Results are written to `folder`, whole, and then sent. What is printed of it shows the bucket."""

    def __init__(self, place: Path | str):
        local(place)  # checks it
        self.place = place
        self._bucket = Bucket(str(place)) if is_remote(place) else None
        self.folder = fresh_folder(self._bucket.url) if self._bucket else local(place)

    @property
    def is_writable(self) -> bool:
        """Whether files can be made there. Raises ValueError, with the reason, for a bucket where not."""
        if self._bucket is None:
            return is_writable(self.folder)
        self._bucket.write(_TRIAL, b"")
        self._bucket.delete([_TRIAL])
        return True

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        if self._bucket is None:
            return not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir()))
        return not self._bucket.listing()

    def send(self, last: str = "") -> None:
        """Brings what was written: `last` is the file without which the others are not to be read."""
        if self._bucket is None:
            return
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name != LOCK]
        for path in sorted(files, key=lambda path: (path.name == last, path)):
            self._bucket.send(path, path.relative_to(self.folder).as_posix())
            path.unlink()
