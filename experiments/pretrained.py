"""The checkpoint in the box: main.py's model, trained on synthetic people and motion capture alone.

Command: python -m wt_jax.train --config experiments/pretrained.py --config.data.mocap=../shared/mocap
    python docs/write_pretrained.py checkpoints/pretrained
Time: 40 epochs, 10 minutes on two CPU cores
Score: validation segmentation loss 0.1566 (of synthetic people; of people: docs/pretrained.md)
"""

import runpy
from pathlib import Path

from wt_jax.config import Config


def get_config() -> Config:
    config = runpy.run_path(str(Path(__file__).with_name("main.py")))["get_config"]()
    config.workdir = "checkpoints/pretrained"
    config.data.root = "synthetic"
    config.data.synthetic_people = 400
    config.train.windows_per_epoch = 8192
    config.train.epochs = 40
    return config
