"""`python -m wt_jax.label VIDEO|FOLDER [--propose]`: mark in a window where repetitions start.

`--check ROOT` lists labels that a trained model contradicts.
"""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wt_jax.data.loading import copy_of_data
from wt_jax.labeling.editor import KEYS, Editor
from wt_jax.labeling.marked_starts import LEAST_S, MarkedStartsFile
from wt_jax.labeling.session import Restore, Session, open_session, show
from wt_jax.labeling.view import draw_notice
from wt_jax.labeling.worklist import FOLDERS, Worklist, at_root, is_class_folder
from wt_jax.pose.landmarks import LANDMARKS_SUFFIX
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.cli import run
from wt_jax.runtime.inputs import check_file
from wt_jax.runtime.jax_setup import use_compilation_cache
from wt_jax.runtime.printable import printable
from wt_jax.skeleton import NO_EXERCISE, canonical_class, check_classes
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import place, url_of
from wt_jax.video.formats import VIDEO_SUFFIXES
from wt_jax.video.window import Window, check_display

if TYPE_CHECKING:
    from wt_jax.inference.predictor import Predictor

_FOLDS = 5
_LEFT = 1  # exit status: a folder is not done yet


def label_path(video: Path, root: str | None, class_name: str | None) -> Path:
    """The label file of a video, or of landmarks: `root/labels/<class>/<video>.csv`.

    A video in `ROOT/raw/<class>/` says both by itself. Else the root is `data`, and the class has to be
    given. Raises ValueError where it is not, or has no repetitions.
    """
    in_root = is_class_folder(video.parent)
    if class_name is None and not in_root:
        raise ValueError(f"{video}: not in raw/<class>/, so which exercise is it? say --class NAME")
    name = canonical_class(class_name if class_name is not None else video.absolute().parent.name)
    check_classes([name], "--class" if class_name is not None else f"{video}: folder")
    if name == NO_EXERCISE:
        raise ValueError(f"{video}: {NO_EXERCISE} has no repetitions to mark, and needs no labels")
    if root is None:
        root = str(video.absolute().parents[2]) if in_root else "data"
    return Path(root) / "labels" / name / f"{video.stem}.csv"


def find_videos(folder: Path) -> list[Path]:
    """What there is to label in a folder: of a class, or raw/ with its classes, or the data root above it.

    Videos, or, where there are none, landmark files; sorted, without those of no-exercise. Raises
    ValueError where there is nothing.
    """
    inside = [folder, *(path for name in FOLDERS if (path := folder / name).is_dir())]
    for suffixes in (VIDEO_SUFFIXES, (LANDMARKS_SUFFIX,)):
        for where in reversed(inside):  # raw/ before what lies beside it
            found = sorted(
                path
                for pattern in ("[!.]*", "[!.]*/[!.]*")
                for path in where.glob(pattern)
                if path.suffix.lower() in suffixes and canonical_class(path.parent.name) != NO_EXERCISE
            )
            if found:
                return found
    raise ValueError(
        f"{folder}: no videos ({' '.join(VIDEO_SUFFIXES)}) to label: give a folder of videos, or of folders "
        "each with the videos of one exercise"
    )


def restore(checkpoint: str | None, class_name: str) -> "tuple[Predictor | None, str]":
    """What proposes marks, None for what repeats, and what it is called.

    Without `checkpoint` that is the one in the box. One that does not know the exercise proposes nothing.
    """
    from wt_jax.inference import pretrained  # here: marking by hand starts without importing JAX
    from wt_jax.inference.predictor import Predictor

    if checkpoint is None:
        checkpoint = pretrained.PRETRAINED
        if class_name not in pretrained.read_about(pretrained.BOX)["meta"]["config"]["data.classes"]:
            return None, f"what repeats (the checkpoint in the box knows no {class_name})"
    use_compilation_cache()
    predictor = Predictor.restore(checkpoint)
    if class_name not in predictor.classes:
        return None, f"what repeats ({checkpoint} knows no {class_name})"
    return predictor, checkpoint


def label(session: Session, title: str) -> None:
    """Shows the window until the person is done. What is not saved stays in the draft."""
    with Window(title) as window:
        show(window, session)


def label_folder(worklist: Worklist, title: str, restore: Restore | None, pose_model: str | None) -> None:
    """Shows one video after another, in the window and in the order that the person wants."""
    with Window(title) as window:
        is_open = True
        while is_open:
            window.show(draw_notice(f"{worklist.video.name} is being read ..."))
            window.key(1)
            try:
                session = open_session(worklist.video, worklist.file, restore, pose_model, True)
            except (ValueError, OSError) as error:
                worklist.failed[worklist.video] = str(error)
                print(printable(f"cannot be opened: {error}"))
                way_on = _ask_way_on(window, f"{error}   (f, b: next, previous video; q: quit)")
            else:
                with session:
                    is_open = show(window, session, worklist)
                print(printable(what_became_of(session.editor)))
                way_on = session.editor.way_on
            worklist.note()
            is_open = is_open and way_on != "q"
            if way_on == "g":
                worklist.go_to_next_left()
            else:
                worklist.go({"f": 1, "b": -1}.get(way_on, 0))


def _ask_way_on(window: Window, text: str) -> str:
    window.show(draw_notice(text))
    while not window.is_closed:
        if (key := window.key(30)) in ("f", "b", "g", "q"):
            return key
    return "q"


