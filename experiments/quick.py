"""A look at the whole path in half a minute: a small model, few epochs. Its scores mean nothing.

Command: python -m wt_jax.train --config experiments/quick.py
Time: 6 epochs, 40 seconds on two CPU cores
Score: validation segmentation loss 0.1480 (synthetic default)
"""

from wt_jax.config import Config


def get_config() -> Config:
    config = Config(workdir="checkpoints/quick")
    config.model.filters = 32
    config.model.blocks = 5
    config.train.epochs = 6
    config.train.windows_per_epoch = 4096
    return config
