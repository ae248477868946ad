"""An exercise that a checkpoint was never taught: counted from no clip, and from 1 to 20 clips of it.

Command: python benchmarks/adaptation.py --data ../shared/corpus --wild ../shared/wild --mocap ../shared/mocap
Each exercise of the corpus is left out in turn: of the data, of the classes, and of what synthetic people do.
A base is trained on the rest (experiments/main.py), once a seed; then clips of some people, drawn once a
seed, teach it the exercise, and all recordings of it by others judge, by nobody who is in the base.
Motion capture teaches and judges a base that is trained like the box (experiments/pretrained.py), but without
UI-PRMD's people, lunges and raised arms. What is done is kept in --output: the same command goes on there.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from machine import heading
from unseen import read_totals

from wt_jax import config, train
from wt_jax.adaptation.old_exercises import OldExercises, find_old
from wt_jax.adaptation.settings import adapted, adapted_counting
from wt_jax.adaptation.trial import make_judge
from wt_jax.counting.key_angle import angle_starts
from wt_jax.counting.principal_motion import motion_starts, principal_motion
from wt_jax.data.builder import fingerprint
from wt_jax.data.loading import Dataset, load_dataset
from wt_jax.data.recordings import AnyRecording, Recording
from wt_jax.data.synthetic_recordings import to_recording
from wt_jax.evaluation.recording_result import RecordingResult, make_results
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.config_flags import parse
from wt_jax.skeleton import CLASSES, FRAME_RATE_HZ, NO_EXERCISE
from wt_jax.synthetic import motion
from wt_jax.synthetic.joint_tracks import leaving_starts, load_track
from wt_jax.synthetic.mocap import film_track
from wt_jax.training.setup import start_run
from wt_jax.training.warm_start import Parent

EXERCISES = (
    "push-ups",
    "squats",
    "pull-ups",
)  # of dips two recordings have known starts: too few to judge by
_UNSEEN = ("lunges", "arm-raises")  # what synthetic people do of these
MOTIONS = ("inline-lunge", "side-lunge", "sit-to-stand", "shoulder-abduction", "shoulder-scaption")
N_CLIPS = (1, 3, 5, 10, 20)
_TRUNK = ("projection", "block_*", "attention", "norm")
_HIDDEN = ("classification/dense_*", "segmentation/dense_*")
# Of each method what it changes of the settings of `adapt`; where train.init is "", it starts from nothing.
METHODS: dict[str, dict[str, Any]] = {
    "adapt": {},
    "last layers": {"optimizer.freeze": (*_TRUNK, *_HIDDEN), "optimizer.learning_rate": 5e-3},
    "from scratch": {
        "train.init": "",
        "train.windows_per_epoch": 4 * 6144,
        "optimizer.freeze": (),
        "optimizer.layer_decay": 1.0,
    },
}
PLAN = [*((n, "adapt") for n in N_CLIPS), *((5, method) for method in METHODS if method != "adapt")]


@dataclasses.dataclass(frozen=True)
class Case:
    """One exercise to be learned: by some of `taught`, judged on recordings of none of their people."""

    base: RestoredModel
    name: str
    recordings: list[Recording]  # of the exercise, with known starts
    old: OldExercises

    @functools.cached_property
    def judged(self) -> list[Recording]:
        """Of the old exercises."""
        return self.old.judged()

    @functools.cached_property
    def before(self) -> list[RecordingResult]:
        """What the base says of them."""
        return make_judge(self.base.options)(self.base.params, self.judged, self.base.counting)


def is_near(counted: int, true: int | None) -> bool:
    """Counted to within one."""
    return true is not None and abs(counted - true) <= 1


def obo(pairs: Sequence[tuple[int, int]]) -> float:
    """Share of (counted, true) that are off by one at most."""
    return float(np.mean([is_near(*pair) for pair in pairs])) if pairs else float("nan")


def quietly(path: Path) -> contextlib.AbstractContextManager:
    """What training says goes to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return contextlib.redirect_stdout(path.open("a"))


@contextlib.contextmanager
def undone(*names: str) -> Iterator[None]:
    """Meanwhile no synthetic person does these."""
    before = dict(motion.REPERTOIRE)
    for name in names:
        del motion.REPERTOIRE[name]
    try:
        yield
    finally:
        motion.REPERTOIRE.clear()  # in the same order again: by it they are drawn
        motion.REPERTOIRE.update(before)


def train_base(options: config.Config, dataset: Dataset | None = None) -> RestoredModel:
    """The checkpoint of a whole run; from where its workdir stands."""
    workdir = Path(options.workdir)
    with quietly(workdir / "log.txt"):
        run = start_run(options, dataset)
        train.fit(run, None, cli.Stop())
        train.calibrate_best(run)
        run.checkpoints.close()
        return restore_model(workdir, jax.local_devices())