def what_became_of(editor: Editor) -> str:
    """What is left of the work on one video; keeps a draft that could not be written before.

    Raises ValueError, with the marks, where it still cannot.
    """
    marks, file = editor.marks, editor.file
    n = len(marks.starts)
    said = f"no labels of {file.path.stem}"
    if marks.is_dirty:
        try:
            file.keep(marks)
        except OSError as error:  # the last place to keep them is the screen
            raise ValueError(
                f"nothing saved ({error}); the marks: {' '.join(map(str, marks.starts))}"
            ) from None
        said = f"NOT saved: {n} marks, kept as a draft; the same command goes on with them"
    elif file.path.exists():
        said = f"{n} repetitions in {file.path}"
    if close := editor.too_close:
        frames = ", ".join(map(str, close[:5])) + ", ..." * (len(close) > 5)
        said += f"; warning: {len(close)} under {LEAST_S:g} s after another, at frame {frames}"
    return said


def what_is_left(worklist: Worklist) -> str:
    """The last line of a folder: how many are done, repetitions by exercise, and which are left."""
    counts = ", ".join(f"{name} {count}" for name, count in worklist.counts.items())
    left = worklist.left
    said = f"{worklist.n_done} of {len(worklist.videos)} done ({counts} repetitions)"
    if not left:
        return said
    names = ", ".join(video.name for video in left[:5]) + ", ..." * (len(left) > 5)
    return f"{said}; {len(left)} left: {names}; the same command goes on"


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status, 1 where videos of a folder are left to label."""
    options = _parser().parse_args(arguments)
    if options.check is not None:
        return _check(options)
    for name in ("folds", "config", "workdir", "output"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} {getattr(options, name)}: is for --check: say --check ROOT")
    if options.video is None:
        raise ValueError(
            "no video given: say VIDEO, or a folder of videos, or --check ROOT; --help says more"
        )
    checkpoints = options.checkpoint or []
    if checkpoints and not options.propose:
        raise ValueError(f"--checkpoint {checkpoints[0]}: is for --propose: say both, or neither")
    if len(checkpoints) > 1:
        raise ValueError(f"--checkpoint {checkpoints[1]}: is the second; several are for --check")
    given = at_root(options.video)
    is_folder = given.is_dir()
    if not is_folder:
        check_file(given, "a video")
    videos = find_videos(given) if is_folder else [given]
    root = None if options.data is None else str(copy_of_data(options.data))
    files = [MarkedStartsFile(label_path(video, root, options.class_name)) for video in videos]
    checkpoint = next(iter(checkpoints), None)
    proposer = functools.cache(functools.partial(restore, checkpoint)) if options.propose else None
    for folder in {file.path.parent for file in files}:
        if not Outbox(url_of(folder) or folder).is_writable:
            raise ValueError(f"{folder}: cannot be written: say --data ROOT")
    check_display()
    if is_folder:
        worklist = Worklist(videos, files)
        label_folder(worklist, given.absolute().name, proposer, options.pose_model)
        print(printable(what_is_left(worklist)))
        return _LEFT if worklist.left else 0
    with open_session(given, files[0], proposer, options.pose_model) as session:
        label(session, f"{files[0].path.parent.name}/{given.stem}")
    print(printable(what_became_of(session.editor)))
    return 0


def _check(options: argparse.Namespace) -> int:
    from wt_jax.check_labels import (  # here: marking by hand needs no JAX
        check,
        check_list_path,
        check_workdir,
        report,
    )

    for name in ("video", "data", "class_name", "pose_model"):
        if getattr(options, name) is not None:
            raise ValueError(f"--check {options.check}: goes without {name}: {getattr(options, name)}")
    if options.propose:
        raise ValueError(f"--check {options.check}: goes without --propose")
    if options.output:
        check_list_path(options.output)
    found, n_judged = check(
        options.check,
        options.folds if options.folds is not None else _FOLDS,
        options.checkpoint or [],
        options.config,
        check_workdir(options.workdir or "checkpoints/check"),
    )
    report(found, n_judged, options.check, options.output)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m wt_jax.label",
        description="Mark by hand where the repetitions of a video, or of each in a folder, start, in a "
        "window.",
        epilog="keys:\n" + "\n".join(f"  {keys:<22}{what}" for keys, what in KEYS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "video",
        type=place,
        nargs="?",
        metavar="VIDEO",
        help=f"a video: {' '.join(VIDEO_SUFFIXES)}; or a folder of them; or landmarks, shown as a skeleton",
    )
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
        help="start from marks that a checkpoint suggests, or of an exercise new to it from what repeats",
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        metavar="DIR",
        help="for --propose: workdir of a training run (default: pretrained, the checkpoint in the box); "
        "for --check: what judges recordings it was not trained on, may be given several times",
    )
    add_pose_model(parser, "for --propose: ")
    checking = parser.add_argument_group("labels that a model contradicts")
    checking.add_argument(
        "--check",
        metavar="ROOT",
        help="list the recordings of a data root whose labels are contradicted by a model that was trained "
        "on the other people there, the worst first: minutes of training, kept for the next time",
    )
    checking.add_argument(
        "--folds", type=int, metavar="N", help=f"models that are trained for --check (default: {_FOLDS})"
    )
    checking.add_argument("--config", metavar="FILE", help="how they are trained (default: quickly)")
    checking.add_argument("--workdir", metavar="DIR", help="where they are kept (default: checkpoints/check)")
    checking.add_argument("--output", type=place, metavar="FILE", help="write all that is found, as CSV")
    return parser


if __name__ == "__main__":
    run(main)
