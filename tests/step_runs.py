"""Training steps on random sequences, and how close two results are."""

import functools

import jax
import numpy as np

from wt_jax import config
from wt_jax.input_pipeline.windows import Sequences
from wt_jax.training import train_step

N_FRAMES = 400


def options_with(**overrides: object) -> config.Config:
    options = config.Config()
    values = {
        "model.filters": 8, "model.blocks": 1, "model.heads": 2, "model.dense_units": (8,),
        "train.batch_size": 8, "train.steps_per_dispatch": 3, **overrides,
    }  # fmt: skip
    return config.unflatten(config.flatten(options) | values)


def random_sequences() -> Sequences:
    rng = np.random.default_rng(1)
    return Sequences(
        rng.random((N_FRAMES, 25), np.float32),
        rng.random(N_FRAMES, np.float32),
        np.repeat(np.array([0, 1, -1, 2], np.int8), N_FRAMES // 4),
        rng.random(N_FRAMES) > 0.1,
        np.repeat([True, False, True, True], N_FRAMES // 4),
    )


def random_firsts(options: config.Config) -> np.ndarray:
    shape = (options.train.steps_per_dispatch, options.train.batch_size)
    return np.random.default_rng(2).integers(0, N_FRAMES - 30, shape).astype(np.int32)


@functools.cache
def make_dispatch(options: config.Config, n_devices: int = 1, phase: int = 0) -> train_step.Dispatch:
    """One program for all tests of the same options."""
    return train_step.make_train_dispatch(options, jax.devices()[:n_devices], phase=phase)


def run_steps(
    options: config.Config, n_devices: int = 1, firsts: np.ndarray | None = None, state=None, phase: int = 0
) -> tuple:
    devices = jax.devices()[:n_devices]
    sequences = train_step.put_sequences(random_sequences(), devices)
    state = train_step.init_state(options, devices) if state is None else jax.device_put(state, devices[0])
    firsts = random_firsts(options) if firsts is None else firsts
    return jax.device_get(make_dispatch(options, n_devices, phase)(state, sequences, firsts))


def assert_close(a: object, b: object, tolerance: float = 1e-5) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance), a, b)
