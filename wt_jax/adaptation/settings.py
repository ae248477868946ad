"""How a checkpoint learns one exercise more: the options of that run."""

from pathlib import Path

from wt_jax import config
from wt_jax.skeleton import NO_EXERCISE, canonical_class

# Chosen on push-ups, squats and pull-ups of the corpus, each left out in turn (benchmarks/adaptation.py).
_SETTINGS = {
    "data.synthetic": 0.6,  # of the windows: who still does the old exercises
    "data.synthetic_people": 48,
    "data.balance_power": 0.0,
    "data.balance_sources": False,
    "data.mocap": "",
    "data.resident": "true",
    "data.window_split": False,
    "labels.rest": False,
    "labels.propose": False,
    "optimizer.learning_rate": 5e-4,
    "optimizer.warmup_epochs": 0.0,
    "optimizer.freeze": ("projection", "block_0", "block_1", "block_2", "block_3", "block_4", "block_5"),
    "optimizer.unfreeze_epochs": 0,
    "optimizer.layer_decay": 1.0,
    "train.epochs": 1,
    "train.batch_size": 32,
    "train.windows_per_epoch": 8192,
    "train.select": "last",
    "train.average": 0.98,
    "train.accumulate": 0,
    "train.steps_per_dispatch": 8,
}


def adapted(base: config.Config, name: str, init: str, clips: Path, root: str, workdir: str) -> config.Config:
    """The options of a run that starts from the checkpoint `init` of `base` and learns the exercise `name`.

    `root` are the old data, "" where there are none: the clips' folder stands in its place then.
    """
    return config.unflatten(
        config.flatten(base)
        | _SETTINGS
        | {
            "workdir": workdir,
            "overwrite": False,
            "data.root": root or str(clips),
            "data.recordings": "",
            "data.classes": with_class(base.data.classes, name),
            "train.init": init,
        }
    )


def with_class(classes: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The classes and one more, before no-exercise; as they are where it is one of them."""
    name = canonical_class(name)
    if name in classes:
        return classes
    rest = [one for one in classes if one == NO_EXERCISE]
    return (*(one for one in classes if one != NO_EXERCISE), name, *rest)
