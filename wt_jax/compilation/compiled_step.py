"""The run's own programs, compiled for devices that are not here, from shapes alone."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, use_abstract_mesh

from wt_jax import config
from wt_jax.compilation.program_cost import ProgramCost, program_cost
from wt_jax.inference.sliding_window import batch_outputs
from wt_jax.input_pipeline.features import needs_points
from wt_jax.input_pipeline.frame_files import read_frames, row_type
from wt_jax.input_pipeline.windows import make_sequences
from wt_jax.models.batch_sizes import forward_batch
from wt_jax.models.tcn import init_params
from wt_jax.runtime.native_output import quiet
from wt_jax.skeleton import N_ANGLES, N_LANDMARKS
from wt_jax.training.placement import AXIS
from wt_jax.training.stacked_step import NUMBERS, numbers_of, stacked_program
from wt_jax.training.train_step import eval_program, init_state, train_program
from wt_jax.training.validation import batches_a_call, eval_share


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """What it needs of one chip; cost is that of one batch."""

    windows: int  # of a batch, on one chip
    cost: ProgramCost
    counted_bytes: float  # as XLA counts, on-chip memory in it; 0 where it does not say
    kept_bytes: int  # arguments and results: state, data, indices
    batch_bytes: int  # of them, what grows with the batch: frames from files, of this dispatch and the next
    working_bytes: int  # what it allocates beside
    code_bytes: int
    is_read: bool = True  # False: `cost` is XLA's count of bytes and nothing else

    @property
    def memory_bytes(self) -> int:
        """All that it occupies."""
        return self.kept_bytes + self.working_bytes + self.code_bytes


@dataclasses.dataclass(frozen=True)
class Data:
    """What is trained and validated on."""

    n_frames: int  # whole on each chip
    n_validated: int  # windows
    in_files: bool = False  # the frames: only a batch's own are on the chips


def compile_training(options: config.Config, devices: Sequence[jax.Device], data: Data) -> CompiledProgram:
    """One dispatch of training steps."""
    steps, share = options.train.steps_per_dispatch, options.train.batch_size // len(devices)
    state = jax.eval_shape(lambda: init_state(options, jax.devices()[:1]))
    program = train_program(options, devices, data.in_files)
    return _compile_batches(options, devices, data, program, state, (steps, share))


def compile_together(
    options: config.Config, devices: Sequence[jax.Device], data: Data, n_trials: int
) -> CompiledProgram:
    """One dispatch of training steps of so many trials, which differ in all NUMBERS."""
    steps, share = options.train.steps_per_dispatch, options.train.batch_size // len(devices)
    state = jax.eval_shape(lambda: init_state(options, jax.devices()[:1]))
    states = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((n_trials, *x.shape), x.dtype),
        state,
    )
    numbers = numbers_of([options] * n_trials, NUMBERS)
    program = stacked_program(options, devices)
    return _compile_batches(options, devices, data, program, (states, numbers), (steps, n_trials, share))


def compile_validation(options: config.Config, devices: Sequence[jax.Device], data: Data) -> CompiledProgram:
    """All batches of validation windows, or as many as are in one call."""
    share = eval_share(options, devices, data.n_validated)
    n_batches = -(-data.n_validated // (share * len(devices)))
    if data.in_files:
        n_batches = batches_a_call(n_batches, share * len(devices))
    program = eval_program(options, devices, data.in_files)
    return _compile_batches(options, devices, data, program, _params(options), (n_batches, share))


def _compile_batches(
    options: config.Config,
    devices: Sequence[jax.Device],
    data: Data,
    program: Any,
    values: Any,
    batches: tuple[int, ...],
) -> CompiledProgram:
    """Of `train_step`, with so many batches, of each of so many trials, of so many windows on each device."""
    n_batches, share = batches[0], math.prod(batches[1:])
    firsts = jax.ShapeDtypeStruct((len(devices), *batches), np.int32)
    sequences, read_bytes = _resident(options, data.n_frames, devices[0].platform), 0
    if data.in_files:
        sequences = _read(options, len(devices), n_batches * share)
        read_bytes = sum(x.size * x.dtype.itemsize for x in sequences.values()) // len(devices)
    with _traced_for(devices):
        lowered = program.lower(values, sequences, firsts)
    compiled = _compiled(lowered, devices, share, n_batches)
    # The next dispatch's frames are sent while this one computes.
    return dataclasses.replace(
        compiled, kept_bytes=compiled.kept_bytes + read_bytes, batch_bytes=2 * read_bytes
    )


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


def _resident(options: config.Config, n_frames: int, platform: str) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of the data that lies on each chip."""
    none = make_sequences((), options.data.classes, options.labels, points=needs_points(options))
    arrays = none.arrays(platform)
    return {name: jax.ShapeDtypeStruct((n_frames, *x.shape[1:]), x.dtype) for name, x in arrays.items()}


def _read(options: config.Config, n_devices: int, n_windows: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of the frames of so many windows on each chip, as `FrameFiles.cut` returns them."""
    rows, dims = row_type(options), (n_devices, n_windows * read_frames(options))
    return {
        name: jax.ShapeDtypeStruct((*dims, *rows[name].shape), rows[name].base) for name in rows.names or ()
    }


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
        batch_bytes=0,
        working_bytes=memory.temp_size_in_bytes,
        code_bytes=memory.generated_code_size_in_bytes,
        is_read=is_read,
    )
