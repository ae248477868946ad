"""Video files, written whole or not at all.

All frames are (H, W, 3) uint8 in RGB.
"""

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from wt_jax.runtime.files import is_writable, written_beside
from wt_jax.runtime.native_output import quiet
from wt_jax.video.capture import capture_file
from wt_jax.video.encoders import open_encoder


class VideoWriter:
    """Writes an mp4 of H.264 where this machine can, else of MPEG-4 (`encoders`). A context manager.

    Written beside `path` and renamed when the block ends, so `path` is whole or untouched; an error in
    the block leaves nothing. An odd last row or column is cut off, as both codecs want. Raises ValueError
    for a folder that cannot be written, a frame of another size, a rate that is no number, and where there is
    neither codec; OSError for a full disk, found when the block ends at the latest.
    """

    def __init__(self, path: Path | str, fps: float, width_px: int, height_px: int):
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"{path}: a video is written as .mp4")
        if min(width_px, height_px) < 2:
            raise ValueError(f"{path}: a video of {width_px}x{height_px} pixels: must be 2x2 at least")
        if not 0 < fps <= 1000:
            raise ValueError(f"{path}: {fps} frames a second: must be above 0, and 1000 at most")
        self._fps = fps
        self._shape = (height_px, width_px, 3)
        self._stack = ExitStack()
        self.n_frames = 0

    def __enter__(self) -> "VideoWriter":
        if not is_writable(self.path.parent):
            raise ValueError(f"{self.path.parent}: cannot be written: choose another folder for the video")
        with ExitStack() as stack:
            self._beside = stack.enter_context(written_beside(self.path))
            self._beside.touch()  # OpenCV would only say that it could not, not why
            self._encoder = open_encoder(self._beside, self._fps, self._shape[1] & ~1, self._shape[0] & ~1)
            stack.callback(self._give_up)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """The next frame; raises ValueError for one of another size or type."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(
                f"{self.path}: a frame of shape {frame.shape}, {frame.dtype}: must be {self._shape}, uint8"
            )
        even = frame[: frame.shape[0] & ~1, : frame.shape[1] & ~1]
        try:
            self._encoder.write(even)
        except OSError as error:
            raise self._not_whole() from error
        self.n_frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            try:
                self._encoder.close()
            except OSError as failed:
                raise self._not_whole() from failed
            self._check()

    def _give_up(self) -> None:
        """The file is thrown away: that it cannot be finished either is no news."""
        with suppress(Exception):
            self._encoder.close()

    def _not_whole(self) -> OSError:
        return OSError(f"{self.path}: cannot be written whole: is the disk full? nothing is left of it")

    def _check(self) -> None:
        """OpenCV says nothing of a write that fails: a file that cannot be read back tells."""
        with quiet():
            written = capture_file(self._beside)
            n_written = int(written.get(cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
            written.release()
        if n_written < self.n_frames:
            raise self._not_whole()


class PacedWriter:
    """A `VideoWriter` of frames that come at any time: each is shown until the next one. A context
    manager. Of several frames in one frame of the file the last is kept."""

    def __init__(self, path: Path | str, fps: float, width_px: int, height_px: int):
        self._writer = VideoWriter(path, fps, width_px, height_px)
        self._fps = fps
        self._shown: np.ndarray | None = None
        self._first_s = 0.0

    def __enter__(self) -> "PacedWriter":
        self._writer.__enter__()
        return self

    def write(self, frame_HxWx3: np.ndarray, time_s: float) -> None:
        """A frame to show from `time_s` on, which must not run backwards. Keeps the frame itself."""
        if self._shown is None:
            self._first_s = time_s
        else:
            self._show_until(round((time_s - self._first_s) * self._fps))
        self._shown = frame_HxWx3

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._show_until(self._writer.n_frames + 1)
        except BaseException as failed:
            self._writer.__exit__(type(failed), failed, failed.__traceback__)
            raise
        self._writer.__exit__(kind, error, trace)

    def _show_until(self, slot: int) -> None:
        while self._shown is not None and self._writer.n_frames < slot:
            self._writer.write(self._shown)
