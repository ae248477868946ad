"""The default experiment: the model, losses and sampling that the project stands on.

Command: python -m wt_jax.train --config experiments/main.py
Time: 117 epochs, 7 minutes on two CPU cores
Score: validation segmentation loss 0.1784 (synthetic default; epoch 97 is served)
Every number that the published recipe names is as it names it (experiments/plain.py is that recipe alone),
one aside: the 30 frames of a window are 10 a second, so that it holds a whole repetition.
Any value is changed from the command line: --config.train.batch_size=64 --config.model.causal=true
"""

from wt_jax.config import Augment, Config, Data, Labels, Loss, Model, Optimizer, Train


def get_config() -> Config:
    return Config(
        workdir="checkpoints/main",
        seed=0,
        data=Data(
            root="data",
            classes=("push-ups", "squats", "pull-ups", "dips", "no-exercise"),
            window_frames=30,
            window_step=3,
            overhang=0.4,
            stride_frames=3,
            eval_stride_frames=18,
            inputs=("angles", "orientation", "lengths", "normalised"),
            positive_ratio=0.2,
            balance_sources=True,
            balance_power=0.5,
            synthetic=0.5,
            synthetic_people=60,
        ),
        labels=Labels(kernel="gaussian", width_frames=4.0, rest=False, propose=True),
        augment=Augment(mirror=True, speed=0.35, yaw_deg=40.0, pitch_deg=20.0, roll_deg=10.0, jitter=0.03),
        model=Model(
            filters=128,
            blocks=8,
            kernel_size=3,
            dilations=(1, 2, 4, 8, 16, 32, 64, 128),
            heads=4,
            dropout=0.25,
            dense_units=(128, 64, 32),
            causal=False,
            compute_dtype="float32",
        ),
        loss=Loss(segmentation_weight=5.0, focal_gamma=1.0, focal_alpha=0.5),
        optimizer=Optimizer(learning_rate=5e-4, weight_decay=1e-4, plateau_factor=0.5, plateau_patience=10),
        train=Train(
            epochs=250,
            batch_size=32,
            patience=20,
            windows_per_epoch=2048,
            steps_per_dispatch=8,
            average=0.998,
        ),
    )
