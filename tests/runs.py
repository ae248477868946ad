"""Workdirs of training runs that never ran, what to feed them, and what JAX compiles meanwhile."""

import contextlib
import dataclasses
import functools

import grain
import jax
import numpy as np
from programs import PLAIN_XLA

from wt_jax import config
from wt_jax.counting.doubt import Doubt
from wt_jax.counting.settings import Counting
from wt_jax.inference.pretrained import write_pretrained
from wt_jax.inference.restore import restore_model
from wt_jax.training.checkpoint_meta import make_meta
from wt_jax.training.checkpoints import Checkpoints
from wt_jax.training.train_step import init_state

# Random parameters are sure of nothing, so everything counts, and for sure: tests compare, they do not judge.
EVERYTHING = Counting(
    peak_height=0.01, relative_height=0.2, min_distance_frames=6, class_threshold=0.0, min_segment_frames=10,
    doubt=Doubt(class_offset=9.0),
)  # fmt: skip

# compiler_options of what optimized programs must equal
PLAINLY = PLAIN_XLA | {"xla_backend_optimization_level": "0"}


def tiny(inputs=("angles",), window_frames=30, window_step=1, **data):
    model = config.Model(filters=8, blocks=2, dilations=(1, 2), heads=2, dense_units=(8,))
    data = config.Data(inputs=inputs, window_frames=window_frames, window_step=window_step, **data)
    return config.check(config.Config(data=data, model=model))


ANGLES = tiny()
POINTS = tiny(("angles", "orientation", "normalised"), 16, 3, overhang=0.4)  # like experiments/best.py


ABOUT = {
    "data": "nowhere", "fingerprint": "0123", "root": "", "recordings": "", "trained_on": [], "split": {},
    "monitor": {"learning_rate": 1e-3}, "history": {"loss": [0.5]},
}  # fmt: skip


@functools.cache
def drawn_state(options):
    """A state as runs begin with it; drawn once, as its program takes longest of all that tests do."""
    return jax.device_get(init_state(options, jax.devices()[:1]))


def save_run(workdir, options, counting=EVERYTHING, **meta):
    """A workdir with one checkpoint."""
    checkpoints = Checkpoints(workdir)
    batches = iter(grain.MapDataset.range(3).to_iter_dataset())
    checkpoints.save(drawn_state(options), batches, make_meta(options, **ABOUT) | meta, 0.5)
    if counting:
        checkpoints.save_counting(0, counting)
    checkpoints.close()
    return workdir


def save_box(folder, options, **meta):
    """A box with that run's checkpoint."""
    run = save_run(folder / "run", options, **meta)
    write_pretrained(restore_model(run, jax.devices()[:1]), folder / "box")
    return folder / "box"


def walking(n_frames, fps=30.0, seed=0):
    """landmarks_FxLx4 of a body whose every joint swings to and fro in its own way, a little jittery."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(n_frames) / fps
    middle_Lx2 = rng.uniform(0.3, 0.7, (33, 2))
    rates_hz, phases = rng.uniform(0.2, 0.9, (33, 2)), rng.uniform(0, 6, (33, 2))
    swing = np.sin(2 * np.pi * rates_hz * times_s[:, None, None] + phases)
    landmarks = np.ones((n_frames, 33, 4), np.float32)
    landmarks[..., :2] = middle_Lx2 + 0.1 * swing + rng.normal(0, 0.002, (n_frames, 33, 2))
    landmarks[..., 2] = rng.normal(0, 0.1, (n_frames, 33))
    return landmarks


def said(prediction):
    """All that a prediction says."""
    return [dataclasses.asdict(part) for part in (*prediction.segments, *prediction.repetitions)]


class Walker:
    """Stands for MediaPipe: it sees the next frame of `walking` in any picture but black ones."""

    def __init__(self, model):
        self._rows = iter(walking(2000))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def close(self):
        pass

    def __call__(self, frame_HxWx3, time_s):
        row = next(self._rows)
        return row if frame_HxWx3.max() > 40 else np.full_like(row, np.nan)


@contextlib.contextmanager
def compilations():
    """The list of what JAX traces, lowers and compiles from here on."""
    events = []

    def note(event, seconds, **about):
        if event.startswith("/jax/core/compile/"):
            events.append((event, about))

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
