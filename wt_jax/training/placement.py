"""What goes where: values whole on each device of this process, or in shares."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from wt_jax.input_pipeline.balanced_sampler import shares

AXIS = "data"


def own_devices(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """Those of this process: other processes put on theirs what they, too, know."""
    return [device for device in devices if device.process_index == jax.process_index()]


def replicated(devices: Sequence[jax.Device]) -> NamedSharding:
    """The placement of what every device holds whole."""
    return NamedSharding(Mesh(np.asarray(own_devices(devices)), (AXIS,)), PartitionSpec())


def with_shares(pmapped: Any, devices: Sequence[jax.Device], in_files: bool) -> Callable:
    """Returns call(values, sequences, firsts_KxB) of a pmapped program: each device gets its share of this
    process's batches, and if `in_files` of the frames, which the host has; `values` are on the devices."""
    own = own_devices(devices)

    def call(values: Any, sequences: dict, firsts_KxB: np.ndarray) -> Any:
        firsts_DxKxb = put_shares(np.ascontiguousarray(shares(firsts_KxB, len(own))), own)
        return pmapped(values, put_shares(sequences, own) if in_files else sequences, firsts_DxKxb)

    return call


def put_shares(values: Any, devices: Sequence[jax.Device]) -> Any:
    """Puts row d on device d, named as a transfer, so that the loop can forbid all others."""
    mesh = Mesh(np.asarray(devices), (AXIS,))
    return jax.device_put(values, NamedSharding(mesh, PartitionSpec(AXIS)))
