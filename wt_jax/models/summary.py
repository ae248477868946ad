"""What a model is made of: layers, shapes, parameters, receptive field, floating-point operations."""

import itertools

import jax

from wt_jax import config
from wt_jax.input_pipeline.features import n_inputs
from wt_jax.models.layers import tap_shifts
from wt_jax.models.tcn import init_params


def _dense_flops(rows: int, widths: list[int]) -> int:
    return sum(2 * rows * a * b for a, b in itertools.pairwise(widths))


def window_flops(options: config.Config) -> dict[str, int]:
    """Floating-point operations of the matmuls of one window, forward, by layer (a training step: times 3).

    What only sees padding is not counted, where a wide product (`layers`) computes it, too.
    """
    model, frames, width = options.model, options.data.window_frames, options.model.filters
    flops = {"projection": 2 * frames * n_inputs(options.data.inputs) * width}
    for i in range(model.blocks):
        shifts = tap_shifts(model.kernel_size, model.dilations[i % len(model.dilations)], model.causal)
        positions = sum(max(frames - abs(shift), 0) for shift in shifts)
        flops[f"block_{i}"] = 2 * 2 * positions * width * width
    flops["attention"] = 4 * 2 * frames * width * width + 2 * 2 * frames * frames * width
    flops["norm"] = 0
    widths = [width, *model.dense_units]
    flops["classification"] = _dense_flops(1, [*widths, len(options.data.classes)])
    flops["segmentation"] = _dense_flops(frames, [*widths, 1])
    return flops


def receptive_field(model: config.Model) -> int:
    """Frames that the convolutions of one output frame reach over; attention sees the whole window."""
    reach = (model.kernel_size - 1) * sum(
        model.dilations[i % len(model.dilations)] for i in range(model.blocks)
    )
    return 1 + 2 * reach


def summary(options: config.Config) -> str:
    """A table of the model's layers; T frames of a window, a batch dimension left out."""
    model, frames = options.model, options.data.window_frames
    params = jax.eval_shape(lambda: init_params(options))
    flops = window_flops(options)
    shapes = {"classification": f"({len(options.data.classes)})", "segmentation": f"({frames})"}
    lines = [f"{'layer':<34}{'output':>12}{'parameters':>12}{'MFLOP':>9}"]
    for layer, n_flops in flops.items():
        detail = ""
        if layer.startswith("block_"):
            i = int(layer.removeprefix("block_"))
            detail = f"  2 convolutions, dilation {model.dilations[i % len(model.dilations)]}"
        n_params = sum(leaf.size for leaf in jax.tree.leaves(params[layer]))
        shape = shapes.get(layer, f"({frames}, {model.filters})")
        lines.append(f"{layer + detail:<34}{shape:>12}{n_params:>12,}{n_flops / 1e6:>9.2f}")
    n_params = sum(leaf.size for leaf in jax.tree.leaves(params))
    lines.append(f"{'all':<34}{'':>12}{n_params:>12,}{sum(flops.values()) / 1e6:>9.2f}")
    kind = "causal" if model.causal else "centred"
    lines.append(
        f"{kind} convolutions reach over {receptive_field(model)} frames, a window has {frames}; attention "
        f"sees {'earlier frames' if model.causal else 'all of it'}; computed in {model.compute_dtype}"
    )
    return "\n".join(lines)
