"""One exercise more for a checkpoint: python -m wt_jax.adapt clips/lunges --name lunges."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from wt_jax.adaptation.clips import COUNTED, LABELLED, PROPOSED, Clip, folds_of, read_clips
from wt_jax.adaptation.settings import adapted
from wt_jax.adaptation.trial import judge_left_out, make_judge
from wt_jax.data.builder import fingerprint, has_data
from wt_jax.data.loading import SYNTHETIC, Dataset, load_dataset, synthetic_dataset
from wt_jax.data.recordings import AnyRecording
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.pose.landmark_cache import LandmarkCache
from wt_jax.pose.landmarks import is_video
from wt_jax.pose.model_file import pose_model
from wt_jax.pose.poses import Poses
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.files import cache_folder, is_writable, only_writer
from wt_jax.runtime.printable import printable, tell
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class, check_classes
from wt_jax.train import fit
from wt_jax.training.setup import TrainingRun, start_run

_MOST_FOLDS = 5
_ORIGINS = {
    LABELLED: "labelled",
    COUNTED: "found, as many as were counted",
    PROPOSED: "found by what repeats: look at them with python -m wt_jax.label --propose",
}


class Old:
    """The old exercises: who does them still while a new one is learned, and whom they are judged on."""

    def __init__(self, trained: RestoredModel, root: str | None):
        own = trained.meta["root"]
        self.root = root if root is not None else own if own and has_data(own) else SYNTHETIC
        data = trained.options.data
        self.recordings: list[AnyRecording]
        if self.root == SYNTHETIC:
            self.recordings = synthetic_dataset(
                data.classes, data.synthetic_people, ("val", "test")
            ).recordings
        else:
            built = trained.meta["recordings"] if self.root == own else ""
            cache = cache_folder() / "recordings"
            self.recordings = load_dataset(self.root, built, data.classes, cache, data.max_minutes).recordings
        self.judged = [one.load() for one in self.recordings if one.split == "test"]

    @property
    def is_data(self) -> bool:
        """Whether there are recordings of people beside the synthetic ones."""
        return self.root != SYNTHETIC


def clip_rows(clips: Sequence[Clip], said: Sequence[RecordingResult]) -> list[str]:
    """A table of the clips; `said` of each, left out, in the same order, or nothing."""
    width = max(len("clip"), *(len(printable(clip.path.name)) for clip in clips))
    header = f"{'clip':<{width}}{'seconds':>9}{'repetitions':>13}  {'starts':<12}"
    rows = [header + (f"{'left out':>10}  exercise" if said else "")]
    for i, clip in enumerate(clips):
        recording = clip.recording
        assert recording.starts is not None
        row = f"{printable(clip.path.name):<{width}}{len(recording) / FRAME_RATE_HZ:>9.1f}"
        row += f"{len(recording.starts):>13}  {clip.origin:<12}"
        if said:
            row += f"{said[i].n_end_to_end:>10}  {said[i].class_name or 'nobody seen'}"
        rows.append(row.rstrip())
    return rows


def old_line(results: Sequence[RecordingResult]) -> str:
    """What the judged recordings of the old exercises are scored."""
    counted = [one for one in results if one.is_exercise and one.n_true]
    right = sum(one.class_name == one.recording.class_name for one in results)
    within = sum(abs(one.n_end_to_end - (one.n_true or 0)) <= 1 for one in counted)
    return f"{within} of {len(counted)} counted to within one, exercise right in {right} of {len(results)}"


@contextlib.contextmanager
def folder_for(output: Path) -> Iterator[Path]:
    """A folder beside `output` that takes its place at the end; nothing is left where there is none."""
    beside = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        yield beside
        os.replace(beside, output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def check_output(output: Path) -> None:
    """Raises ValueError where something is there, or nothing can be."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"--output {output}: is there already: name another, or move it away")
    if not is_writable(output):
        raise ValueError(f"--output {output}: cannot be written: name another")


