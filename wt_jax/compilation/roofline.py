"""The least time that a step can take on a chip: a bound from its arithmetic, its memory and its launches.

Source: Williams, Waterman and Patterson 2009, Roofline. No measurement: a program runs slower than this, but
for what a GPU's caches spare its memory, which is left out, and for its launches, whose time is assumed.
"""

import dataclasses

from wt_jax.compilation.program_cost import ProgramCost
from wt_jax.compilation.targets import NODE, Target


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Least seconds of one step on one chip, by what bounds them; a chip does all at once."""

    arithmetic_s: float
    memory_s: float
    launches_s: float

    @property
    def seconds(self) -> float:
        """The largest: what binds."""
        return max(dataclasses.astuple(self))

    @property
    def binds(self) -> str:
        """Which of them it is: arithmetic, memory or launches."""
        values = dataclasses.asdict(self)
        return max(values, key=values.__getitem__).removesuffix("_s")


def roofline(target: Target, flops: float, dtype: str, cost: ProgramCost) -> Roofline:
    """Of a step that does so many operations in matrix products of this type."""
    return Roofline(
        arithmetic_s=flops / target.flops(dtype),
        memory_s=cost.main_memory_bytes / target.memory_bandwidth,
        launches_s=cost.kernels * target.launch_s,
    )


def exchange_s(target: Target, n_chips: int, n_bytes: float) -> float:
    """Least seconds to sum so many bytes over the chips.

    Of GPUs first over those of a node, then each of them its share with those of other nodes.
    """
    near = min(n_chips, NODE) if target.is_gpu else n_chips
    seconds = _ring_s(near, n_bytes, target.link_bandwidth)
    if near < n_chips:
        seconds += _ring_s(n_chips / near, n_bytes / near, target.network_bandwidth)
    return seconds


def _ring_s(n: float, n_bytes: float, bandwidth: float) -> float:
    """A ring sends each byte twice, less a chip's own, one way of the link."""
    return 2 * (n - 1) / n * n_bytes / (bandwidth / 2)