def draw_clips(recordings: Sequence[Recording], n_clips: int, seed: int) -> list[Recording]:
    """So many, of as many people as there can be: one of each before a second of anybody."""
    rng = np.random.default_rng(seed)
    left = [recordings[i] for i in rng.permutation(len(recordings))]
    drawn: list[Recording] = []
    while len(drawn) < n_clips and left:
        groups = {one.group for one in drawn[len(drawn) // n_clips * n_clips :]}
        one = next((each for each in left if each.group not in groups), left[0])
        drawn.append(one)
        left.remove(one)
    return drawn


def fit(settings: config.Config, recordings: Sequence[AnyRecording], parent: Parent | None) -> Any:
    """The parameters that a run on these ends with; from where its workdir stands."""
    with quietly(Path(settings.workdir) / "log.txt"):
        run = start_run(settings, Dataset("clips", list(recordings), fingerprint(recordings)), parent)
        train.fit(run, None, cli.Stop())
        run.checkpoints.close()
    return run.progress.state.eval_params


def learn(case: Case, clips: Sequence[Recording], method: str, workdir: Path) -> dict[str, float]:
    """Trains by a method; scores of the exercise on other people, and of the old ones before and after."""
    base = case.base
    options = adapted(base, case.name, "clips", workdir)
    settings = config.unflatten(config.flatten(options) | METHODS[method])
    began_s = time.perf_counter()
    parent = parent_of(base) if settings.train.init else None
    params = fit(settings, [*clips, *case.old.replayed], parent)
    seconds = time.perf_counter() - began_s
    counting = adapted_counting(base.counting, base.options, clips)
    timelines = make_timelines(settings)
    taught = {one.group for one in clips}
    others = [one for one in case.recordings if one.group not in taught]
    of_others, of_old = timelines(params, others), timelines(params, case.judged)
    new, after = make_results(others, of_others, counting), make_results(case.judged, of_old, counting)
    by_name = make_results(others, of_others, dataclasses.replace(counting, motions=()))
    return {
        "judged": len(new),
        "OBO": end_to_end(new),
        "OBO, motions unheard": end_to_end(by_name),
        "named right": float(np.mean([one.class_name == case.name for one in new])),
        "old OBO before": end_to_end(case.before),
        "old OBO after": end_to_end(after),
        "false a minute before": false_a_minute(case.before),
        "false a minute after": false_a_minute(after),
        "seconds": seconds,
    }


def end_to_end(results: Sequence[RecordingResult]) -> float:
    """OBO of the exercises among them, exercise and all."""
    return obo([(one.n_end_to_end, one.n_true) for one in results if one.is_exercise and one.n_true])


def false_a_minute(results: Sequence[RecordingResult]) -> float:
    """Repetitions of any exercise that are counted in no-exercise."""
    rest = [one for one in results if not one.is_exercise]
    minutes = sum(len(one.recording) for one in rest) / FRAME_RATE_HZ / 60
    return sum(one.n_end_to_end for one in rest) / minutes if rest else float("nan")


def period_count(recording: Recording) -> int:
    """By the lag at which the principal motion's autocorrelation is highest, 0.4 s at least."""
    along_F = principal_motion(recording.angles_FxJ, recording.valid_F)
    if not along_F.any():
        return 0
    along_F = along_F - along_F.mean()
    of_lags = np.correlate(along_F, along_F, "full")[len(along_F) - 1 :]
    inner = of_lags[1:-1]
    peaks = 1 + np.flatnonzero((inner > of_lags[:-2]) & (inner >= of_lags[2:]) & (inner > 0))
    peaks = peaks[peaks >= 12]
    return round(len(along_F) / peaks[of_lags[peaks].argmax()]) if peaks.size else 1


UNTAUGHT: dict[str, Callable[[Recording], int]] = {
    "principal motion (--any)": lambda r: len(motion_starts(r.angles_FxJ, r.valid_F)),
    "limb that moves the most": lambda r: len(angle_starts(r.angles_FxJ, r.valid_F, "any")),
    "autocorrelation": period_count,
    "key angle (told which)": lambda r: len(angle_starts(r.angles_FxJ, r.valid_F, r.class_name)),
}


def untaught(pairs: Sequence[tuple[Recording, int]]) -> dict[str, float]:
    """Of each counter that was taught nothing its OBO on recordings with these totals."""
    return {name: obo([(count(one), true) for one, true in pairs]) for name, count in UNTAUGHT.items()}


def mocap_recordings(folder: Path, name: str) -> list[Recording]:
    """Each person's correct set of a motion, filmed once; a repetition starts where the position is left."""
    recordings = []
    for path in sorted((folder / "uiprmd" / name).glob("correct-*.npz")):
        track = leaving_starts(load_track(path))
        film = film_track(np.random.default_rng(zlib.crc32(f"{name}/{path.stem}".encode())), track)
        recordings.append(
            to_recording(film, f"{name}/{path.stem}", f"mocap-{track.person}", "train", "clips")
        )
    return recordings


class Kept:
    """Scores by a key, in a JSON file: computed once."""

    def __init__(self, path: Path):
        self.path = path
        self.values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """The value that is there, or a new one, which is written and printed."""
        if key not in self.values:
            self.values[key] = make()
            self.path.write_text(json.dumps(self.values, indent=1))
        print(f"{key}: {self.values[key]}", flush=True)
        return self.values[key]


def leave_one_out(args: argparse.Namespace, kept: Kept) -> None:
    """The corpus' exercises in turn."""
    corpus = load_dataset(args.data, args.recordings, CLASSES, args.output / "recordings")
    for name in args.exercises:
        with undone(name):
            learn_left_out(args, kept, corpus, name)


def learn_left_out(args: argparse.Namespace, kept: Kept, corpus: Dataset, name: str) -> None:
    """Bases without one exercise, and what they learn of it."""
    rest = [one for one in corpus.recordings if one.class_name != name]
    people = {one.group for one in rest}
    own = [one for one in corpus.recordings if one.class_name == name and one.group not in people]
    known = [one.load() for one in own if n_true(one)]
    kept.get(f"{name}, 0 clips ({len(known)})", lambda: untaught([(one, n_true(one)) for one in known]))
    classes = tuple(one for one in CLASSES if one != name)
    for seed in range(args.seeds):
        of_base = min(seed, args.bases - 1)
        flags = [f"--config.data.classes={classes}", f"--config.seed={of_base}"]
        flags.append(f"--config.workdir={args.output / f'without-{name}-seed{of_base}'}")
        options = parse(["--config", args.config, *flags])
        case = Case(
            train_base(options, Dataset(corpus.data, rest, fingerprint(rest))),
            name,
            known,
            OldExercises(args.data, rest),
        )
        for n_clips, method in PLAN if seed == 0 else PLAN[: len(N_CLIPS)]:
            learn_of(
                args, kept, case, f"{name}, {n_clips} clips, {method}, seed {seed}", n_clips, method, seed
            )


def learn_of(
    args: argparse.Namespace, kept: Kept, case: Case, key: str, n_clips: int, method: str, seed: int
) -> None:
    """Of so many clips, drawn by the seed."""
    jax.clear_caches()  # of dozens of runs in one process their programs come to be more than it may map
    drawn = draw_clips(case.recordings, n_clips, seed)
    clips = [dataclasses.replace(one, split="train") for one in drawn]
    kept.get(key, lambda: learn(case, clips, method, args.output / key.replace(", ", "-").replace(" ", "-")))


def n_true(recording: AnyRecording) -> int:
    """Its known repetitions, 0 where nobody knows them."""
    return 0 if recording.starts is None else len(recording.starts)


def in_the_wild(args: argparse.Namespace, kept: Kept) -> None:
    """Totals of exercises that nothing here was taught."""
    dataset = load_dataset(args.wild, "", CLASSES, args.output / "wild")
    totals = read_totals(args.wild)
    of_kind: dict[str, list[tuple[Recording, int]]] = {}
    for one in dataset.recordings:
        if one.class_name == NO_EXERCISE and one.name in totals:
            of_kind.setdefault(totals[one.name].kind, []).append((one.load(), totals[one.name].count))
    for kind, pairs in of_kind.items():
        kept.get(f"wild {kind} ({len(pairs)})", functools.partial(untaught, pairs))
    both = [pair for pairs in of_kind.values() for pair in pairs]
    kept.get(f"wild all ({len(both)})", lambda: untaught(both))


def of_motion_capture(args: argparse.Namespace, kept: Kept) -> None:
    """A base that saw none of them learns a motion from five people, and is judged on the others."""
    flags = [f"--config.workdir={args.output / 'without-uiprmd'}", f"--config.data.mocap={args.mocap}/cmu"]
    base = train_base(parse(["--config", "experiments/pretrained.py", *flags]))
    for name in MOTIONS:
        filmed = mocap_recordings(Path(args.mocap), name)
        pairs = [(one, n_true(one)) for one in filmed]
        kept.get(f"mocap {name}, 0 clips", functools.partial(untaught, pairs))
        case = Case(base, name, filmed, find_old(base, None))
        for seed in range(args.seeds):
            learn_of(args, kept, case, f"mocap {name}, 5 clips, seed {seed}", 5, "adapt", seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data")
    parser.add_argument("--recordings", default="", help="where built recordings of --data are kept")
    parser.add_argument("--wild")
    parser.add_argument("--mocap")
    parser.add_argument("--config", default="experiments/main.py")
    parser.add_argument("--exercises", nargs="+", default=EXERCISES)
    parser.add_argument("--seeds", type=int, default=3, help="draws of clips")
    parser.add_argument("--bases", type=int, default=3, help="bases of each exercise, for the first seeds")
    parser.add_argument("--output", type=Path, default=Path("checkpoints/adaptation"))
    args = parser.parse_args()
    jax_setup.use_compilation_cache()
    args.output.mkdir(parents=True, exist_ok=True)
    print(heading())
    kept = Kept(args.output / "scores.json")
    if args.wild:
        in_the_wild(args, kept)
    if args.data:
        leave_one_out(args, kept)
    if args.mocap:
        with undone(*_UNSEEN):
            of_motion_capture(args, kept)


if __name__ == "__main__":
    main()
