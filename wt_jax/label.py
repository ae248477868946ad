"""Mark by hand where repetitions start, in a window: python -m wt_jax.label VIDEO [--propose]."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wt_jax.labeling.editor import KEYS, Editor
from wt_jax.labeling.marked_starts import MarkedStartsFile
from wt_jax.labeling.proposals import find_landmarks, propose
from wt_jax.labeling.view import draw
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.cli import run
from wt_jax.runtime.files import is_writable
from wt_jax.runtime.jax_setup import use_compilation_cache
from wt_jax.runtime.printable import printable
from wt_jax.runtime.progress import Progress
from wt_jax.skeleton import NO_EXERCISE, canonical_class, check_classes
from wt_jax.video.formats import VIDEO_SUFFIXES
from wt_jax.video.reader import Video
from wt_jax.video.window import Window, check_display

if TYPE_CHECKING:
    from wt_jax.inference.predictor import Predictor


def label_path(video: Path, root: str | None, class_name: str | None) -> Path:
    """The label file of a video: `root/labels/<class>/<video>.csv`.

    A video in `ROOT/raw/<class>/` says both by itself. Else the root is `data`, and the class has to be
    given. Raises ValueError where it is not, or has no repetitions.
    """
    in_raw = video.absolute().parent.parent.name == "raw"
    if class_name is None and not in_raw:
        raise ValueError(f"{video}: not in raw/<class>/, so which exercise is it? say --class NAME")
    name = canonical_class(class_name if class_name is not None else video.absolute().parent.name)
    check_classes([name], "--class" if class_name is not None else f"{video}: folder")
    if name == NO_EXERCISE:
        raise ValueError(f"{video}: {NO_EXERCISE} has no repetitions to mark, and needs no labels")
    if root is None:
        root = str(video.absolute().parents[2]) if in_raw else "data"
    return Path(root) / "labels" / name / f"{video.stem}.csv"


def restore(checkpoint: str | None, class_name: str) -> "tuple[Predictor | None, str]":
    """What proposes marks, None for the joint angle, and what it is called.

    Without `checkpoint` that is the one in the box, where it knows the exercise.
    """
    from wt_jax.inference import pretrained  # here: marking by hand starts without importing JAX
    from wt_jax.inference.predictor import Predictor

    if checkpoint is None:
        checkpoint = pretrained.PRETRAINED
        if class_name not in pretrained.read_about(pretrained.BOX)["meta"]["config"]["data.classes"]:
            return None, f"the joint angle (the checkpoint in the box knows no {class_name})"
    use_compilation_cache()
    return Predictor.restore(checkpoint), checkpoint


def label(video: Video, editor: Editor, title: str) -> None:
    """Shows the window until the person is done. What is not saved stays in the draft."""
    shown, is_stale = -1, True
    with Window(title) as window:
        while not editor.is_over:
            if editor.marks.cursor != shown:
                shown, is_stale = editor.marks.cursor, True
                picture_HxWx3 = video.frame(shown)
            if is_stale:
                window.show(draw(picture_HxWx3, editor))
            key = window.key(editor.wait_ms(time.monotonic()))
            if window.is_closed:
                return
            if key is not None:
                editor.press(key, time.monotonic())
            was_playing = editor.is_playing
            editor.advance(time.monotonic())
            is_stale = key is not None or editor.is_playing != was_playing


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = ArgumentParser(
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
        help="start from marks that a checkpoint suggests, or of an exercise new to it the joint angle",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="for --propose: workdir of a training run (default: pretrained, the checkpoint in the box)",
    )
    parser.add_argument(
        "--pose_model",
        metavar="FILE",
        help="for --propose: a pose_landmarker_*.task file (default: WT_JAX_POSE_MODEL, or downloaded)",
    )
    options = parser.parse_args(arguments)
    if options.checkpoint and not options.propose:
        raise ValueError(f"--checkpoint {options.checkpoint}: is for --propose: say both, or neither")

    file = MarkedStartsFile(label_path(options.video, options.data, options.class_name))
    class_name = file.path.parent.name
    with Video(options.video) as video:
        check_display()
        if not is_writable(file.path.parent):
            raise ValueError(f"{file.path.parent}: cannot be written: say --data ROOT")
        times = []
        with Progress("reading", "frames", video.n_frames or None) as progress:
            for time_s, _ in video:
                times.append(time_s)
                progress.update()
        times_s = np.array(times)
        was_there = file.is_there
        marks = file.load(len(times_s))
        if options.propose and not was_there:
            predictor, name = restore(options.checkpoint, class_name)
            landmarks = find_landmarks(options.video, file, len(times_s), options.pose_model)
            marks.replace(propose(landmarks, class_name, predictor).tolist())
            file.keep(marks)
            print(f"{len(marks.starts)} repetitions proposed by {name}: look at each")
        elif options.propose:
            print("--propose not used: there are labels, or a draft, to go on with")
        editor = Editor(marks, file, times_s)
        label(video, editor, f"{class_name}/{options.video.stem}")
    if marks.is_dirty:
        try:
            file.keep(marks)
        except OSError as error:  # the last place to keep them is the screen
            raise ValueError(
                f"nothing saved ({error}); the marks: {' '.join(map(str, marks.starts))}"
            ) from None
        print(f"NOT saved: {len(marks.starts)} marks, kept as a draft; the same command goes on with them")
    elif file.path.exists():
        print(printable(f"{len(marks.starts)} repetitions in {file.path}"))
    return 0


if __name__ == "__main__":
    run(main)
