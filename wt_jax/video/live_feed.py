"""Frames as they come: the newest of a camera, or of a file played like one; older ones are dropped.

Letters: H height and W width of a picture.
"""

import threading
import time

import numpy as np

from wt_jax.video.reader import Video

_AFTER_PAUSE_S = 0.5  # between the frames of a camera around a pause: too long to be interpolated
_NAP_S = 0.02  # between looks at a clock that stands still


class LiveFeed:
    """Reads a video in a thread of its own. A context manager.

    A frame that is not taken before the next one is there is dropped, and counted. A file is played at its
    own speed; with `every_frame` as fast as its frames are taken, and none is dropped. Times stand still
    in a pause: a file waits, a camera's frames are thrown away.
    """

    def __init__(self, video: Video, every_frame: bool = False):
        self.n_dropped = 0
        self.is_over = False  # no frame comes any more
        self._video = video
        self._is_camera = isinstance(video.source, int)
        self._every_frame = every_frame
        self._slot: tuple[float, np.ndarray] | None = None
        self._is_paused = self._is_stopped = self._done = False
        self._start_s: float | None = None  # of the clock of a file
        self._pause_s = 0.0  # when the pause began
        self._shift_s = 0.0  # what is taken off a camera's times
        self._last_s = 0.0  # time of the frame given out last
        self._is_first_after_pause = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "LiveFeed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=2)  # a camera that hangs is left behind

    def take(self, wait_s: float) -> tuple[float, np.ndarray] | None:
        """(time_s, frame_HxWx3) of the newest frame not taken yet, or None if none comes in time.

        Raises what reading the video raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._slot is not None or self._done, wait_s)
            if self._slot is None:
                self.is_over = self._done
                if self._error:
                    raise self._error
                return None
            (time_s, frame_HxWx3), self._slot = self._slot, None
            self._changed.notify_all()
        if self._is_first_after_pause:
            self._is_first_after_pause = False
            self._shift_s = time_s - self._last_s - _AFTER_PAUSE_S
        self._last_s = time_s - self._shift_s
        return self._last_s, frame_HxWx3

    def pause(self) -> None:
        """Times stand still from now on."""
        with self._changed:
            self._is_paused, self._pause_s = True, time.monotonic()

    def resume(self) -> None:
        """Goes on after `pause`; a camera's frames of meanwhile are gone."""
        with self._changed:
            self._is_paused = False
            if self._is_camera:
                self._slot, self._is_first_after_pause = None, True
            elif self._start_s is not None:
                self._start_s += time.monotonic() - self._pause_s

    def _read(self) -> None:
        try:
            for time_s, frame_HxWx3 in self._video:
                if not self._is_camera and not self._every_frame:
                    self._wait_until(time_s)
                with self._changed:
                    if self._every_frame:
                        self._changed.wait_for(lambda: self._slot is None or self._is_stopped)
                    if self._is_stopped:
                        return
                    self.n_dropped += self._slot is not None and not self._is_paused
                    self._slot = time_s, frame_HxWx3
                    self._changed.notify_all()
        except Exception as error:  # raised where frames are taken
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _wait_until(self, time_s: float) -> None:
        """Until the clock of the file says so; it starts with the first frame and stands in a pause."""
        if self._start_s is None:
            self._start_s = time.monotonic() - time_s
        while not self._is_stopped:
            left_s = self._start_s + time_s - time.monotonic()
            if left_s <= 0 and not self._is_paused:
                return
            time.sleep(_NAP_S if self._is_paused else min(left_s, _NAP_S))
