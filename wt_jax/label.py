"""Mark by hand where repetitions start, in a window: python -m wt_jax.label VIDEO [--propose]."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from wt_jax.counting.key_angle import angle_starts
from wt_jax.data.labels import VIDEO_SUFFIXES
from wt_jax.data.recordings import is_writable
from wt_jax.labeling.editor import KEYS, Session
from wt_jax.labeling.marked_starts import MarksFile
from wt_jax.pose.joint_angles import angle_sequence
from wt_jax.pose.landmarks import Landmarks, load_landmarks, save_landmarks
from wt_jax.runtime.cli import run, use_compilation_cache
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class
from wt_jax.video.reader import Video
from wt_jax.video.window import Window, check_display, draw_panel, draw_text, fit

if TYPE_CHECKING:
    from wt_jax.inference.predictor import Predictor

_FLASH_S = 0.15  # for so long a mark shows while playing
_WIDTH_PX, _PICTURE_PX, _STRIP_PX = 1280, 632, 88  # of the window: together 1280 x 720
_MARGIN_PX = 24
_YELLOW, _WHITE, _GREY, _DARK = (255, 210, 0), (255, 255, 255), (160, 160, 160), (32, 32, 32)


def draw(picture_HxWx3: np.ndarray, session: Session) -> np.ndarray:
    """What the window shows: the picture, the timeline with its marks, and what there is to say."""
    marks, times_s = session.marks, session.times_s
    canvas = np.full((_PICTURE_PX + _STRIP_PX, _WIDTH_PX, 3), _DARK, np.uint8)
    canvas[:_PICTURE_PX] = fit(picture_HxWx3, _WIDTH_PX, _PICTURE_PX)
    now_s = times_s[marks.cursor]
    flash_s = _FLASH_S if session.is_playing else 0.0
    if any(0 <= now_s - times_s[start] <= flash_s for start in marks.starts):
        _frame(canvas[:_PICTURE_PX], 6, _YELLOW)
        tag = canvas[6:58, _WIDTH_PX - 280 : _WIDTH_PX - 6]
        tag[:] = _DARK
        draw_text(tag, "repetition start", (18, 36), 30, _YELLOW)
    lines = [(f"repetition {marks.n_before} of {len(marks.starts)}", 1.0)]
    if session.message:
        lines.append((session.message, 0.8))
    if session.is_asking:
        lines = [
            (f"{len(marks.starts)} marks are not saved.", 1.0),
            ("s: save and quit", 0.9),
            ("q: quit, and keep them as a draft", 0.9),
            ("any other key: back to work", 0.9),
        ]
    draw_panel(canvas, lines)
    if session.shows_help:
        _draw_help(canvas)
    _draw_strip(canvas[_PICTURE_PX:], session)
    return canvas


def _draw_strip(strip: np.ndarray, session: Session) -> None:
    marks, times_s = session.marks, session.times_s
    last = max(1, marks.n_frames - 1)
    track_px = _WIDTH_PX - 2 * _MARGIN_PX
    top, bottom = 44, 72
    strip[top:bottom, _MARGIN_PX : _MARGIN_PX + track_px] = (64, 64, 64)
    done_px = round(marks.cursor / last * track_px)
    strip[top:bottom, _MARGIN_PX : _MARGIN_PX + done_px] = (96, 96, 96)
    x = _MARGIN_PX + done_px
    strip[top - 8 : bottom + 8, x - 1 : x + 2] = _WHITE
    for start in marks.starts:
        x = _MARGIN_PX + round(start / last * track_px)
        strip[top:bottom, x - 1 : x + 2] = _YELLOW
    state = "playing" if session.is_playing else "paused"
    where = f"{state}   {_clock(times_s[marks.cursor])} of {_clock(times_s[-1])}"
    draw_text(
        strip,
        f"{where}   frame {marks.cursor}, the last is {marks.n_frames - 1}",
        (_MARGIN_PX, 28),
        24,
        _WHITE,
    )
    draw_text(strip, "h: keys", (_WIDTH_PX - 360, 28), 24, _GREY)
    is_dirty = marks.is_dirty
    saved = "not saved yet" if is_dirty else "saved" if session.file.path.exists() else "no labels yet"
    draw_text(strip, saved, (_WIDTH_PX - 200, 28), 24, _YELLOW if is_dirty else (150, 220, 150))


def _draw_help(canvas: np.ndarray) -> None:
    left, top, right, bottom = 140, 76, 1140, 76 + 40 * len(KEYS) + 28
    box = canvas[top:bottom, left:right]
    box[:] = (box * 0.12).astype(np.uint8)
    _frame(box, 2, _GREY)
    for i, (keys, what) in enumerate(KEYS):
        y = top + 44 + 40 * i
        draw_text(canvas, keys, (left + 28, y), 24, _YELLOW)
        draw_text(canvas, what, (left + 300, y), 24, _WHITE)


def _frame(box: np.ndarray, thick_px: int, colour: tuple[int, int, int]) -> None:
    box[:thick_px] = box[-thick_px:] = colour
    box[:, :thick_px] = box[:, -thick_px:] = colour


def _clock(time_s: float) -> str:
    return f"{int(time_s // 60)}:{time_s % 60:05.2f}"


def label_path(video: Path, root: str | None, class_name: str | None) -> Path:
    """The label file of a video: `root/labels/<class>/<video>.csv`.

    A video in `ROOT/raw/<class>/` says both by itself. Else the root is `data`, and the class has to be
    given. Raises ValueError where it is not, or has no repetitions.
    """
    in_raw = video.absolute().parent.parent.name == "raw"
    if class_name is None and not in_raw:
        raise ValueError(f"{video}: not in raw/<class>/, so which exercise is it? say --class NAME")
    name = canonical_class(class_name if class_name is not None else video.absolute().parent.name)
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise ValueError(f"--class {name!r}: must be the name of a class, such as squats")
    if name == NO_EXERCISE:
        raise ValueError(f"{video}: {NO_EXERCISE} has no repetitions to mark, and needs no labels")
    if root is None:
        root = str(video.absolute().parents[2]) if in_raw else "data"
    return Path(root) / "labels" / name / f"{video.stem}.csv"


def propose(landmarks: Landmarks, class_name: str, predictor: "Predictor | None" = None) -> np.ndarray:
    """Where repetitions may start: int32, strictly increasing, in frames of the landmarks' video.

    As the predictor finds them where there is one, else by the key joint angle; both are told the exercise.
    """
    times_s = landmarks.times_s
    if predictor is not None:
        starts_s = predictor.predict(landmarks).starts_as(class_name)
    else:
        angles_FxJ, valid_F = angle_sequence(
            landmarks.landmarks_FxLx4, times_s, landmarks.width_px, landmarks.height_px
        )
        starts_s = times_s[0] + angle_starts(angles_FxJ, valid_F, class_name) / FRAME_RATE_HZ
    nearest = np.abs(times_s[:, None] - starts_s).argmin(0)
    return np.unique(nearest).astype(np.int32)  # two starts may be nearest to one frame of a slow camera


def find_landmarks(video: Path, file: MarksFile, n_frames: int, pose_model: str | None) -> Landmarks:
    """Landmarks of the video: those of the data root, else found now, which takes its time.

    Those of a video in the root's own raw/ are kept, where `build_dataset` would put them. Raises
    ValueError where the root's are another video's, and for a pose model that cannot be used.
    """
    class_name, root = file.path.parent.name, file.path.parents[2]
    path = root / "landmarks" / class_name / f"{video.stem}.npz"
    if path.exists():
        landmarks = load_landmarks(path)
    else:
        from wt_jax.pose import estimator, extraction  # here: whoever proposes nothing needs no MediaPipe

        print(f"finding the person in {n_frames} frames, some 30 a second ...", flush=True)
        landmarks = extraction.extract(video, estimator.pose_model(pose_model))
        is_of_root = video.absolute().parent == (root / "raw" / class_name).absolute()
        if is_of_root and is_writable(path.parent):
            save_landmarks(path, landmarks)
    if len(landmarks.times_s) != n_frames:
        raise ValueError(
            f"{path}: landmarks of {len(landmarks.times_s)} frames, but {video} has {n_frames}: "
            "of another video? remove the file, and they are found anew"
        )
    return landmarks


def restore(checkpoint: Path) -> "Predictor":
    from wt_jax.inference.predictor import Predictor  # here: whoever marks by hand waits for no JAX

    use_compilation_cache()
    return Predictor.restore(checkpoint)


def label(video: Video, session: Session, title: str) -> None:
    """Shows the window until the person is done. What is not saved stays in the draft."""
    shown, is_stale = -1, True
    with Window(title) as window:
        while not session.is_over:
            if session.marks.cursor != shown:
                shown, is_stale = session.marks.cursor, True
                picture_HxWx3 = video.frame(shown)
            if is_stale:
                window.show(draw(picture_HxWx3, session))
            key = window.key(session.wait_ms(time.monotonic()))
            if window.is_closed:
                return
            if key is not None:
                session.press(key, time.monotonic())
            was_playing = session.is_playing
            session.advance(time.monotonic())
            is_stale = key is not None or session.is_playing != was_playing


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m wt_jax.label",
        description="Mark by hand where the repetitions of a video start, in a window.",
        epilog="keys:\n" + "\n".join(f"  {keys:<22}{what}" for keys, what in KEYS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help=f"a video: {' '.join(VIDEO_SUFFIXES)}")
    parser.add_argument(
        "--data",
        metavar="ROOT",
        help="labels go to ROOT/labels (default: beside raw/ of the video, else data)",
    )
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME", help="the exercise (default: the folder in raw/)"
    )
    parser.add_argument(
        "--propose",
        action="store_true",
        help="start from marks that a checkpoint suggests, or without one the joint angle",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="for --propose: marks that this training run's best checkpoint suggests, rather than the angle",
    )
    parser.add_argument(
        "--pose_model",
        metavar="FILE",
        help="for --propose: a pose_landmarker_*.task file (default: WT_JAX_POSE_MODEL, or downloaded)",
    )
    options = parser.parse_args(arguments)
    if options.checkpoint and not options.propose:
        raise ValueError(f"--checkpoint {options.checkpoint}: is for --propose: say both, or neither")

    file = MarksFile(label_path(options.video, options.data, options.class_name))
    class_name = file.path.parent.name
    with Video(options.video) as video:
        check_display()
        if not is_writable(file.path.parent):
            raise ValueError(f"{file.path.parent}: cannot be written: say --data ROOT")
        frames = tqdm(video, desc="reading", total=video.n_frames or None, unit=" frames", disable=None)
        times_s = np.array([time_s for time_s, _ in frames])
        was_there = file.is_there
        marks = file.load(len(times_s))
        if options.propose and not was_there:
            predictor = restore(options.checkpoint) if options.checkpoint else None
            landmarks = find_landmarks(options.video, file, len(times_s), options.pose_model)
            marks.replace(propose(landmarks, class_name, predictor).tolist())
            file.keep(marks)
            print(f"{len(marks.starts)} repetitions proposed: look at each")
        elif options.propose:
            print("--propose not used: there are labels, or a draft, to go on with")
        session = Session(marks, file, times_s)
        label(video, session, f"{class_name}/{options.video.stem}")
    if marks.is_dirty:
        try:
            file.keep(marks)
        except OSError as error:  # the last place to keep them is the screen
            raise ValueError(
                f"nothing saved ({error}); the marks: {' '.join(map(str, marks.starts))}"
            ) from None
        print(f"NOT saved: {len(marks.starts)} marks, kept as a draft; the same command goes on with them")
    elif file.path.exists():
        print(f"{len(marks.starts)} repetitions in {file.path}")
    return 0


if __name__ == "__main__":
    run(main)
