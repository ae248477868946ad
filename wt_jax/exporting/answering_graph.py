"""From landmarks to answers in one function of a checkpoint: what every format writes down.

Letters: B windows, T frames of a window, L landmarks (33), C classes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

from wt_jax import config
from wt_jax.inference.exported import MASK, POINTS
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.inference.sliding_window import Outputs, batch_outputs
from wt_jax.skeleton import N_LANDMARKS

Graph = Callable[[jax.Array, jax.Array], Outputs]


def answering_graph(trained: RestoredModel, weights: str = "float32") -> Graph:
    """Returns answers(points_BxTxLx3, mask_BxT) -> probabilities_BxC, starts_BxT: all float32 but the mask.

    `weights` is the type in which the weights are kept; what is computed is float32, of a model that computes
    in bfloat16 as well: few runtimes know that. Points that the mask leaves out may be anything, NaN as well.
    """
    options = config.unflatten(config.flatten(trained.options) | {"model.compute_dtype": "float32"})
    outputs = batch_outputs(options, "cpu")
    flat = flatten_dict(jax.device_get(trained.params), sep="/")
    kept = {name: values.astype(weights) for name, values in flat.items()}

    def answers(points_BxTxLx3: jax.Array, mask_BxT: jax.Array) -> Outputs:
        params = {name: jnp.asarray(values).astype(jnp.float32) for name, values in kept.items()}
        points_BxTxLx3 = jnp.where(mask_BxT[..., None, None], points_BxTxLx3, 0)
        windows = {"points_BxTxLx3": points_BxTxLx3, "mask_BxT": mask_BxT}
        return outputs(unflatten_dict(params, sep="/"), windows)

    return answers


def graph_inputs(trained: RestoredModel, batch: Any) -> dict[str, jax.ShapeDtypeStruct]:
    """The inputs of the graph, by name, of `batch` windows: a number, or a symbol of one."""
    frames = trained.options.data.window_frames
    return {
        POINTS: jax.ShapeDtypeStruct((batch, frames, N_LANDMARKS, 3), jnp.float32),
        MASK: jax.ShapeDtypeStruct((batch, frames), jnp.bool_),
    }
