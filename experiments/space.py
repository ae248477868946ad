"""A space to search: for each key what it may be.

Command: python -m wt_jax.tune --config experiments/main.py --space experiments/space.py
These are numbers alone, so that --together trains several trials as one program. What changes the network,
like "model.blocks": one_of(4, 6, 8), is searched one trial at a time.
"""

from wt_jax.search import log, uniform


def get_space() -> dict:
    return {
        "optimizer.learning_rate": log(1e-4, 3e-3),
        "optimizer.weight_decay": log(1e-5, 1e-1),
        "model.dropout": uniform(0.0, 0.5),
        "augment.speed": uniform(0.0, 0.5),
        "augment.jitter": uniform(0.0, 0.08),
        "augment.yaw_deg": uniform(0.0, 80.0),
        "data.positive_ratio": uniform(0.1, 0.8),
        "data.synthetic": uniform(0.0, 0.8),
    }
