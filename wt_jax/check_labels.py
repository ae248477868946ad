"""`label --check ROOT`: labels that are contradicted by a model which was not trained on them.

Cross-fitting: the people of a data root are dealt into folds, and each fold is judged by a model that was
trained on the others, beside synthetic people.
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from wt_jax import config
from wt_jax.counting.prediction import read_timeline
from wt_jax.data.builder import has_data
from wt_jax.data.folds import fold_of_groups, groups_by_kind
from wt_jax.data.loading import Dataset, copy_of_data, load_dataset, why_no_data
from wt_jax.data.recordings import AnyRecording, Recording
from wt_jax.inference.restore import restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.labeling.contradictions import Contradiction, find_contradiction, table
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.config_flags import parse
from wt_jax.runtime.files import only_writer, written_beside
from wt_jax.skeleton import NO_EXERCISE, canonical_class, is_class_name
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import is_remote, local, resolved, split, url_of
from wt_jax.train import calibrate_best, find_parent, fit
from wt_jax.training.setup import start_run
from wt_jax.video.formats import VIDEO_SUFFIXES

_SHOWN = 10  # contradictions on the screen, of starts and of exercises
_COLUMNS = (
    "recording", "labelled", "found", "no_label_s", "label_too_many_s", "says", "weight", "command",
)  # fmt: skip
_CLASS_FOLDERS = ("landmarks", "recordings", "raw")  # of a data root
_OVER = "judges"  # file in a fold's workdir: its training is over


def own_config(classes: tuple[str, ...]) -> config.Config:
    """How a model is trained where nobody says: experiments/best.py's settings, for half as long."""
    return config.Config(
        data=config.Data(
            classes=classes,
            window_frames=48,
            window_step=3,
            overhang=0.4,
            stride_frames=3,
            eval_stride_frames=36,
            inputs=("angles", "orientation", "lengths", "normalised"),
            positive_ratio=0.6,
            balance_sources=True,
            balance_power=0.5,
            synthetic=0.5,
            synthetic_people=60,
        ),
        labels=config.Labels(width_frames=6.0, rest=False),
        augment=config.Augment(
            mirror=True, speed=0.35, yaw_deg=40.0, pitch_deg=20.0, roll_deg=10.0, jitter=0.03
        ),
        model=config.Model(filters=64, blocks=5, dilations=(1, 2, 4, 8, 16)),
        optimizer=config.Optimizer(learning_rate=1e-3, weight_decay=1e-2),
        train=config.Train(epochs=10, windows_per_epoch=6400, average=0.995, select="last"),
    )


