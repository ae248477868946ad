"""The training and evaluation steps: the only file that says pmap, or jit for training.

`devices` are those of all processes of the run; state and sequences are whole on each of this process's own.

Letters: D devices of this process, K steps a dispatch, A parts of an accumulated batch, B windows of a
device's share. Losses are divided by counts summed over all devices, so that the number of devices
changes nothing but rounding.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from wt_jax import config
from wt_jax.input_pipeline.augment import augment, draw_stretch
from wt_jax.input_pipeline.features import make_inputs
from wt_jax.input_pipeline.windows import Sequences, gather
from wt_jax.models.batch_sizes import CPU_TRAINING_PART
from wt_jax.models.tcn import draw_keys, init_params, make_model
from wt_jax.options import is_off
from wt_jax.training.freezing import find_phases, slowed_by_depth, trained, with_frozen
from wt_jax.training.losses import losses, total_loss
from wt_jax.training.metrics import Sums, batch_sums
from wt_jax.training.optimizer import make_optimizer, warmup_share
from wt_jax.training.placement import AXIS, own_devices, put_shares, replicated, with_shares

_AUGMENT = 1_000_003  # folded into a step's key: no position in a batch, which dropout folds in


class TrainState(flax.struct.PyTreeNode):
    """All that a step changes, and all that a checkpoint must hold of it."""

    step: Any  # int32, steps done
    params: Any
    opt_state: Any
    sums: Sums  # of the epoch so far
    average: Any = None  # moving average of params, None where train.average is 0

    @property
    def eval_params(self) -> Any:
        """What is validated and served: the average where there is one."""
        return self.params if self.average is None else self.average


def all_devices() -> list[jax.Device]:
    """The devices of all processes of the run; a process's are side by side, as its share of a batch is.

    Raises ValueError where processes have different numbers of them.
    """
    numbers = Counter(device.process_index for device in jax.devices())
    if len(set(numbers.values())) > 1:
        raise ValueError(
            f"the processes of a run must have as many devices each; they have {list(numbers.values())}"
        )
    return sorted(jax.devices(), key=lambda device: (device.process_index, device.id))


def init_state(options: config.Config, devices: Sequence[jax.Device], params: Any = None) -> TrainState:
    """The state before the first step, whole on each device; `params` None: drawn from `seed`."""
    params = init_params(options) if params is None else params
    state = TrainState(
        step=np.zeros((), np.int32),
        params=params,
        opt_state=make_optimizer(options, find_phases(options, params)).init(params),
        sums=Sums.zeros(len(options.data.classes)),
        average=jax.tree.map(jnp.copy, params) if not is_off(options.train.average) else None,
    )
    return jax.device_put(state, replicated(devices))


def state_template(options: config.Config, devices: Sequence[jax.Device]) -> TrainState:
    """Shapes, types and placement of `init_state`: what a checkpoint is restored to, on these devices."""
    where = replicated(devices)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where),
        jax.eval_shape(lambda: init_state(options, devices)),
    )


def reset_sums(state: TrainState) -> TrainState:
    """The state at the start of an epoch."""
    zeros = jax.tree.map(lambda of: np.zeros(of.shape, of.dtype), state.sums)
    return state.replace(sums=jax.device_put(zeros, state.step.sharding))


def put_sequences(sequences: Sequences, devices: Sequence[jax.Device]) -> dict[str, jax.Array]:
    """The sequences on every device: windows are gathered there, only indices travel."""
    return jax.device_put(sequences.arrays(devices[0].platform), replicated(devices))


def n_parts(options: config.Config, share: int, platform: str) -> int:
    """Parts in which a device computes its share of a batch: `train.accumulate`, or the fastest."""
    if options.train.accumulate or platform != "cpu":
        return options.train.accumulate or 1
    return max(parts for parts in range(1, max(share // CPU_TRAINING_PART, 1) + 1) if share % parts == 0)


def check_devices(options: config.Config, n_devices: int) -> None:
    """Raises ValueError for a batch that the devices, in its accumulated parts, do not divide."""
    train = options.train
    multiple = n_devices * max(train.accumulate, 1)
    if train.batch_size % multiple:
        parts = f" x train.accumulate={train.accumulate}" if train.accumulate > 1 else ""
        raise ValueError(
            f"train.batch_size={train.batch_size}: must be a multiple of the {n_devices} devices{parts}; "
            f"the nearest above is {-(-train.batch_size // multiple) * multiple}"
        )


def losses_and_sums(
    options: config.Config, platform: str, params: Any, batch: dict, dropout_keys: jax.Array | None
) -> tuple:
    """Summed class and frame losses of a batch, and its metric sums."""
    model = make_model(options, platform)
    logits: Any = model.apply({"params": params}, batch["inputs_BxTxI"], batch["mask_BxT"], dropout_keys)
    logits_BxC, logits_BxT = logits
    class_losses_B, frame_losses_BxT = losses(
        options.loss, logits_BxC, batch["labels_B"], logits_BxT, batch["targets_BxT"]
    )
    sums = batch_sums(
        logits_BxC, batch["labels_B"], batch["labelled_B"], class_losses_B,
        logits_BxT, batch["targets_BxT"], batch["counted_BxT"], frame_losses_BxT,
    )  # fmt: skip
    return sums.classification_loss, sums.segmentation_loss, lax.stop_gradient(sums)


def filmed_batch(options: config.Config, sequences: dict, firsts_B: jax.Array) -> dict:
    """The windows as they were filmed."""
    batch = gather(sequences, firsts_B, options.data.window_frames, options.data.window_step)
    return _with_inputs(options, batch)


def _train_batch(
    options: config.Config, sequences: dict, firsts_B: jax.Array, key: jax.Array, samples_B: jax.Array
) -> dict:
    """The windows as they are trained on: changed at random where `augment` says so."""
    keys_B = jax.vmap(lambda sample: jax.random.fold_in(jax.random.fold_in(key, _AUGMENT), sample))(samples_B)
    stretch_B = draw_stretch(options.augment, keys_B) if not is_off(options.augment.speed) else None
    batch = gather(sequences, firsts_B, options.data.window_frames, options.data.window_step, stretch_B)
    return _with_inputs(options, augment(options.augment, batch, keys_B))


def _with_inputs(options: config.Config, batch: dict) -> dict:
    inputs = make_inputs(options.data.inputs, batch)
    kept = {name: value for name, value in batch.items() if name not in ("angles_BxTxJ", "points_BxTxLx3")}
    return {**kept, "inputs_BxTxI": inputs}


def over_devices(values: Any) -> Any:
    """Summed over all devices; one alone has nothing to wait for, and XLA would copy all of it."""
    return values if lax.axis_size(AXIS) == 1 else lax.psum(values, AXIS)


def train_step(
    options: config.Config, platform: str, phase: int, sequences: dict, state: TrainState, firsts_B: jax.Array
) -> tuple[TrainState, jax.Array]:
    """One optimizer step on this device's share of a batch, in `n_parts`; its loss.

    Of what is frozen in this phase (`freezing`) nothing is differentiated.
    """
    key = jax.random.fold_in(jax.random.key(options.seed), state.step)
    share = firsts_B.shape[0]
    samples_B = lax.axis_index(AXIS) * share + jnp.arange(share)
    batch = {**_train_batch(options, sequences, firsts_B, key, samples_B), "samples_B": samples_B}
    # What one window and one frame weigh, known before any part is computed.
    per_window, per_frame = (
        1 / jnp.maximum(over_devices(batch[mask].sum()), 1).astype(jnp.float32)
        for mask in ("labelled_B", "counted_BxT")
    )

    phases = find_phases(options, state.params)
    trainable = trained(phases, phase, state.params)

    def part_loss(trainable: Any, part: dict) -> tuple[jax.Array, Sums]:
        params = with_frozen(trainable, state.params)
        dropout_keys = draw_keys(key, part["samples_B"]) if not is_off(options.model.dropout) else None
        class_loss, frame_loss, sums = losses_and_sums(options, platform, params, part, dropout_keys)
        return total_loss(options.loss, class_loss * per_window, frame_loss * per_frame), sums

    def accumulate(carry: tuple, part: dict) -> tuple[tuple, None]:
        (loss, sums), grads = jax.value_and_grad(part_loss, has_aux=True)(trainable, part)
        return jax.tree.map(jnp.add, carry, (loss, sums, grads)), None

    parts = n_parts(options, share, platform)
    if parts == 1:
        (loss, sums), grads = jax.value_and_grad(part_loss, has_aux=True)(trainable, batch)
    else:
        batch = jax.tree.map(lambda x: x.reshape(parts, share // parts, *x.shape[1:]), batch)
        zeros = jax.tree.map(jnp.zeros_like, (jnp.zeros(()), state.sums, trainable))
        (loss, sums, grads), _ = lax.scan(accumulate, zeros, batch)
    loss, sums, grads = over_devices((loss, sums, grads))
    optimizer = make_optimizer(options, phases, phase)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    share_of_rate = warmup_share(options, state.step)
    updates = jax.tree.map(lambda update: share_of_rate * update, slowed_by_depth(options, updates))
    trainable = optax.apply_updates(trainable, updates)
    average = state.average
    if average is not None:
        # Early on a shorter memory: the parameters drawn at the start are soon forgotten.
        decay = jnp.minimum(options.train.average, (1 + state.step) / (10 + state.step))
        average = optax.incremental_update(trainable, trained(phases, phase, average), 1 - decay)
        average = with_frozen(average, state.average)
    after = TrainState(
        step=state.step + 1,
        params=with_frozen(trainable, state.params),
        opt_state=opt_state,
        sums=jax.tree.map(jnp.add, state.sums, sums),
        average=average,
    )
    return after, loss


Dispatch = Callable[[TrainState, dict, np.ndarray], tuple[TrainState, jax.Array]]


def train_program(
    options: config.Config, devices: Sequence[jax.Device], in_files: bool = False, phase: int = 0
) -> Any:
    """The pmapped (state, sequences, firsts_DxKxB) -> (state, losses_K): K steps. `state` is donated."""

    def steps(state: TrainState, sequences: dict, firsts_KxB: jax.Array) -> tuple[TrainState, jax.Array]:
        step = partial(train_step, options, devices[0].platform, phase, sequences)
        return lax.scan(step, state, firsts_KxB)

    return pmapped(steps, devices, in_files, donate_argnums=0)


def make_train_dispatch(
    options: config.Config, devices: Sequence[jax.Device], in_files: bool = False, phase: int = 0
) -> Dispatch:
    """Returns dispatch(state, sequences, firsts_KxB) -> (state, losses_K): K steps of a phase in one call.

    `firsts_KxB` is this process's share of K batches; it is split over `devices`. `sequences` are those of
    `put_sequences`, or if `in_files` those of `FrameFiles.cut`. `state` is donated.
    """
    return with_shares(train_program(options, devices, in_files, phase), devices, in_files)


def eval_program(options: config.Config, devices: Sequence[jax.Device], in_files: bool = False) -> Any:
    """The pmapped (params, sequences, firsts_DxNxB) -> Sums of each of N batches."""

    def sums(params: Any, sequences: dict, firsts_NxB: jax.Array) -> Sums:
        def one(_: None, firsts_B: jax.Array) -> tuple[None, Sums]:
            batch = filmed_batch(options, sequences, firsts_B)
            return None, losses_and_sums(options, devices[0].platform, params, batch, None)[2]

        return over_devices(lax.scan(one, None, firsts_NxB)[1])

    return pmapped(sums, devices, in_files)


def make_eval_batches(
    options: config.Config, devices: Sequence[jax.Device], in_files: bool = False
) -> Callable[[Any, dict, np.ndarray], Sums]:
    """Returns eval_batches(params, sequences, firsts_NxB) -> Sums of each of N batches, in one call.

    First frames of -1 are padding. `firsts_NxB` is this process's share, the sums are of all. `sequences` as
    in `make_train_dispatch`.
    """
    return with_shares(eval_program(options, devices, in_files), devices, in_files)


def make_agreement(devices: Sequence[jax.Device]) -> Callable[[int], int]:
    """Returns agree(number) -> the largest that any process gave.

    Of several processes, at the call before: by then it is there, and none has to wait for it.
    """
    if jax.process_count() == 1:
        return lambda number: number
    own, before = own_devices(devices), []
    largest = jax.pmap(lambda number: lax.pmax(number, AXIS), axis_name=AXIS, out_axes=None, devices=devices)

    def agree(number: int) -> int:
        before.append(largest(put_shares(np.full(len(own), number, np.int32), own)))
        return int(before.pop(0)) if len(before) > 1 else 0

    return agree


def pmapped(program: Callable, devices: Sequence[jax.Device], in_files: bool, **how: Any) -> Any:
    """Values whole on each device; its share of the batches, and if `in_files` of the frames."""
    in_axes = (None, 0 if in_files else None, 0)
    return jax.pmap(program, axis_name=AXIS, in_axes=in_axes, out_axes=None, devices=devices, **how)
