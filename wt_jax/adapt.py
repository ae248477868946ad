"""One exercise more for a checkpoint, from a few clips: python -m wt_jax.adapt clips/lunges."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import jax

from wt_jax.adaptation.clips import COUNTED, LABELLED, PROPOSED, Clip, folds_of, read_clips
from wt_jax.adaptation.old_exercises import OldExercises, find_old
from wt_jax.adaptation.settings import adapted, adapted_counting
from wt_jax.adaptation.trial import judge_left_out, make_judge
from wt_jax.counting.decoding import Counting
from wt_jax.data.builder import fingerprint
from wt_jax.data.loading import Dataset
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.inference.input_files import find_input_files
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.pose.landmark_cache import LandmarkCache
from wt_jax.pose.landmarks import is_video
from wt_jax.pose.model_file import pose_model
from wt_jax.pose.poses import Poses
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.files import is_writable, only_writer, written_beside
from wt_jax.runtime.printable import printable, tell
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE, canonical_class, check_classes
from wt_jax.train import fit
from wt_jax.training.setup import TrainingRun, start_run

_MOST_FOLDS = 5
_ORIGINS = {
    LABELLED: "from label files",
    COUNTED: "found by what repeats, as many as were counted",
    PROPOSED: "found by what repeats; python -m wt_jax.label --propose shows them, to be mended",
}


def adapt(
    trained: RestoredModel, name: str, clips: Sequence[Clip], old: OldExercises, folder: Path, output: Path
) -> list[str]:
    """Learns, and leaves the new checkpoint in `output`, whole or not at all; returns what to say of it."""
    recordings = [clip.recording for clip in clips]
    counting = adapted_counting(trained.counting, trained.options, name)
    judged = old.judged()
    before = make_judge(trained.options, trained.counting)(trained.params, judged)
    everyone = [*recordings, *old.replayed]
    parent = parent_of(trained)
    with written_beside(output) as workdir, only_writer(workdir):
        settings = adapted(trained.options, name, trained.name, folder, workdir)
        with (workdir / "log.txt").open("w") as log, contextlib.redirect_stdout(log):
            run = start_run(settings, Dataset(str(folder.resolve()), everyone, fingerprint(everyone)), parent)
        judge = make_judge(settings, counting)
        said = judge_left_out(run, parent, recordings, folds_of(clips, _MOST_FOLDS), judge)
        print("\n".join(clip_rows(clips, said)), flush=True)
        learn(run, counting)
        after = judge(run.progress.state.eval_params, judged)
    return [
        f"old exercises before: {old_words(before)}",
        f"old exercises after:  {old_words(after)}",
        f"{output}: knows {', '.join(settings.data.classes)}",
    ]


def learn(run: TrainingRun, counting: Counting) -> None:
    """Trains, and keeps how the checkpoint is read. Raises KeyboardInterrupt or Terminated for a signal."""
    with cli.catch_stop() as stop, contextlib.closing(run.checkpoints):
        fit(run, None, stop)
        if run.stopped_by:
            raise stop.exception
        served = run.checkpoints.served_step
        assert served is not None
        run.checkpoints.save_counting(served, counting)
        run.progress.history.save(run.workdir)


def clip_rows(clips: Sequence[Clip], said: Sequence[RecordingResult] = ()) -> list[str]:
    """A table of the clips; `said`: what a training without each says of it."""
    of_each = {one.recording.name: one for one in said}
    width = max(len("clip"), *(len(printable(clip.path.name)) for clip in clips))
    rows = [f"{'clip':<{width}}{'seconds':>9}{'repetitions':>13}  {'known from':<11}"]
    rows[0] += f"{'left out':>10}  exercise" if of_each else ""
    for clip in clips:
        recording = clip.recording
        row = (
            f"{printable(clip.path.name):<{width}}{len(recording) / FRAME_RATE_HZ:>9.1f}{_n_starts(clip):>13}"
        )
        row += f"  {clip.origin:<11}"
        if one := of_each.get(recording.name):
            counted = [repetition.class_name for repetition in one.repetitions]
            named = max(dict.fromkeys(counted), key=counted.count, default=NO_EXERCISE)
            row += f"{one.n_end_to_end:>10}  {named}"
        rows.append(row.rstrip())
    return rows


def old_words(results: Sequence[RecordingResult]) -> str:
    """What is right of recordings of the old exercises."""
    counted = [one for one in results if one.is_exercise and one.n_true]
    within = sum(abs(one.n_end_to_end - (one.n_true or 0)) <= 1 for one in counted)
    named = sum(one.class_name == one.recording.class_name for one in results)
    return f"{within} of {len(counted)} counted to within one, exercise right in {named} of {len(results)}"


def plan(trained: RestoredModel, name: str, clips: Sequence[Clip], old: OldExercises) -> list[str]:
    """What would be done, and what the score of the clips will be worth."""
    numbers = {words: sum(clip.origin == origin for clip in clips) for origin, words in _ORIGINS.items()}
    lines = [f"starts of {_clips(n)}: {words}" for words, n in numbers.items() if n]
    classes = trained.options.data.classes
    more = " further" if name in classes else ""
    who = f"{old.root} and synthetic people" if old.is_of_people else "synthetic people"
    folds = folds_of(clips, _MOST_FOLDS)
    how = "all are of one person or video, so that they cannot say how good it is"
    if folds:
        how = f"in {len(folds)} trials each is judged by a training without its person"
    if folds and all(len(fold) == 1 for fold in folds):
        how = "left out one by one, each is judged by a training without it"
    return [
        *lines,
        f"{trained.name} learns {name}{more} from {_clips(len(clips))}; {who} keep {', '.join(classes)}",
        f"how good it is: {how}",
    ]


def _n_starts(clip: Clip) -> int:
    return 0 if clip.recording.starts is None else len(clip.recording.starts)


def _clips(n: int) -> str:
    return f"{n} clip{'s'[: n != 1]}"


def check_output(output: Path) -> None:
    """Raises ValueError where something is there, or nothing can be."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"--output {output}: is there already: name another, or move it away")
    if not is_writable(output):
        raise ValueError(f"--output {output}: cannot be written: name another")


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    parser = ArgumentParser(
        prog="python -m wt_jax.adapt",
        description="From a few clips of one exercise to a checkpoint that knows one exercise more. Where "
        "nobody has marked or counted the repetitions, they are found by what repeats.",
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
        help="old data that is not to be forgotten (default: what the checkpoint was trained on, where that "
        "is there; synthetic: synthetic people alone)",
    )
    add_pose_model(parser)
    parser.add_argument("--dry_run", action="store_true", help="look at the clips, say what would be done")
    options = parser.parse_args(arguments)

    began_s = time.perf_counter()
    name = canonical_class(options.name or options.clips.resolve().name)
    check_classes([name], "--name")
    if name == NO_EXERCISE:
        raise ValueError(f"--name {name}: that is what is none of the exercises")
    if not options.clips.is_dir():
        raise ValueError(f"{options.clips}: no such folder: give one with videos or landmark files")
    output = options.output or Path("checkpoints") / name
    check_output(output)
    jax_setup.use_compilation_cache()
    trained = restore_model(options.checkpoint, jax.local_devices())
    sources, failed = find_input_files([options.clips], None)
    model = pose_model(options.pose_model) if any(map(is_video, sources)) else None
    poses = Poses(model, LandmarkCache() if model else None)
    clips, unusable = read_clips(options.clips, sources, name, lambda path: poses.look_at(path)[0])
    failed |= unusable
    for path, reason in failed.items():
        tell(f"error: {path}: {reason}")
    if not clips:
        raise ValueError(f"{options.clips}: no clip to learn from")
    if not any(map(_n_starts, clips)):
        raise ValueError(f"{options.clips}: no clip has a repetition: mark them with python -m wt_jax.label")
    old = find_old(trained, options.data).without([clip.recording for clip in clips])
    print("\n".join(plan(trained, name, clips, old)), flush=True)
    if options.dry_run:
        print("\n".join([*clip_rows(clips), f"nothing done (--dry_run); it would be in {output}"]))
        return cli.USER_ERROR if failed else 0
    lines = adapt(trained, name, clips, old, options.clips, output)
    print("\n".join(lines))
    print(
        f"{time.perf_counter() - began_s:.0f} s\nnext: python -m wt_jax.predict VIDEO --checkpoint {output}"
    )
    return cli.USER_ERROR if failed else 0


if __name__ == "__main__":
    cli.run(main)
