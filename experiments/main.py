"""The default experiment: the model, losses and sampling that the project stands on.

Command: python -m wt_jax.train --config experiments/main.py
Time: 42 epochs, 6 minutes on two CPU cores
Score: validation segmentation loss 0.1408 (synthetic default; epoch 22 is served)
Any value is changed from the command line: --config.train.batch_size=64 --config.model.causal=true
"""

from wt_jax.config import Config, Data, Labels, Loss, Model, Optimizer, Train


def get_config() -> Config:
    return Config(
        workdir="checkpoints/main",
        seed=0,
        data=Data(
            root="data",
            classes=("push-ups", "squats", "pull-ups", "dips", "no-exercise"),
            window_frames=30,
            positive_ratio=0.2,
        ),
        labels=Labels(kernel="gaussian", width_frames=4.0),
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
        train=Train(epochs=250, batch_size=32, patience=20, windows_per_epoch=8192, steps_per_dispatch=8),
    )
