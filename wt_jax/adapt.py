"""One exercise more for a checkpoint, from a few clips: python -m wt_jax.adapt clips/lunges."""

import argparse
import contextlib
import difflib
import functools
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import jax

from wt_jax.adaptation.clip_folder import clip_words, copy_of_clips, find_clips
from wt_jax.adaptation.clip_table import ClipTable
from wt_jax.adaptation.clips import COUNTED, LABELLED, PROPOSED, Clip, folds_of, label_command
from wt_jax.adaptation.old_exercises import OldExercises, find_old
from wt_jax.adaptation.settings import adapted, adapted_counting
from wt_jax.adaptation.taught import load_taught, save_taught
from wt_jax.adaptation.trial import judge_left_out, make_judge
from wt_jax.counting.settings import Counting
from wt_jax.data.builder import fingerprint
from wt_jax.data.loading import Dataset
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.files import only_writer, sweep, written_beside
from wt_jax.runtime.printable import tell
from wt_jax.skeleton import NO_EXERCISE, canonical_class, check_classes
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import absolute, place, resolved
from wt_jax.storage.run_files import MARKER
from wt_jax.storage.workdir import held
from wt_jax.synthetic.motion import REPERTOIRE
from wt_jax.train import fit
from wt_jax.training.setup import TrainingRun, start_run

_MOST_FOLDS = 5
_WANTED = 3  # clips, to say anything of people who are not in them
_NEAR = 0.85  # how alike two names are that may mean one exercise: lunge and lunges are 0.91
_ORIGINS = {
    LABELLED: "from label files",
    COUNTED: "found by what repeats, as many as were counted",
    PROPOSED: "found by what repeats",
}


def adapt(
    trained: RestoredModel, name: str, clips: Sequence[Clip], old: OldExercises, folder: Path, output: Path
) -> None:
    """Learns, and leaves the new checkpoint in `output`, whole or not at all; says what comes of it."""
    recordings = [clip.recording for clip in clips]
    counting_by = functools.partial(adapted_counting, trained.counting, trained.options)
    judged = [*old.judged(), *old.taught]
    _print_old("before", make_judge(trained.options)(trained.params, judged, trained.counting), old)
    everyone = [*recordings, *old.replayed]
    parent = parent_of(trained)
    root = old.root if old.is_of_people else absolute(folder)
    sweep(output)
    with written_beside(output) as workdir, only_writer(workdir):
        save_taught(workdir, [*recordings, *old.taught])
        settings = adapted(trained, name, root, workdir)
        with (workdir / "log.txt").open("w") as log, contextlib.redirect_stdout(log):
            run = start_run(settings, Dataset(resolved(folder), everyone, fingerprint(everyone)), parent)
        judge, folds = make_judge(settings), folds_of(clips, _MOST_FOLDS)
        table = ClipTable(clips, bool(folds))
        print(table.heading, *[table.row(clip) for clip in clips if not folds], sep="\n", flush=True)
        trials = judge_left_out(run, parent, recordings, folds, judge, counting_by, old.taught)
        for fold, said in zip(folds, trials, strict=True):
            rows = (table.row(clips[i], one) for i, one in zip(fold, said, strict=True))
            print(*rows, sep="\n", flush=True)
        print(*table.verdict(name), sep="\n", flush=True)
        print(f"learns from {'all of them' if len(clips) > 1 else 'it'} ...", flush=True)
        counting = counting_by(recordings)
        learn(run, counting)
        _print_old("after", judge(run.progress.state.eval_params, judged, counting), old)
    print(f"{output}: knows {', '.join(settings.data.classes)}")


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


def old_words(results: Sequence[RecordingResult]) -> str:
    """What is right of recordings of the old exercises."""
    counted = [one for one in results if one.is_exercise and one.n_true]
    within = sum(abs(one.n_end_to_end - (one.n_true or 0)) <= 1 for one in counted)
    named = sum(one.class_name == one.recording.class_name for one in results)
    return f"{within} of {len(counted)} counted to within one, exercise right in {named} of {len(results)}"


