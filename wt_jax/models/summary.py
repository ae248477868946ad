"""What a model is made of: layers, shapes, parameters, receptive field, floating-point operations.

All of it is read off the module by tracing it: a change of `tcn` shows here by itself.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, jaxprs_in_params

from wt_jax import config
from wt_jax.input_pipeline.features import n_inputs
from wt_jax.models.tcn import make_model


@dataclass(frozen=True)
class Layer:
    """A direct child of the model, in the order of their calls; its output's shape for one window."""

    name: str
    detail: str
    shape: tuple[int, ...]
    n_params: int
    n_flops: int


def summarise(options: config.Config) -> tuple[tuple[Layer, ...], int]:
    """The layers of a model, and its receptive field in frames of a window.

    Operations are those of a layer's matmuls, less those that it says only meet padding (`surplus_flops`).
    The receptive field is that of all that has `shifts`, one after the other; attention sees all the same.
    Axes of one element are left out of a shape.
    """
    return _summarised(make_model(options), (options.data.window_frames, n_inputs(options.data.inputs)))


@functools.lru_cache(8)
def _summarised(model: nn.Module, window: tuple[int, int]) -> tuple[tuple[Layer, ...], int]:
    """Traced once for all who ask."""
    called: list[tuple[Any, tuple, dict, tuple[int, ...]]] = []  # module, arguments, output's shape
    surplus: Counter[str] = Counter()
    reach = 0

    def note(call: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
        nonlocal reach
        module, output = context.module, call(*args, **kwargs)
        if context.method_name == "__call__" and module.path:
            if hasattr(module, "surplus_flops"):
                surplus[module.path[0]] += module.surplus_flops(*args)
            if hasattr(module, "shifts"):
                reach += max(module.shifts) - min(module.shifts)
            if len(module.path) == 1:
                shape = jax.tree.leaves(output)[0].shape
                called.append((module, *jax.tree.map(_shape, (args, kwargs)), shape))
        return output

    def init() -> Any:
        inputs = jnp.zeros((1, *window))
        return model.init(jax.random.key(0), inputs, jnp.ones(inputs.shape[:2], bool))

    with nn.intercept_methods(note):
        params = jax.eval_shape(init)["params"]
    layers = []
    for module, args, kwargs, shape in called:
        own = params.pop(module.name, {})
        n_flops = _matmul_flops(_traced(module.clone(parent=None), own, args, kwargs))
        layers.append(
            Layer(
                name=module.name,
                detail=getattr(module, "detail", ""),
                shape=tuple(size for size in shape if size > 1),
                n_params=_size(own),
                n_flops=n_flops - surplus[module.name],
            )
        )
    layers += [Layer(name, "", (), _size(own), 0) for name, own in params.items()]  # of the model itself
    return tuple(layers), 1 + reach


def _traced(module: nn.Module, own: Any, args: tuple, kwargs: dict) -> Jaxpr:
    def call(own: Any, args: tuple, kwargs: dict) -> Any:
        return module.apply({"params": own}, *args, **kwargs)

    return jax.make_jaxpr(call)(own, args, kwargs).jaxpr


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _shape(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


def _matmul_flops(jaxpr: Jaxpr) -> int:
    """Twice the multiplications of every dot_general, those of inner functions among them."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            contracted = equation.params["dimension_numbers"][0][0]
            left: Any = equation.invars[0].aval
            result: Any = equation.outvars[0].aval
            total += 2 * math.prod(result.shape) * math.prod(left.shape[axis] for axis in contracted)
        inner = list(jaxprs_in_params(equation.params))
        # What depends on the target is counted as a CPU computes it: `layers.surplus_rows` is of that.
        total += sum(map(_matmul_flops, inner[:1] if equation.primitive.name == "cond" else inner))
    return total


def window_flops(options: config.Config) -> dict[str, int]:
    """Floating-point operations of one window's matmuls, forward, by layer (a training step: times 3)."""
    return {layer.name: layer.n_flops for layer in summarise(options)[0]}


def summary(options: config.Config) -> str:
    """A table of the model's layers; a batch dimension is left out of the shapes."""
    layers, receptive_field = summarise(options)
    lines = [f"{'layer':<34}{'output':>12}{'parameters':>12}{'MFLOP':>9}"]
    for layer in layers:
        name = f"{layer.name}  {layer.detail}" if layer.detail else layer.name
        shape = f"({', '.join(map(str, layer.shape))})"
        lines.append(f"{name:<34}{shape:>12}{layer.n_params:>12,}{layer.n_flops / 1e6:>9.2f}")
    n_params, n_flops = sum(layer.n_params for layer in layers), sum(layer.n_flops for layer in layers)
    lines.append(f"{'all':<34}{'':>12}{n_params:>12,}{n_flops / 1e6:>9.2f}")
    model = options.model
    lines.append(
        f"{'causal' if model.causal else 'centred'} convolutions reach over {receptive_field} frames, "
        f"a window has {options.data.window_frames}; attention sees "
        f"{'earlier frames' if model.causal else 'all of it'}; computed in {model.compute_dtype}"
    )
    return "\n".join(lines)
