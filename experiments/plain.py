"""The plain recipe that projects like this one start from, to show what its own validation hides.

Command: python -m wt_jax.train --config experiments/plain.py --config.data.root=ROOT
Time: 12 epochs, 2 minutes on two CPU cores
Score: validation segmentation loss 0.0915 (synthetic default), below main.py's; of new people's recordings it
    counts 0.53 to within one repetition, main.py 0.78
No augmentation, windows of one second, and the epoch chosen on windows of the training recordings: neighbours
of those share 29 of 30 frames, so that its validation scores say nothing of new people.
"""

from wt_jax.config import Config, Data, Train


def get_config() -> Config:
    return Config(
        workdir="checkpoints/plain",
        data=Data(window_split=True),
        train=Train(epochs=12),
    )