def _print_old(when: str, results: Sequence[RecordingResult], old: OldExercises) -> None:
    """Of `old.judged()`, and then of what was `old.taught`, exercise by exercise."""
    n_held_back = len(results) - len(old.taught)
    held_back, taught = results[:n_held_back], results[n_held_back:]
    print(f"old exercises {when + ':':<7} {old_words(held_back)}", flush=True)
    for name in dict.fromkeys(one.recording.class_name for one in taught):
        own = [one for one in taught if one.recording.class_name == name]
        print(f"{name}, on the clips that taught it, {when}: {old_words(own)}", flush=True)


def plan(trained: RestoredModel, name: str, clips: Sequence[Clip], old: OldExercises) -> list[str]:
    """What would be done, what the score of the clips will be worth, and what is to be heeded."""
    numbers = {words: sum(clip.origin == origin for clip in clips) for origin, words in _ORIGINS.items()}
    lines = [clip.remark for clip in clips if clip.remark]
    lines += [f"starts of {clip_words(n)}: {words}" for words, n in numbers.items() if n]
    if numbers[_ORIGINS[PROPOSED]]:
        folder = Path(os.path.commonpath([clip.path.parent for clip in clips]))
        lines.append(f"shown, to be mended, by: {label_command(folder, folder, name)} --propose")
    classes = trained.options.data.classes
    more = " further" if name in classes else ""
    who = f"{old.root} and synthetic people" if old.is_of_people else "synthetic people"
    folds = folds_of(clips, _MOST_FOLDS)
    how = "all are of one person or video, so that they cannot say how good it is"
    if folds:
        how = f"in {len(folds)} trials each is judged by a training without its person"
    if folds and all(len(fold) == 1 for fold in folds):
        how = "left out one by one, each is judged by a training without it"
    lines.append(
        f"{trained.name} learns {name}{more} from {clip_words(len(clips))}; {who} keep "
        f"{', '.join(old.kept(classes))}"
    )
    for taught in dict.fromkeys(one.class_name for one in old.taught):
        n = sum(one.class_name == taught for one in old.taught)
        lines.append(f"{clip_words(n)} that taught {taught} keep{'s'[: n == 1]} it: learned from again")
    if old.stood_in:
        splits = " or ".join(old.stood_in)
        lines.append(f"{old.root}: no counted repetitions in split {splits}: synthetic people stand in there")
    lines.append(f"how good it is: {how}")
    if not old.is_of_people:
        lines.append(
            "note: synthetic people held back judge the old exercises: real ones are forgotten sooner; "
            "--data ROOT learns from some again, and is judged by them"
        )
    if name in REPERTOIRE:
        lines.append(f"synthetic people do {name} too, and teach it")
    if len(clips) < _WANTED:
        lines.append(f"note: {clip_words(len(clips))}: 3 to 20 are wanted, best of as many people")
    if name in classes and name not in trained.counting.taught:
        lines.append(
            f"note: {trained.name} knows {name}: these clips teach it further; another exercise needs "
            "another --name"
        )
    if old.is_of_people and (unjudged := old.unjudged(classes)):
        lines.append(
            f"note: nobody in {old.root} is held back who does {', '.join(unjudged)}: nothing says whether "
            "it is forgotten"
        )
    if note := near_miss(name, classes, trained.name):
        lines.append(note)
    if forgotten := [one for one in old.forgotten(classes) if one != name]:
        lines.append(
            f"warning: nothing keeps {', '.join(forgotten)}: no synthetic person does it, no recording of it "
            "is there: it will be forgotten, unless --data ROOT holds some"
        )
    return lines


