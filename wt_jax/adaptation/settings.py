"""How a checkpoint learns one exercise more: the options of that run, and how it is read afterwards."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wt_jax import config
from wt_jax.counting.settings import Counting
from wt_jax.counting.taught_motion import taught_motion, uprightness
from wt_jax.data.recordings import Recording
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.skeleton import NO_EXERCISE

# Chosen on push-ups, squats and pull-ups of the corpus, each left out in turn, clips of the first seed
# (benchmarks/adaptation.py).
_SETTINGS = {
    "data.synthetic": 0.6,  # share of the windows that are of the old exercises
    "data.synthetic_people": 48,
    "data.balance_sources": False,
    "data.mocap": "",
    "data.resident": "true",
    "data.window_split": False,
    "labels.rest": False,
    "labels.propose": False,
    "optimizer.learning_rate": 1e-3,
    "optimizer.warmup_epochs": 0.0,
    "optimizer.unfreeze_epochs": 0,
    "optimizer.layer_decay": 0.75,  # the lower, the more is kept of what was learned before
    "train.epochs": 1,
    "train.batch_size": 32,
    "train.windows_per_epoch": 6144,
    "train.select": "last",
    "train.average": 0.98,
    "train.accumulate": 0,
    "train.steps_per_dispatch": 8,
}
_THRESHOLDS = (1, 5, 10), (0.1, 0.2, 0.4)  # number of clips, and least probability; chosen as the settings


def adapted(trained: RestoredModel, name: str, root: str, workdir: Path) -> config.Config:
    """The options of a run that starts from a checkpoint and learns the exercise `name`.

    `root` is where the next one finds the old exercises: a data root, or where there is none the clips.
    """
    base = trained.options
    own = {
        "workdir": str(workdir),
        "overwrite": False,
        "data.root": root,
        "data.recordings": "",
        "data.classes": with_class(base.data.classes, name),
        "optimizer.freeze": _frozen(trained, name),
        "train.init": trained.name,
    }
    return config.unflatten(config.flatten(base) | _SETTINGS | own)


def _frozen(trained: RestoredModel, name: str) -> tuple[str, ...]:
    """The lower half of the blocks, which saves a third of the time, and the head that says where repetitions
    start: so the old exercises are counted as before, and what is taught is counted by what repeats."""
    options = trained.options
    lower = ("projection", *(f"block_{i}" for i in range(options.model.blocks // 2)))
    is_counted_by_starts = name in options.data.classes and name not in trained.counting.taught
    return lower if is_counted_by_starts else (*lower, "segmentation")


def with_class(classes: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The classes and one more, before no-exercise; as they are where it is one of them."""
    if name in classes:
        return classes
    rest = [one for one in classes if one == NO_EXERCISE]
    return (*(one for one in classes if one != NO_EXERCISE), name, *rest)


def adapted_counting(counting: Counting, base: config.Config, clips: Sequence[Recording]) -> Counting:
    """The thresholds that the checkpoint had: of few clips none are chosen.

    What is new of theirs is `taught`, and how somebody moves in each is kept, once of each clip.
    `taught_threshold` goes by the exercise of the fewest clips: taught by more, the network is less shy.
    """
    new = {one.class_name: None for one in clips if one.class_name not in base.data.classes}
    taught = (*counting.taught, *new)
    if not taught:
        return counting
    motions = list(counting.motions)
    for one in clips:
        if one.class_name in taught:
            upright_F = None if one.points_FxLx3 is None else uprightness(one.points_FxLx3)
            motion = taught_motion(one.class_name, one.angles_FxJ, one.valid_F, upright_F)
            motions = [*(old for old in motions if not old.is_of_the_clip_of(motion)), motion]
    n_clips = min(sum(one.class_name == name for one in motions) for name in taught)
    least = float(np.interp(n_clips, *_THRESHOLDS))
    return replace(counting, taught=taught, taught_threshold=least, motions=tuple(motions))
