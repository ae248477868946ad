"""Small training runs: their data, their command lines, and how two of them are compared."""

from pathlib import Path

import jax
import numpy as np

from wt_jax import config
from wt_jax.data.recordings import Recording, save_recording
from wt_jax.training.checkpoints import Checkpoints
from wt_jax.training.history import KEYS
from wt_jax.training.train_step import state_template

REPOSITORY = Path(__file__).parents[1]


TIMES = {
    "epoch_seconds", "windows_per_second", "data_wait_share", "validation_seconds", "checkpoint_seconds",
}  # fmt: skip


def write_root(root: Path, n_people: int = 2) -> Path:
    """Recordings whose first angle falls when a repetition starts: something that can be learned."""
    rng = np.random.default_rng(0)
    for class_name in ("push-ups", "no-exercise"):
        for split, person in ((s, p) for s in ("train", "val", "test") for p in range(n_people)):
            n_frames = 120
            angles = rng.uniform(0.4, 0.6, (n_frames, 25)).astype(np.float32)
            starts = np.arange(10, n_frames - 10, 35, dtype=np.int32)
            if class_name == "no-exercise":
                starts = starts[:0]
            for start in starts:
                angles[start : start + 10, 0] = np.linspace(1, 0, 10)
            name = f"{class_name}/{split}{person}"
            ones = np.ones(n_frames, bool)
            save_recording(
                root / "recordings" / f"{name}.npz",
                Recording(name, class_name, name, split, angles, ones, ones, starts, 30.0, ""),
            )
    return root


def arguments(root: Path, workdir: Path, **overrides: object) -> list[str]:
    values = {
        "workdir": workdir, "data.root": root, "data.classes": "('push-ups', 'no-exercise')",
        "model.filters": 8, "model.blocks": 2, "model.heads": 2, "model.dense_units": "(8,)",
        "train.epochs": 4, "train.batch_size": 8, "train.windows_per_epoch": 64,
        "train.steps_per_dispatch": 2, **overrides,
    }  # fmt: skip
    file = REPOSITORY / "experiments" / "main.py"
    return ["--config", str(file), *(f"--config.{key}={value}" for key, value in values.items())]


def best_and_history(workdir: Path) -> tuple[dict, dict]:
    checkpoints = Checkpoints(workdir)
    step = checkpoints.latest_step
    options = config.unflatten(checkpoints.meta(step)["config"])
    params = checkpoints.restore(step, state_template(options, jax.devices()[:1])).params
    checkpoints.close()
    return jax.device_get(params), np.load(workdir / "training_history.npy", allow_pickle=True).item()


def assert_same_run(a: Path, b: Path) -> None:
    (params_a, history_a), (params_b, history_b) = best_and_history(a), best_and_history(b)
    jax.tree.map(np.testing.assert_array_equal, params_a, params_b)
    for key in set(KEYS) - TIMES:
        np.testing.assert_array_equal(history_a[key], history_b[key], err_msg=key)