def deal(recordings: Sequence[AnyRecording], folds: int, fold: int) -> dict[str, str]:
    """Group -> its split while `fold` is judged ("test"); of the others about a tenth is validation.

    Groups are dealt by class, and by whether repetitions are known, the largest first.
    """
    kinds = groups_by_kind(recordings)
    fold_of, splits = fold_of_groups(kinds, folds), {}
    for of_kind in kinds:
        rest = [group for group in of_kind if fold_of[group] != fold]
        val = set(rest[len(rest) // 2 :: 5]) if len(rest) > 1 else set()
        for group in of_kind:
            splits[group] = "val" if group in val else "train" if group in rest else "test"
    return splits


def cross_fit(
    dataset: Dataset, options: config.Config, folds: int, workdir: Path
) -> Iterator[tuple[RestoredModel, list[Recording]]]:
    """For each fold a model that was trained on the others, and the recordings that it may judge.

    What is trained is kept in `workdir`, and taken up again. Raises ValueError where a fold cannot be trained
    on, KeyboardInterrupt or Terminated once a signal has stopped and saved the training.
    """
    for fold in range(folds):
        splits = deal(dataset.recordings, folds, fold)
        recordings = [dataclasses.replace(one, split=splits[one.group]) for one in dataset.recordings]
        of_fold = dataclasses.replace(dataset, recordings=recordings)
        to_judge = of_fold.load("test")
        if not to_judge:
            continue
        if not of_fold.split("train") or not of_fold.split("val"):
            raise ValueError(
                f"{dataset.data}: too few people for some to be judged by a model of the others, in {folds} "
                "folds: try more --folds, or --checkpoint pretrained, which needs no training"
            )
        place = workdir / f"fold{fold}"
        if not (place / _OVER).exists():
            n_train = len(of_fold.split("train"))
            print(f"fold {fold + 1} of {folds}: trains on {n_train} recordings, judges {len(to_judge)}")
            _train(config.unflatten(config.flatten(options) | {"workdir": str(place)}), of_fold)
            (place / _OVER).touch()
        yield restore_model(place, jax.local_devices()), to_judge


def _train(options: config.Config, dataset: Dataset) -> None:
    with only_writer(options.workdir), cli.catch_stop() as stop:
        run = start_run(options, dataset, find_parent(options))
        with contextlib.closing(run.checkpoints):
            fit(run, None, stop)
            if run.is_over:
                calibrate_best(run)
    if not run.is_over:
        print(f"saved in {options.workdir}: the same command goes on from there")
        raise stop.exception


def judges_of(
    checkpoints: Sequence[str], recordings: Sequence[Recording]
) -> Iterator[tuple[RestoredModel, list[Recording]]]:
    """Each checkpoint, and the recordings that it may judge: not trained on, and not judged before."""
    waiting = list(recordings)
    for name in checkpoints:
        folders = [] if is_remote(name) else sorted(str(p.parent) for p in local(name).glob(f"fold*/{_OVER}"))
        for folder in folders or [name]:
            trained = restore_model(folder, jax.local_devices())
            may = [
                one
                for one in waiting
                if one.content not in trained.trained_on and one.class_name in trained.options.data.classes
            ]
            waiting = [one for one in waiting if not any(one is other for other in may)]
            if may:
                yield trained, may
    if waiting:
        print(f"{len(waiting)} recordings were trained on, or are of an exercise that was not: not judged")


def check(
    root: str, folds: int, checkpoints: Sequence[str], experiment: str | None, workdir: Path
) -> tuple[list[Contradiction], int]:
    """Contradictions in the labels of a data root, and how many recordings were judged.

    First those of starts, then those of the exercise alone, the worst of each first.
    By the checkpoints where there are any, else by cross-fitting, with the settings of the file `experiment`.
    Raises ValueError for data, checkpoints and settings that cannot be used.
    """
    if folds < 2:
        raise ValueError(f"--folds {folds}: must be 2 or more")
    here = copy_of_data(root)
    if not has_data(here):
        raise ValueError(why_no_data(root))
    jax_setup.use_compilation_cache()
    options = (
        config.check(own_config(_classes_of(here))) if experiment is None else parse(["--config", experiment])
    )
    data = options.data
    dataset = load_dataset(
        root, "", data.classes, workdir / "recordings", data.max_minutes, data.synthetic_people
    )
    if checkpoints:
        judges = judges_of(checkpoints, dataset.load("train", "val", "test"))
    else:
        n_people = len({one.group for one in dataset.recordings})
        if folds > n_people:
            print(f"{n_people} people in {root}: as many folds, not {folds}")
            folds = n_people
        about = repr((sorted(config.flatten(options).items()), folds))
        digest = hashlib.sha256((dataset.fingerprint + about).encode()).hexdigest()[:8]
        place = workdir / f"{Path(resolved(root)).name}-{digest}"
        print(f"cross-fitting in {place}: what is trained stays there")
        judges = cross_fit(dataset, options, folds, place)
    found, n_judged = [], 0
    for trained, recordings in judges:
        timelines = make_timelines(trained.options)(trained.params, recordings)
        n_judged += len(recordings)
        for recording, timeline in zip(recordings, timelines, strict=True):
            one = find_contradiction(recording, read_timeline(timeline, trained.counting, 0.0))
            found += [one] if one else []
    return sorted(found, key=lambda one: (not one.is_of_starts, -one.weight, one.recording)), n_judged


def check_list_path(output: Path | str) -> None:
    """Raises ValueError where the list cannot be written to `output`."""
    folder, name = split(output)
    outbox = Outbox(folder)
    if not name or (outbox.folder / name).is_dir() or not outbox.is_writable:
        raise ValueError(f"--output {output}: must be a file in a folder that can be written")


def check_workdir(place: str) -> Path:
    """Where models are kept. Raises ValueError for a bucket: what can be trained again needs none."""
    if is_remote(place):
        raise ValueError(
            f"--workdir {place}: what is trained for --check stays on this machine: name a folder"
        )
    return local(place)


def as_csv(found: Sequence[Contradiction], root: str) -> str:
    """All of it, one row a recording."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for one in found:
        times = (" ".join(f"{time_s:.2f}" for time_s in of) for of in (one.missing_s, one.extra_s))
        labelled = "" if one.n_labelled is None else one.n_labelled
        command = command_for(root, one.recording)
        rows.writerow([one.recording, labelled, one.n_found, *times, one.says, f"{one.weight:.2f}", command])
    return text.getvalue()


def report(found: Sequence[Contradiction], n_judged: int, root: str, output: Path | str | None) -> None:
    """Prints the worst, and the command that opens each; writes all to `output`, as CSV.

    Where that cannot be written any more, all is printed: it took minutes.
    """
    if output:
        folder, name = split(output)
        outbox = Outbox(folder)
        try:
            with written_beside(outbox.folder / name) as beside, beside.open("w", newline="") as file:
                file.write(as_csv(found, root))
            outbox.send()
        except (OSError, ValueError):
            print(as_csv(found, root))
            raise
    of_starts = [one for one in found if one.is_of_starts]
    of_exercise = [one for one in found if not one.is_of_starts]
    for what, ones in (("starts", of_starts), ("the exercise", of_exercise)):
        if ones:
            print(f"{what} of {len(ones)} recordings, the worst first:")
            print(table(ones[:_SHOWN]))
            print("to look at them:")
            print("\n".join(command_for(root, one.recording) for one in ones[:_SHOWN]))
    where = f"all: {output}" if output else "--output FILE writes all"
    print(
        f"{len(found)} of {n_judged} recordings are contradicted, {len(of_starts)} in their starts; {where}"
    )


def command_for(root: str, name: str) -> str:
    """What opens a recording to be looked at: its video, or where there is none its landmarks."""
    class_name, stem = name.split("/")
    here = local(root)
    videos = [path for suffix in VIDEO_SUFFIXES for path in here.glob(f"raw/*/*{suffix}")]
    fitting = [p for p in videos if (canonical_class(p.parent.name), p.stem) == (class_name, stem)]
    path = fitting[0] if fitting else here / "landmarks" / class_name / f"{stem}.npz"
    name = shlex.quote(url_of(path) or str(path))
    if class_name == NO_EXERCISE:
        return f"python -m wt_jax.predict {name} --output results"
    return f"python -m wt_jax.label {name}"


def _classes_of(root: Path) -> tuple[str, ...]:
    """The classes that a data root has folders of, and no-exercise. Raises ValueError where that is all."""
    folders = sorted(path for of in _CLASS_FOLDERS for path in (root / of).glob("[!.]*") if path.is_dir())
    names = dict.fromkeys(name for path in folders if is_class_name(name := canonical_class(path.name)))
    exercises = [name for name in names if name != NO_EXERCISE]
    if not exercises:
        raise ValueError(f"data root {root}: no folder of an exercise, landmarks/<class>, in it")
    return (*exercises, NO_EXERCISE)
