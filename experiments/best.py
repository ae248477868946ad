"""A smaller model with longer windows, in two minutes: 4.8 s at 10 frames a second, a fixed number of epochs.

Command: python -m wt_jax.train --config experiments/best.py --config.data.root=ROOT
Time: 20 epochs, 2 minutes on two CPU cores
Score: validation segmentation loss 0.2051 (synthetic default, of wider targets than main.py's)
"""

from wt_jax.config import Augment, Config, Data, Labels, Model, Optimizer, Train


def get_config() -> Config:
    return Config(
        workdir="checkpoints/best",
        data=Data(
            window_frames=48,
            window_step=3,
            overhang=0.4,
            stride_frames=3,
            eval_stride_frames=36,
            inputs=("angles", "orientation", "lengths", "normalised"),
            positive_ratio=0.6,
            balance_sources=True,
            balance_power=0.5,
            synthetic=0.5,
            synthetic_people=60,
        ),
        labels=Labels(width_frames=6.0, rest=False, propose=True),
        augment=Augment(mirror=True, speed=0.35, yaw_deg=40.0, pitch_deg=20.0, roll_deg=10.0, jitter=0.03),
        model=Model(filters=64, blocks=5, dilations=(1, 2, 4, 8, 16)),
        optimizer=Optimizer(learning_rate=1e-3, weight_decay=1e-2),
        train=Train(epochs=20, windows_per_epoch=6400, average=0.995, select="last"),
    )
