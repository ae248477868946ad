"""The run's own programs, compiled for devices that are not here, from shapes alone."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, use_abstract_mesh

from wt_jax import config
from wt_jax.compilation.program_cost import ProgramCost, program_cost
from wt_jax.inference.sliding_window import batch_outputs
from wt_jax.input_pipeline.features import needs_points
from wt_jax.input_pipeline.windows import make_sequences
from wt_jax.models.batch_sizes import forward_batch
from wt_jax.models.tcn import init_params
from wt_jax.runtime.native_output import quiet
from wt_jax.skeleton import N_ANGLES, N_LANDMARKS
from wt_jax.training.placement import AXIS
from wt_jax.training.train_step import eval_program, init_state, train_program


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """What it needs of one chip; cost is that of one batch."""

    windows: int  # of a batch, on one chip
    cost: ProgramCost
    counted_bytes: float  # as XLA counts, on-chip memory in it; 0 where it does not say
    kept_bytes: int  # arguments and results: state, data, indices
    working_bytes: int  # what it allocates beside
    code_bytes: int
    is_read: bool = True  # False: `cost` is XLA's count of bytes and nothing else

    @property
    def memory_bytes(self) -> int:
        """All that it occupies."""
        return self.kept_bytes + self.working_bytes + self.code_bytes


def compile_training(options: config.Config, devices: Sequence[jax.Device], n_frames: int) -> CompiledProgram:
    """One dispatch of training steps, with so many frames of data on each chip."""
    steps, share = options.train.steps_per_dispatch, options.train.batch_size // len(devices)
    firsts = jax.ShapeDtypeStruct((len(devices), steps, share), np.int32)
    state = jax.eval_shape(lambda: init_state(options, jax.devices()[:1]))
    with _traced_for(devices):
        lowered = train_program(options, devices).lower(
            state, _sequences(options, n_frames, devices[0].platform), firsts
        )
    return _compiled(lowered, devices, share, steps)


def compile_validation(
    options: config.Config, devices: Sequence[jax.Device], n_frames: int
) -> CompiledProgram:
    """Eight batches of validation windows."""
    share = options.train.eval_batch_size // len(devices) or forward_batch(devices[0].platform)
    firsts = jax.ShapeDtypeStruct((len(devices), 8, share), np.int32)
    with _traced_for(devices):
        lowered = eval_program(options, devices).lower(
            _params(options), _sequences(options, n_frames, devices[0].platform), firsts
        )
    return _compiled(lowered, devices, share, 8)


def compile_inference(options: config.Config, devices: Sequence[jax.Device]) -> CompiledProgram:
    """A batch of windows of landmarks or angles, on the first of the devices."""
    share, frames = forward_batch(devices[0].platform), options.data.window_frames
    where = jax.sharding.SingleDeviceSharding(devices[0])

    def shape(dims: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(dims, dtype, sharding=where)

    pose = (
        {"points_BxTxLx3": shape((share, frames, N_LANDMARKS, 3), np.float16)}
        if needs_points(options)
        else {"angles_BxTxJ": shape((share, frames, N_ANGLES), np.float32)}
    )
    batch = {**pose, "mask_BxT": shape((share, frames), bool)}
    params = jax.tree.map(lambda x: shape(x.shape, x.dtype), _params(options))
    with _traced_for(devices[:1]):
        lowered = jax.jit(batch_outputs(options, devices[0].platform)).lower(params, batch)
    return _compiled(lowered, devices[:1], share, 1)


@contextlib.contextmanager
def _traced_for(devices: Sequence[jax.Device]) -> Iterator[None]:
    """What is traced and lowered within is for these devices: JAX 0.12 asks that for kernels of a GPU."""
    if devices[0].platform != "gpu":
        yield
        return
    device = AbstractDevice(devices[0].device_kind, devices[0].core_count, "gpu")  # type: ignore[attr-defined]
    mesh = AbstractMesh((len(devices),), (AXIS,), (AxisType.Auto,), abstract_device=device)
    with use_abstract_mesh(mesh):
        yield


def _params(options: config.Config) -> Any:
    return jax.eval_shape(lambda: init_params(options))


def _sequences(options: config.Config, n_frames: int, platform: str) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of the data that lies on each chip."""
    none = make_sequences((), options.data.classes, options.labels, points=needs_points(options))
    arrays = none.arrays(platform)
    return {name: jax.ShapeDtypeStruct((n_frames, *x.shape[1:]), x.dtype) for name, x in arrays.items()}


def _compiled(lowered: Any, devices: Sequence[jax.Device], windows: int, batches: int) -> CompiledProgram:
    # Autotuning runs kernels, and there is nothing to run them on.
    choices = None if devices[0].platform in ("cpu", "tpu") else {"xla_gpu_autotune_level": "0"}
    program = lowered.compile(compiler_options=choices)
    counted_bytes = (program.cost_analysis() or {}).get("bytes accessed", 0.0)  # of a loop's body once
    memory = program.memory_analysis()
    try:
        with quiet():
            text = program.as_text()
        cost, is_read = program_cost(text) * (1 / batches), True
    except jax.errors.JaxRuntimeError:  # libtpu 0.0.52 cannot print some of its programs for a v6e
        cost, is_read = ProgramCost(counted_bytes), False
    return CompiledProgram(
        windows=windows,
        cost=cost,
        counted_bytes=counted_bytes,
        kept_bytes=memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes,
        working_bytes=memory.temp_size_in_bytes,
        code_bytes=memory.generated_code_size_in_bytes,
        is_read=is_read,
    )
