"""Tiny checkpoints that nobody trained, to export; windows to ask them of; a file of one beside its card."""

import jax
import numpy as np
from runs import ABOUT, EVERYTHING, POINTS

from wt_jax import config
from wt_jax.exporting.formats import FORMATS
from wt_jax.exporting.model_card import model_card
from wt_jax.inference.exported import CARD
from wt_jax.inference.restore import restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.models.tcn import init_params
from wt_jax.runtime.files import write_json


def changed(options, **values):
    """Other options: `model__causal=True`."""
    values = {name.replace("__", "."): value for name, value in values.items()}
    return config.unflatten(config.flatten(options) | values)


def untrained(options=POINTS, seed=0):
    """With random weights, which are not drawn by JAX: nothing is compiled."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: init_params(options))
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.6, leaf.shape).astype(np.float32), shapes)
    return RestoredModel("untrained", 7, options, params, EVERYTHING, dict(ABOUT), "")


def restored_of(workdir):
    """The checkpoint of a run's workdir."""
    return restore_model(workdir, jax.devices()[:1])


def windows(options, n):
    """Points and mask of windows, NaN where nobody is seen."""
    rng = np.random.default_rng(0)
    frames = options.data.window_frames
    points = rng.normal(0, 200, (n, frames, 33, 3)).astype(np.float32)
    mask = rng.random((n, frames)) > 0.2
    points[~mask] = np.nan
    return points, mask


def write_model(folder, trained, name="onnx", weights="float32"):
    """The file of a format in `folder`, and the card beside it."""
    kind = FORMATS[name]
    path = folder / kind.file_name
    kind.write(trained, weights, path)
    write_json(folder / CARD, model_card(trained, path, kind.batch))
    return path
