"""Recordings of every kind that a layout knows, laid out in memory and in files."""

import dataclasses

import numpy as np

from wt_jax import config
from wt_jax.input_pipeline.frame_files import lay_out_in_files
from wt_jax.input_pipeline.window_runs import runs_of
from wt_jax.input_pipeline.windows import lay_out

PLAIN = config.Config(data=config.Data(stride_frames=2))
STRETCHED = config.Config(  # as in experiments/main.py: windows of 30 frames that may be read from 50
    data=config.Data(
        inputs=("angles", "orientation"), window_frames=10, window_step=3, overhang=0.4, stride_frames=3,
        balance_sources=True,
    ),
    augment=config.Augment(speed=0.5, mirror=True, jitter=0.05),
    labels=config.Labels(rest=False),
)  # fmt: skip


def options_with(options: config.Config, **overrides: object) -> config.Config:
    values = {
        "model.filters": 8, "model.blocks": 1, "model.heads": 2, "model.dense_units": (8,),
        "train.batch_size": 8, "train.steps_per_dispatch": 3, "train.eval_batch_size": 8, **overrides,
    }  # fmt: skip
    return config.unflatten(config.flatten(options) | values)


def some_recordings(make_recording) -> list:
    """Some short, some of unknown repetitions or class for a while, one with nobody in it for another."""
    made = [
        make_recording("squats/a", 70, starts=(5, 40)),
        make_recording("squats/short", 17, starts=(3,)),
        make_recording("no-exercise/rest", 90),
        make_recording("push-ups/unlabelled", 64, starts=None),
        make_recording("push-ups/b", 120, starts=(20, 60, 61), unknown=range(70, 80), invalid=range(30, 50)),
        make_recording("dips/shortest", 2, starts=(1,)),
        make_recording("squats/c", 31, starts=(30,)),
    ]
    return [
        dataclasses.replace(one, source="ab"[i % 2], points_FxLx3=random_points(len(one), seed=i))
        for i, one in enumerate(made)
    ]


def random_points(n_frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 100, (n_frames, 33, 3)).astype(np.float16)


def both(options: config.Config, recordings: list, folder, n_devices: int = 1) -> tuple:
    """(sequences, runs) in memory, and (files, runs)."""
    stride = options.data.stride_frames
    sequences, windows = lay_out(options, recordings, stride)
    return (sequences.arrays(), runs_of(windows, stride)), lay_out_in_files(
        options, recordings, stride, folder, n_devices
    )