def near_miss(name: str, classes: Sequence[str], checkpoint: str) -> str:
    """What to say of a name that is nearly that of an exercise which is known; "" of any other."""
    if name in classes or name in REPERTOIRE:
        return ""
    known = {_letters(one): f"synthetic people do {one}: --name {shlex.quote(one)}" for one in REPERTOIRE}
    exercises = [one for one in classes if one != NO_EXERCISE]
    known |= {_letters(one): f"{checkpoint} knows {one}: --name {shlex.quote(one)}" for one in exercises}
    near = difflib.get_close_matches(_letters(name), known, 1, _NEAR)
    return f"note: {known[near[0]]} if it is that" if near else ""


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def check_output(output: Outbox) -> None:
    """Raises ValueError where something is there, or nothing can be."""
    if not output.is_empty:
        raise ValueError(f"--output {output.place}: is there already: name another, or move it away")
    if not output.is_writable:
        raise ValueError(f"--output {output.place}: cannot be written: name another")


def _name_of(options: argparse.Namespace) -> str:
    """What the exercise is called. Raises ValueError for a name that no exercise may have."""
    own = canonical_class(Path(resolved(options.clips)).name)
    if options.name is None:
        try:
            check_classes([own])
        except ValueError as error:
            raise ValueError(
                f"{options.clips}: is the folder's name the exercise's? {error}; or give --name"
            ) from None
    name = own if options.name is None else canonical_class(options.name)
    check_classes([name], "--name")
    if name == NO_EXERCISE:
        raise ValueError(f"--name {name}: that is what is none of the exercises")
    return name


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    options = _parser().parse_args(arguments)
    began_s = time.perf_counter()
    name = _name_of(options)
    folder = copy_of_clips(options.clips, name)
    output = Outbox(options.output or Path("checkpoints") / name)
    check_output(output)
    jax_setup.use_compilation_cache()
    jax_setup.keep_freed()
    trained = restore_model(options.checkpoint, jax.local_devices())
    clips, are_all = find_clips(folder, name, options.pose_model)
    taught = [] if options.checkpoint == PRETRAINED else load_taught(options.checkpoint, trained)
    old = find_old(trained, options.data, [clip.recording for clip in clips], taught)
    print("\n".join(plan(trained, name, clips, old)), flush=True)
    if options.dry_run:
        table = ClipTable(clips, is_judged=False)
        print(table.heading, *map(table.row, clips), sep="\n")
        print(f"nothing done (--dry_run); it would be in {output.place}", flush=True)
        return _status(are_all)
    with held(output.place):
        check_output(output)  # again: now nobody else writes there
        adapt(trained, name, clips, old, folder, output.folder)
        output.send(last=MARKER)
    print(f"{time.perf_counter() - began_s:.0f} s")
    print(f"next: python -m wt_jax.predict VIDEO --checkpoint {shlex.quote(str(output.place))}", flush=True)
    return _status(are_all)


def _status(are_all: bool) -> int:
    """The exit status; said once more, below all else, where clips were left out."""
    if are_all:
        return 0
    tell("error: not all clips could be used, see above")
    return cli.USER_ERROR


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m wt_jax.adapt",
        description="From a few clips of one exercise to a checkpoint that knows one exercise more. Where "
        "nobody has marked or counted the repetitions, they are found by what repeats.",
    )
    parser.add_argument("clips", type=place, metavar="CLIPS", help="folder of videos or landmark files")
    parser.add_argument("--name", help="what the exercise is called (default: the folder's name)")
    parser.add_argument(
        "--checkpoint",
        default=PRETRAINED,
        metavar="DIR",
        help="workdir of a training run to start from (default: pretrained, the checkpoint in the box)",
    )
    parser.add_argument(
        "--output", type=place, metavar="DIR", help="the new one's workdir (default: checkpoints/NAME)"
    )
    parser.add_argument(
        "--data",
        metavar="ROOT",
        help="old data that is not to be forgotten (default: what the checkpoint was trained on, where that "
        "is there; synthetic: synthetic people alone)",
    )
    add_pose_model(parser)
    parser.add_argument("--dry_run", action="store_true", help="look at the clips, say what would be done")
    return parser


if __name__ == "__main__":
    cli.run(main)
