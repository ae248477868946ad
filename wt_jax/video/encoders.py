"""What turns pictures into an mp4 file: H.264 by PyAV, or what OpenCV has.

OpenCV's wheels can encode MPEG-4 (mp4v) alone, which browsers and phones do not play. PyAV's wheels hold
FFmpeg with x264.

All frames are (H, W, 3) uint8 in RGB, of even sides.
"""

import contextlib
import functools
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from wt_jax.runtime.native_output import quiet
from wt_jax.video.capture import name_for_ffmpeg

_CODEC = "libx264"
# Constant quality rather than a rate: 18 is said to look like the original, 23 is x264's own default
# (https://trac.ffmpeg.org/wiki/Encode/H.264). The preset is the slowest one whose time nobody notices beside
# that of finding poses.
_QUALITY = {"crf": "20", "preset": "veryfast"}
_MOST_PARTS = 1001  # of a second, in a rate written as a fraction: all that television has, 24000/1001 too
_BT709 = 1  # the colours of HD video, said in the file, so that no player has to guess (ITU-T H.273)
_VIDEO_RANGE = 1


class Encoder(Protocol):
    """Raises OSError where the file cannot be written; `close` may be called again, and then does nothing."""

    def write(self, frame_HxWx3: np.ndarray) -> None:
        """The next frame, uint8 RGB."""

    def close(self) -> None:
        """Writes what is left."""


def open_encoder(path: Path, fps: float, width_px: int, height_px: int) -> Encoder:
    """The best encoder there is, writing to `path`; says so once where it is none that browsers play.

    Raises ValueError where there is none at all for pictures of this size.
    """
    with contextlib.suppress(_NoH264Error):
        return _H264Encoder(path, fps, width_px, height_px)
    for codec in ("avc1", "mp4v"):
        with quiet():
            writer = cv2.VideoWriter(
                name_for_ffmpeg(path), cv2.VideoWriter.fourcc(*codec), fps, (width_px, height_px)
            )
        if writer.isOpened():
            if codec == "mp4v":
                _say_how_to_convert()
            return _OpenCVEncoder(writer)
    raise ValueError(
        f"{path.parent}: neither PyAV nor OpenCV can write a video of {width_px}x{height_px} pixels here: "
        "pip install --force-reinstall av opencv-contrib-python"
    )


@functools.cache
def _say_how_to_convert() -> None:
    print(
        "note: videos are written as MPEG-4, which browsers and phones do not play: pip install av, or "
        "convert them: ffmpeg -i OLD.mp4 -c:v libx264 -pix_fmt yuv420p -movflags +faststart NEW.mp4",
        file=sys.stderr,
        flush=True,
    )


class _NoH264Error(Exception):
    """PyAV, x264 in it, or what it makes of this size, is missing."""


class _H264Encoder:
    def __init__(self, path: Path, fps: float, width_px: int, height_px: int):
        """Pictures as 4:2:0 with the index first, as browsers and phones want them. Raises _NoH264Error."""
        try:
            import av  # here: it takes 50 ms, and somebody may have left it out
            from av.video.reformatter import Colorspace, VideoReformatter
        except ImportError as error:
            raise _NoH264Error from error
        self._av, self._reformatter, self._colorspace = av, VideoReformatter(), Colorspace.ITU709
        self._container: Any = av.open(name_for_ffmpeg(path), "w", options={"movflags": "+faststart"})
        try:
            rate = max(Fraction(fps).limit_denominator(_MOST_PARTS), Fraction(1, _MOST_PARTS))
            stream: Any = self._container.add_stream(_CODEC, rate=rate, options=_QUALITY)
            stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _VIDEO_RANGE
            self._container.start_encoding()
            self._stream = stream
        except (av.FFmpegError, ValueError) as error:
            with contextlib.suppress(Exception):
                self._container.close()
            if isinstance(error, OSError):
                raise
            raise _NoH264Error from error

    def write(self, frame_HxWx3: np.ndarray) -> None:
        """Raises OSError, as all that FFmpeg may say of a write."""
        frame = self._av.VideoFrame.from_ndarray(frame_HxWx3, format="rgb24")
        self._encode(self._reformatter.reformat(frame, format="yuv420p", dst_colorspace=self._colorspace))

    def close(self) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        try:
            self._encode(None, container)
            container.close()
        except self._av.FFmpegError as error:
            raise OSError(f"FFmpeg: {error}") from error
        finally:
            with contextlib.suppress(self._av.FFmpegError):
                container.close()

    def _encode(self, frame: Any, container: Any = None) -> None:
        """None: what the encoder still holds."""
        try:
            for packet in self._stream.encode(frame):
                (container or self._container).mux(packet)
        except self._av.FFmpegError as error:
            raise OSError(f"FFmpeg: {error}") from error


class _OpenCVEncoder:
    """It says nothing of a write that fails."""

    def __init__(self, writer: cv2.VideoWriter):
        self._writer = writer

    def write(self, frame_HxWx3: np.ndarray) -> None:
        self._writer.write(cv2.cvtColor(frame_HxWx3, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self._writer.release()
