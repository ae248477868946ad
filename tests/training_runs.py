"""Small training runs: their data, their command lines, and how two of them are compared."""

import json
import math
from pathlib import Path

import jax
import numpy as np

from wt_jax import config
from wt_jax.data.recordings import Recording, save_recording
from wt_jax.training.checkpoint_reader import CheckpointReader
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
        "model.filters": 8, "model.blocks": 1, "model.heads": 2, "model.dense_units": "(8,)",
        "train.epochs": 4, "train.batch_size": 8, "train.windows_per_epoch": 64,
        "train.steps_per_dispatch": 2, "data.window_split": False, **overrides,
    }  # fmt: skip
    file = REPOSITORY / "experiments" / "plain.py"
    return ["--config", str(file), *(f"--config.{key}={value}" for key, value in values.items())]


def best_and_history(workdir: Path) -> tuple[dict, dict]:
    checkpoints = CheckpointReader(workdir)
    step = checkpoints.latest_step
    options = config.unflatten(checkpoints.meta(step)["config"])
    params = checkpoints.restore(step, state_template(options, jax.devices()[:1])).state.params
    return jax.device_get(params), read_history(workdir)


def read_history(workdir: Path) -> dict[str, list[float]]:
    values = json.loads((workdir / "training_history.json").read_text())
    return {key: [math.nan if value is None else value for value in values[key]] for key in values}


def assert_same_run(a: Path, b: Path) -> None:
    (params_a, history_a), (params_b, history_b) = best_and_history(a), best_and_history(b)
    jax.tree.map(np.testing.assert_array_equal, params_a, params_b)
    for key in set(KEYS) - TIMES:
        np.testing.assert_array_equal(history_a[key], history_b[key], err_msg=key)


def assert_close(a: Path, b: Path) -> None:
    """Parameters, losses and scores; binned and counted ones may differ by a window at a bin's edge."""
    (params_a, history_a), (params_b, history_b) = best_and_history(a), best_and_history(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), params_a, params_b)
    for key in set(KEYS) - TIMES:
        np.testing.assert_allclose(history_a[key], history_b[key], rtol=1e-5, atol=1e-5, err_msg=key)
