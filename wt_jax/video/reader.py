"""Video files and cameras: frames with their times.

Letters: H height and W width of a picture.
"""

import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from wt_jax.skeleton import FRAME_RATE_HZ
from wt_jax.video.capture import open_source, what_is_wrong

_FPS = (1.0, 480.0)  # beyond, a container may have no frame rate: FFmpeg gives its clock's, 1000 or 90000
_MOST_FPS = 1000.0  # of high-speed cameras
_SAME_RATE = 0.05  # 30 timestamps in milliseconds tell a rate of 1000 a second to some 3 %
_MAX_STEP_S = 10.0  # between two frames; a longer one is a damaged timestamp, not a camera that waited
_SEEK_BACK_S = 0.5  # a seek lands near its time only: some frames early, then forward to the very one
_N_MEASURED = 30  # frames that tell the rate where the container does not


class Video:
    """Frames of a video file, or of a camera by its number, with their times.

    `fps`, `n_frames` are the container's: the mean rate of a variable one, and a number that may be wrong
    (0: unknown, and a camera's). Width and height are those of an upright picture, the way its rotation
    metadata says. A context manager.
    """

    def __init__(self, source: Path | str | int):
        """Raises ValueError, with what is wrong with it and what to do, where no picture can be read."""
        self.source = source
        self._capture = open_source(source)
        self._raw_ms: list[float] = []  # timestamps of the frames decoded so far, as in the container
        self._position = 0  # of the next frame that _capture gives
        try:
            first_HxWx3 = self._grabbed() if self._grab() else None
            if first_HxWx3 is None:
                raise ValueError(what_is_wrong(source))
            self.height_px, self.width_px = first_HxWx3.shape[:2]
            self._first_HxWx3 = first_HxWx3
            self.n_frames = self._whole(cv2.CAP_PROP_FRAME_COUNT)
            rate = self._capture.get(cv2.CAP_PROP_FPS)
            self._container_fps = rate if math.isfinite(rate) else 0.0
            self.fps = self._frame_rate()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file or the camera."""
        self._capture.release()

    @property
    def promised_s(self) -> float:
        """How long it is, as its container says; 0 where that is unknown.

        By the container's own rate, even where that is no rate of frames: many say how long they are, and
        FFmpeg makes of it a number of frames at this rate.
        """
        return self.n_frames / self._container_fps if self._container_fps > 0 else 0.0

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """(time_s, frame_HxWx3 uint8 RGB) of all frames: from 0 at the first, strictly increasing.

        Times are the container's, so that variable rates come out right. Where it has none, or they stand
        still, run backwards or jump by more than 10 s, the frame comes one usual step after the last one.
        A camera's times are those at which its frames arrived. Stops at the first frame that cannot be read.
        """
        if isinstance(self.source, int):
            yield from self._live()
            return
        capture = open_source(self.source)  # its own, so that frame() may be called in between
        clock = _Clock(self.fps)
        try:
            while capture.grab():
                time_s = clock.tell(capture.get(cv2.CAP_PROP_POS_MSEC))
                ok, frame_HxWx3 = capture.retrieve()
                if not ok:
                    return
                yield time_s, cv2.cvtColor(frame_HxWx3, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    def frame(self, index: int) -> np.ndarray:
        """Frame `index` of a file, (H, W, 3) uint8 RGB: the very one that iteration gives at that place.

        Raises IndexError where there is no such frame, ValueError for a camera.
        """
        if isinstance(self.source, int):
            raise ValueError(f"camera {self.source}: has no frame {index}: its frames come once")
        if index < 0:
            raise IndexError(f"{self.source}: frame {index}: frames are counted from 0")
        if index < self._position - 1:  # else it is the last one decoded, or still to come
            self._seek(index)
        while self._position <= index:
            if not self._grab():
                raise IndexError(f"{self.source}: frame {index}: it has {len(self._raw_ms)} frames")
        frame_HxWx3 = self._grabbed()
        if frame_HxWx3 is None:
            raise IndexError(f"{self.source}: frame {index} cannot be read")
        return frame_HxWx3

    def _live(self) -> Iterator[tuple[float, np.ndarray]]:
        frame_HxWx3, start_s, last_s = self._first_HxWx3, time.monotonic(), -1.0
        while True:
            time_s = max(time.monotonic() - start_s, last_s + 1e-3) if last_s >= 0 else 0.0
            yield time_s, frame_HxWx3
            last_s = time_s
            ok, bgr_HxWx3 = self._capture.read()
            if not ok:
                return
            frame_HxWx3 = cv2.cvtColor(bgr_HxWx3, cv2.COLOR_BGR2RGB)

    def _grab(self) -> bool:
        """Goes on to the next frame and notes its timestamp. False at the end."""
        if not self._capture.grab():
            return False
        if self._position == len(self._raw_ms):
            self._raw_ms.append(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        self._position += 1
        return True

    def _grabbed(self) -> np.ndarray | None:
        ok, frame_HxWx3 = self._capture.retrieve()
        return cv2.cvtColor(frame_HxWx3, cv2.COLOR_BGR2RGB) if ok else None

    def _seek(self, index: int) -> None:
        """Moves before frame `index`, which was seen already: any place is known again by its timestamp."""
        at = {ms: i for i, ms in enumerate(self._raw_ms)}
        back_s = _SEEK_BACK_S
        while len(at) == len(self._raw_ms) and back_s < self._raw_ms[index] / 1000:
            self._capture.set(cv2.CAP_PROP_POS_MSEC, self._raw_ms[index] - 1000 * back_s)
            if not self._capture.grab():
                break
            found = at.get(self._capture.get(cv2.CAP_PROP_POS_MSEC))
            if found is None:
                break
            if found < index:
                self._position = found + 1
                return
            back_s *= 4
        self._capture.release()
        self._capture = open_source(self.source)  # timestamps that say nothing: from the start
        self._position = 0

    def _frame_rate(self) -> float:
        fps = self._container_fps
        if _FPS[0] <= fps <= _FPS[1]:
            return fps
        if not isinstance(self.source, int):
            while len(self._raw_ms) < _N_MEASURED and self._grab():
                pass
            steps_ms = [b - a for a, b in zip(self._raw_ms, self._raw_ms[1:], strict=False)]
            step_ms = statistics.median(steps_ms) if steps_ms else 0.0
            mean_ms = statistics.mean(steps_ms) if steps_ms else 0.0
            if _FPS[1] < fps <= _MOST_FPS and math.isclose(mean_ms * fps, 1000, rel_tol=_SAME_RATE):
                return fps
            if step_ms > 0 and _FPS[0] <= 1000 / step_ms <= _FPS[1]:
                return 1000 / step_ms
        return FRAME_RATE_HZ

    def _whole(self, what: int) -> int:
        value = self._capture.get(what)
        return int(value) if math.isfinite(value) and 0 < value < 1e9 else 0


class _Clock:
    """Timestamps of a container, whatever they are -> strictly increasing times from 0."""

    def __init__(self, fps: float):
        self._usual_s = 1 / fps
        self._steps_s: list[float] = []
        self._time_s = self._last_s = self._shift_s = math.nan

    def tell(self, raw_ms: float) -> float:
        """The time of the next frame, in seconds."""
        raw_s = raw_ms / 1000
        if math.isnan(self._time_s):
            self._time_s, self._shift_s = 0.0, raw_s
        else:
            step_s, own_step_s = raw_s - self._shift_s - self._time_s, raw_s - self._last_s
            if 0 < step_s <= _MAX_STEP_S:
                self._time_s = raw_s - self._shift_s
            elif 0 < own_step_s <= _MAX_STEP_S:  # regular again, after a jump that stays
                self._time_s += own_step_s
                self._shift_s = raw_s - self._time_s
            else:
                self._time_s += statistics.median(self._steps_s) if self._steps_s else self._usual_s
            if 0 < own_step_s <= _MAX_STEP_S:
                self._steps_s = [*self._steps_s[-_N_MEASURED:], own_step_s]
        self._last_s = raw_s
        return self._time_s
