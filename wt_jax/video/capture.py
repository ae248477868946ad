"""Videos and cameras opened by OpenCV, and what is said of those that cannot be.

FFmpeg takes names for addresses: of a file `12:30 squats.mp4` it asks for the protocol 12, to a file
`tcp:127.0.0.1:80` it connects. And it takes short texts for lists of other files (HLS, ffconcat, SDP), which
may lie anywhere. Here a file is that file, and no other is opened for it.
"""

import mmap
import os
import threading
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what is wrong with a file is said once, by us

import cv2

from wt_jax.runtime.inputs import check_file

# FFmpeg's names of the containers that hold their pictures themselves; left out are those that name other
# files (hls, concat, dash, sdp, imf), take names for patterns (image2), or are no files at all (v4l2, rtsp).
_CONTAINERS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "live_flv", "asf", "ogg", "mxf", "gxf",
    "nut", "nuv", "nsv", "rm", "dv", "wtv", "dhav", "swf", "kux", "gif", "apng", "mjpeg", "ivf", "obu", "av1",
    "h261", "h263", "h264", "hevc", "vvc", "m4v", "vc1", "vc1test", "yuv4mpegpipe",
)  # fmt: skip
# https://ffmpeg.org/ffmpeg-formats.html, as OpenCV wants it: https://docs.opencv.org, videoio, environment
_SELF_CONTAINED = f"protocol_whitelist;file|format_whitelist;{','.join(_CONTAINERS)}"
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_OPTIONS_LOCK = threading.Lock()  # the environment is the process's own
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"[reference]", b"<asx", b"<smil", b"v=0\n", b"v=0\r")
_MOST_CAMERAS = 1000  # numbers far above overflow in OpenCV

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def name_for_ffmpeg(path: Path | str) -> str:
    """The absolute path, which FFmpeg takes for a file whatever colons are in it.

    Raises ValueError for a name that is not UTF-8: OpenCV crashes over it.
    """
    name = str(Path(path).absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}: its name, or its folder's, is not UTF-8: rename it") from None
    return name


def capture_file(path: Path | str) -> cv2.VideoCapture:
    """A capture of a video file alone, which may not be open. Raises ValueError as `name_for_ffmpeg`."""
    name = name_for_ffmpeg(path)
    with _OPTIONS_LOCK:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = "|".join(filter(None, [_SELF_CONTAINED, before]))
        try:
            return cv2.VideoCapture(name, cv2.CAP_FFMPEG)  # other backends take some names for patterns
        finally:
            del os.environ[_OPTIONS]
            if before is not None:
                os.environ[_OPTIONS] = before


def open_source(source: Path | str | int) -> cv2.VideoCapture:
    """An open capture of a video file, or of a camera by its number. ValueError where there is none."""
    if isinstance(source, int):
        capture = cv2.VideoCapture(source) if 0 <= source < _MOST_CAMERAS else None
        if capture is None or not capture.isOpened():
            raise ValueError(
                f"camera {source}: not there, or another program has it: plug it in, or try 0 or 1"
            )
        return capture
    path = Path(source)
    check_file(path, "a video")
    with path.open("rb"):  # may it be read? OSError says so
        pass
    capture = capture_file(path)
    if not capture.isOpened():
        raise ValueError(what_is_wrong(source))
    return capture


def what_is_wrong(source: Path | str | int) -> str:
    """Why no picture can be read, as far as the first bytes tell."""
    if isinstance(source, int):
        return f"camera {source}: gives no picture: another program may have it, or unplug it and plug it in"
    path = Path(source)
    if path.stat().st_size == 0:
        return f"{path}: an empty file (0 bytes): copy or record it again"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _is_playlist(content[:1000]):
            return f"{path}: a playlist, which names other files and holds no pictures: give those files"
        if content[4:8] == b"ftyp" and content.find(b"moov") < 0:
            return f"{path}: cut off: its index is missing: copy or record it again"
        if content[4:8] == b"ftyp" and content.find(b"vide") < 0:
            return f"{path}: sound alone, no pictures"
        if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
            return f"{path}: sound alone, no pictures"
        if content[4:8] == b"ftyp" or content[:4] in (b"RIFF", b"\x1aE\xdf\xa3"):
            return f"{path}: no picture in it can be read: cut off, damaged, or sound alone: copy it again"
    return f"{path}: not a video, or one of a kind that FFmpeg cannot read: convert it to mp4"


def _is_playlist(beginning: bytes) -> bool:
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(tuple(start.lower() for start in _PLAYLISTS)) or b"<mpd" in text
