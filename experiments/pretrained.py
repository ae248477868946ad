"""The checkpoint in the box: main.py's model, trained on synthetic people and motion capture alone.

Command: python -m wt_jax.train --config experiments/pretrained.py --config.data.mocap=../shared/mocap
    python docs/write_pretrained.py checkpoints/pretrained
Time: 40 epochs, 20 minutes on two CPU cores
Score: docs/pretrained.md
"""

from wt_jax.config import Config


def get_config() -> Config:
    from experiments.main import get_config as main

    return main()
