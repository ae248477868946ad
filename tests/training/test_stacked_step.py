"""Trials as one program: what becomes of each is what becomes of it alone."""

import jax
import jax.numpy as jnp
import numpy as np
from step_runs import N_FRAMES, assert_close, options_with, random_sequences

from wt_jax import config
from wt_jax.training import stacked_step, train_step

POINTS = {"data.inputs": ("angles", "lengths"), "train.steps_per_dispatch": 2, "model.blocks": 1}
# Of every key that programs are given as a number, another for each of the trials; 0 turns it off.
VALUES = {
    "seed": (7, 4_000_000_000), "model.dropout": (0.0, 0.25),
    "loss.segmentation_weight": (5.0, 9.0), "loss.focal_gamma": (0.0, 1.5), "loss.focal_alpha": (0.5, 0.25),
    "optimizer.warmup_epochs": (0.0, 2.0), "optimizer.layer_decay": (1.0, 0.5), "train.average": (0.9, 0.05),
    "augment.speed": (0.0, 0.5), "augment.yaw_deg": (40.0, 0.0),
    "augment.pitch_deg": (10.0, 0.0), "augment.roll_deg": (0.0, 5.0),
    "augment.jitter": (0.0, 0.0625), "augment.missing": (0.5, 0.0),
}  # fmt: skip
LEARNING_RATES = (5e-4, 2e-3)


def trials() -> list[config.Config]:
    return [
        options_with(
            **POINTS,
            **{key: of[i] for key, of in VALUES.items()},
            **{"optimizer.learning_rate": LEARNING_RATES[i]},
        )
        for i in range(2)
    ]


def sequences_with_points():
    rng = np.random.default_rng(3)
    plain = random_sequences()
    points_FxLx3 = rng.normal(0, 100, (N_FRAMES, 33, 3)).astype(np.float16)
    return type(plain)(None, plain.targets_F, plain.classes_F, plain.real_F, plain.counted_F, points_FxLx3)


def test_each_of_them_is_what_it_is_alone_on_one_device():
    assert set(VALUES) == set(stacked_step.NUMBERS)
    own, devices = trials(), jax.devices()[:2]
    sequences = train_step.put_sequences(sequences_with_points(), devices)
    firsts_KxMxB = np.random.default_rng(2).integers(30, N_FRAMES - 70, (2, 2, 8)).astype(np.int32)
    states = [stacked_step.first_state(options, devices) for options in own]
    numbers = stacked_step.numbers_of(own, stacked_step.NUMBERS)
    together = stacked_step.make_stacked_dispatch(options_with(**POINTS), devices)
    (stacked, _), losses_KxM = jax.device_get(
        together((stacked_step.stack(states, devices), numbers), sequences, firsts_KxMxB)
    )
    for i, options in enumerate(own):
        alone = train_step.make_train_dispatch(options, devices[:1])
        before = jax.device_put(states[i], devices[0])
        one_device = train_step.put_sequences(sequences_with_points(), devices[:1])
        state, losses_K = jax.device_get(alone(before, one_device, firsts_KxMxB[:, i]))
        np.testing.assert_allclose(losses_KxM[:, i], losses_K, rtol=1e-5)
        for name in ("average", "sums", "step"):
            assert_close(
                getattr(jax.tree.map(lambda leaf, i=i: leaf[i], stacked), name), getattr(state, name), 3e-5
            )


def test_losses_of_validation_are_of_each_trials_own_windows():
    own, devices = trials()[:2], jax.devices()[:1]
    sequences = train_step.put_sequences(sequences_with_points(), devices)
    params = [train_step.init_state(options, devices).params for options in own]
    firsts_NxMxB = np.array([[[0, 40, 80], [120, 160, -1]]], np.int32)
    evaluate = stacked_step.make_stacked_eval(options_with(**POINTS), devices)
    stacked = jax.device_get(
        evaluate(stacked_step.stack(jax.device_get(params), devices), sequences, firsts_NxMxB)
    )
    for i, (options, of) in enumerate(zip(own, params, strict=True)):
        alone = train_step.make_eval_batches(options, devices)(of, sequences, firsts_NxMxB[:, i])
        mine = jax.tree.map(lambda leaf, i=i: leaf[:, i], stacked)
        np.testing.assert_allclose(mine.segmentation_loss, alone.segmentation_loss, rtol=1e-5)
        np.testing.assert_array_equal(mine.confusion_CxC, alone.confusion_CxC)
    assert stacked.confusion_CxC.sum((2, 3)).tolist() != [[0, 0]]


def test_what_is_aside_changes_no_program():
    """A key in ASIDE is read by no program, as the jaxpr of a step shows."""
    options = options_with()
    state = jax.device_get(train_step.init_state(options, jax.devices()[:1]))
    sequences = jax.tree.map(jnp.asarray, random_sequences().arrays())

    def program(options: config.Config) -> str:
        def step(state, firsts):
            with jax.named_scope("alone"):
                return train_step.train_step(options, "cpu", 0, sequences, state, firsts)

        mapped = jax.vmap(step, axis_name=train_step.AXIS, in_axes=(None, 0), axis_size=1)
        return str(jax.make_jaxpr(mapped)(state, np.zeros((1, 4), np.int32)))

    plain = program(options)
    other = {
        "optimizer.batch_power": 0.5, "optimizer.plateau_factor": 0.25, "optimizer.plateau_patience": 3,
        "optimizer.minimum_learning_rate": 1e-5, "train.epochs": 3, "train.patience": 4,
        "data.positive_ratio": 0.5,
        "data.balance_sources": True, "data.balance_power": 1.0, "data.synthetic": 0.5,
        "optimizer.learning_rate": 1e-3, "optimizer.weight_decay": 1e-2,
    }  # fmt: skip
    assert set(other) == set(stacked_step.ASIDE)
    assert program(options_with(**other)) == plain
    assert program(options_with(**{"loss.segmentation_weight": 1.0})) != plain