def learn(run: TrainingRun, trained: RestoredModel) -> None:
    """Trains, and keeps the thresholds that the checkpoint had: of few clips none are chosen."""
    with cli.catch_stop() as stop, contextlib.closing(run.checkpoints):
        fit(run, None, stop)
        if run.stopped_by:
            raise KeyboardInterrupt
        served = run.checkpoints.served_step
        assert served is not None
        run.checkpoints.save_counting(served, trained.counting)
        run.progress.history.save(run.workdir)


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = ArgumentParser(
        prog="python -m wt_jax.adapt",
        description="From a folder of a few clips of one exercise to a checkpoint that knows one exercise more. "
        "Where nobody has marked or counted repetitions, they are found by what repeats.",
    )
    parser.add_argument("clips", type=Path, metavar="CLIPS", help="folder of videos or landmark files")
    parser.add_argument("--name", help="what the exercise is called (default: the folder's name)")
    parser.add_argument(
        "--checkpoint",
        default=PRETRAINED,
        metavar="DIR",
        help="workdir of a training run to start from (default: pretrained, the checkpoint in the box)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="the new one's workdir (default: checkpoints/NAME)"
    )
    parser.add_argument(
        "--data",
        metavar="ROOT",
        help="old data, not to be forgotten, beside synthetic people (default: what the checkpoint was trained "
        "on, where that is there; synthetic: none)",
    )
    parser.add_argument(
        "--pose_model",
        metavar="FILE",
        help="a pose_landmarker_*.task file (default: WT_JAX_POSE_MODEL, or downloaded)",
    )
    parser.add_argument("--dry_run", action="store_true", help="look at the clips, say what would be done")
    options = parser.parse_args(arguments)

    began_s = time.perf_counter()
    name = canonical_class(options.name or options.clips.resolve().name)
    check_classes([name], "--name")
    if name == NO_EXERCISE:
        raise ValueError(f"--name {name}: is what is none of the exercises")
    if not options.clips.is_dir():
        raise ValueError(f"{options.clips}: no such folder: give one with videos or landmark files")
    output = options.output or Path("checkpoints") / name
    check_output(output)
    jax_setup.use_compilation_cache()
    trained = restore_model(options.checkpoint, jax.local_devices())
    videos = any(map(is_video, options.clips.rglob("*.*[!zv]")))
    model = pose_model(options.pose_model) if videos else None
    poses = Poses(model, LandmarkCache() if model else None)
    clips, failed = read_clips(options.clips, name, lambda path: poses.look_at(path)[0])
    for path, reason in failed.items():
        tell(f"error: {path}: {reason}")
    if not clips:
        raise ValueError(f"{options.clips}: no clip to learn from")
    old = Old(trained, options.data)
    folds = folds_of(clips, _MOST_FOLDS)
    if options.dry_run:
        print("\n".join(clip_rows(clips, [])))
    print_origins(clips)
    known = name in trained.options.data.classes
    print(
        f"{trained.name} learns {name}{' further' if known else ''} from {len(clips)} "
        f"clip{'s'[: len(clips) > 1]}, beside {old.root if old.is_data else 'synthetic people'} that "
        f"keep{'s' if old.is_data else ''} {', '.join(trained.options.data.classes)}; {how_judged(folds)}",
        flush=True,
    )
    if options.dry_run:
        print(f"nothing done (--dry_run); the checkpoint would be in {output}")
        return cli.USER_ERROR if failed else 0

    recordings = [clip.recording for clip in clips]
    dataset = Dataset(str(options.clips), [*recordings, *old.recordings], "")
    with folder_for(output) as workdir, only_writer(workdir):
        settings = adapted(
            trained.options,
            name,
            options.checkpoint,
            options.clips,
            old.root if old.is_data else "",
            str(workdir),
        )
        parent = parent_of(trained)
        with contextlib.redirect_stdout(open(workdir / "log.txt", "w")):
            run = start_run(
                settings, Dataset(dataset.data, dataset.recordings, fingerprint(dataset.recordings)), parent
            )
        judge = make_judge(settings, trained.counting)
        before = make_judge(trained.options, trained.counting)(trained.params, old.judged)
        left_out = judge_left_out(run, parent, recordings, folds, judge)
        order = {one.recording.name: one for one in left_out}
        print("\n".join(clip_rows(clips, [order[one.name] for one in recordings] if order else [])))
        learn(run, trained)
        after = judge(run.progress.state.eval_params, old.judged)
    print(f"old exercises before: {old_line(before)}\nold exercises after:  {old_line(after)}")
    print(
        f"{output}: knows {', '.join(settings.data.classes)}; {time.perf_counter() - began_s:.0f} s\n"
        f"next: python -m wt_jax.predict VIDEO --checkpoint {output}"
    )
    return cli.USER_ERROR if failed else 0


def print_origins(clips: Sequence[Clip]) -> None:
    """Who says where repetitions start, of how many clips."""
    for origin, words in _ORIGINS.items():
        if n := sum(clip.origin == origin for clip in clips):
            print(f"starts of {n} clip{'s'[: n > 1]}: {words}")


def how_judged(folds: Sequence[Sequence[int]]) -> str:
    """What the score of the clips will be worth."""
    if not folds:
        return "all of one person or video, so that nothing honest can be said of others"
    if all(len(fold) == 1 for fold in folds):
        return "each clip is judged by a training without it"
    return f"judged {len(folds)} times, each by a training without those people"


if __name__ == "__main__":
    cli.run(main)
