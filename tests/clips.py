"""Small videos for tests, of all the kinds that people have; made with what the project installs."""

import struct
import wave
from pathlib import Path

import cv2
import numpy as np

SHARED = Path(__file__).parents[2] / "shared"
MODEL = SHARED / "models" / "pose_landmarker_full.task"
VIDEOS = SHARED / "videos" / "raw"


def picture(i, width_px=64, height_px=48):
    """RGB; how bright its upper left quarter is tells which frame it is, and which way up."""
    frame = np.full((height_px, width_px, 3), 20, np.uint8)
    frame[: height_px // 2, : width_px // 2] = 60 + 10 * (i % 18)
    return frame


def noise(n_frames):
    """Pictures that no codec can make small."""
    return np.random.default_rng(0).integers(0, 255, (n_frames, 48, 64, 3), np.uint8)


def shown(frame):
    """The number of the frame that `picture` drew, of 18; a codec makes it a little darker."""
    height_px, width_px = frame.shape[:2]
    return round((float(frame[2 : height_px // 2 - 2, 2 : width_px // 2 - 2].mean()) - 57) / 10)


def write_clip(path, frames=20, fps=30.0, code="mp4v"):
    """A clip of `frames` pictures, or of the given ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [picture(i) for i in range(frames)] if isinstance(frames, int) else list(frames)
    height_px, width_px = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, (width_px, height_px))
    assert writer.isOpened(), code
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path


def edit_box(path, kinds, change):
    """Changes the content of one box of an mp4 file, whose index lies behind its pictures."""

    def edited(content, kinds):
        out, at, todo = b"", 0, True
        while at < len(content):
            (size,) = struct.unpack(">I", content[at : at + 4])
            kind, inside = content[at + 4 : at + 8], content[at + 8 : at + size]
            if todo and kind.decode("latin1") == kinds[0]:
                inside, todo = change(inside) if len(kinds) == 1 else edited(inside, kinds[1:]), False
            out += struct.pack(">I", 8 + len(inside)) + kind + inside
            at += size
        assert not todo, kinds
        return out

    path.write_bytes(edited(path.read_bytes(), kinds))
    return path


def vary_rate(path, ticks):
    """Gives frame i of an mp4 file the duration `ticks[i]`, in the file's own units."""
    entries = b"".join(struct.pack(">II", 1, tick) for tick in ticks)
    table = bytes(4) + struct.pack(">I", len(ticks)) + entries
    path.write_bytes(path.read_bytes().replace(b"edts", b"free"))  # which holds the length as it was
    return edit_box(path, ("moov", "trak", "mdia", "minf", "stbl", "stts"), lambda _: table)


def ticks_per_second(path):
    found = []
    edit_box(path, ("moov", "trak", "mdia", "mdhd"), lambda box: found.append(box[12:16]) or box)
    return struct.unpack(">I", found[0])[0]


def turn(path):
    """Marks an mp4 file as to be shown turned by 90 degrees clockwise, as phones do."""
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return edit_box(path, ("moov", "trak", "tkhd"), lambda box: box[:40] + matrix + box[76:])


def grey(height=240, width=320, value=120):
    return np.full((height, width, 3), value, np.uint8)
