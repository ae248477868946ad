"""What the checkpoint in the box forgets of real people, as `adapt` teaches it one exercise more.

Command: python benchmarks/forgetting.py --data ../shared/corpus
It learns bench presses, and in another run lat pull-downs, from five clips of the corpus' no-exercise, and
synthetic people keep the rest, as nothing else is there. Recordings of the test split, of which it has seen
none, judge: the four exercises, other activities, and the rest of the new exercise.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from adaptation import end_to_end, false_a_minute, fit
from machine import heading

from wt_jax.adaptation.clips import read_clips
from wt_jax.adaptation.old_exercises import find_old
from wt_jax.adaptation.settings import adapted, adapted_counting
from wt_jax.config import Config
from wt_jax.counting.settings import Counting
from wt_jax.data.loading import load_dataset
from wt_jax.data.recordings import Recording
from wt_jax.evaluation.recording_result import make_results
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.pose.landmarks import load_landmarks
from wt_jax.runtime import jax_setup
from wt_jax.skeleton import CLASSES, NO_EXERCISE

TAUGHT = {"bench-press": "bench_press", "lat-pull-downs": "lat_machine"}  # and how the files are called
_LEAST_S, _CLIPS = 5.0, 5


def learn(base: RestoredModel, name: str, files: list[Path], workdir: Path) -> tuple[Config, Any, Counting]:
    """What `adapt` makes of these files: options, parameters, and how they are read."""
    clips, _ = read_clips(files[0].parent, files, name, load_landmarks)
    recordings = [clip.recording for clip in clips]
    options = adapted(base, name, "clips", workdir)
    params = fit(options, [*recordings, *find_old(base, None, recordings).replayed], parent_of(base))
    return options, params, adapted_counting(base.counting, base.options, recordings)


def row(trained: tuple[Config, Any, Counting], recordings: list[Recording], name: str) -> str:
    """What these say of people of whom they know nothing; the new exercise is `name`."""
    options, params, counting = trained
    said = make_results(recordings, make_timelines(options)(params, recordings), counting)
    new = [one for one in said if TAUGHT[name] in one.recording.name]
    old = [one for one in said if one.is_exercise]
    rest = [one for one in said if not one.is_exercise and one not in new]
    right = [np.mean([one.class_name == one.recording.class_name for one in of]) for of in (old, rest)]
    named = np.mean([one.class_name == name for one in new])
    return (
        f"| {len(old)}: {right[0]:.2f} | {end_to_end(old):.2f} | {len(rest)}: {right[1]:.2f} "
        f"| {false_a_minute(rest):.1f} | {len(new)}: {named:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--recordings", default="", help="where built recordings of --data are kept")
    args = parser.parse_args()
    jax_setup.use_compilation_cache()
    print(heading())
    base = restore_model(PRETRAINED, jax.local_devices())
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset(args.data, args.recordings, CLASSES, Path(folder) / "recordings")
        held_back = dataset.load("test")
        kept = {one.group for one in held_back}
        print("| | exercises named right | OBO | other activities | false a minute | the new one named |")
        for name, word in TAUGHT.items():
            own = [one.name for one in dataset.recordings if word in one.name and one.group not in kept]
            paths = [Path(args.data) / "landmarks" / NO_EXERCISE / f"{Path(one).name}.npz" for one in own]
            files = [path for path in paths if load_landmarks(path).times_s[-1] >= _LEAST_S][:_CLIPS]
            box = base.options, base.params, base.counting
            print(f"| the box, before {name} {row(box, held_back, name)}", flush=True)
            after = learn(base, name, files, Path(folder) / name)
            print(f"| after {row(after, held_back, name)}", flush=True)


if __name__ == "__main__":
    main()
