import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wt_jax import config
from wt_jax.models.tcn import init_params
from wt_jax.training.optimizer import Monitor, learning_rate, make_optimizer, set_learning_rate, warmup_share

OPTIONS = config.Optimizer(
    learning_rate=0.01,
    weight_decay=0.1,
    plateau_factor=0.5,
    plateau_patience=2,
    minimum_learning_rate=0.003,
)
RUN = config.Config(optimizer=OPTIONS)


@jax.jit
def step(opt_state, params, grads):
    updates, opt_state = make_optimizer(RUN).update(grads, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def test_decay_is_on_kernels_alone(tiny_config):
    shapes = jax.eval_shape(lambda: init_params(tiny_config))
    params, zeros = (
        jax.tree.map(lambda p, v=value: np.full(p.shape, v, p.dtype), shapes) for value in (2, 0)
    )
    after, _ = step(jax.jit(make_optimizer(RUN).init)(params), params, zeros)
    kinds = set()
    for path, factor in jax.tree_util.tree_leaves_with_path(jax.tree.map(lambda a, b: a / b, after, params)):
        kinds.add(path[-1].key)
        expected = 1 - 0.01 * 0.1 if path[-1].key == "kernel" else 1.0
        np.testing.assert_allclose(factor, expected, rtol=1e-6, err_msg=jax.tree_util.keystr(path))
    assert kinds == {"kernel", "bias", "scale", "key_bias"}


def test_steps_are_those_of_adamw():
    """The first step of Adam is the learning rate against the gradient's sign, whatever its size."""
    params = {"kernel": jnp.array([2.0, -1.0]), "bias": jnp.array([1.0, 1.0])}
    grads = {"kernel": jnp.array([1e3, -1e-2]), "bias": jnp.array([5.0, -5.0])}
    after, _ = step(make_optimizer(RUN).init(params), params, grads)
    np.testing.assert_allclose(after["kernel"], [2 - 0.01 * 1.2, -1 + 0.01 * 1.1], rtol=1e-5)
    np.testing.assert_allclose(after["bias"], [0.99, 1.01], rtol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "power", "rate"),
    [(32, 0.5, 0.01), (512, 0.5, 0.04), (8, 0.5, 0.01), (64, 1.0, 0.02), (64, 0.0, 0.01)],
)
def test_learning_rate_goes_with_the_batch(batch_size, power, rate):
    options = dataclasses.replace(
        RUN,
        optimizer=dataclasses.replace(OPTIONS, batch_power=power),
        train=config.Train(batch_size=batch_size),
    )
    assert learning_rate(options) == pytest.approx(rate)
    params = {"bias": jnp.array([1.0, 1.0])}
    optimizer = make_optimizer(options)
    updates, _ = jax.jit(optimizer.update)({"bias": jnp.array([3.0, -3.0])}, optimizer.init(params), params)
    np.testing.assert_allclose(updates["bias"], [-rate, rate], rtol=1e-5)


def test_warm_up_rises_to_the_learning_rate():
    """Over two epochs of 64 windows in batches of 32: four steps."""
    options = config.Config(
        optimizer=config.Optimizer(warmup_epochs=2.0), train=config.Train(batch_size=32, windows_per_epoch=64)
    )
    assert [float(warmup_share(options, jnp.int32(step))) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert warmup_share(config.Config(), jnp.int32(0)) == 1


def test_set_learning_rate_changes_the_next_step_and_nothing_else():
    params = {"bias": jnp.array([1.0, 1.0])}
    before = make_optimizer(RUN).init(params)
    changed = set_learning_rate(before, 0.25)
    after, later = step(changed, params, {"bias": jnp.array([3.0, -3.0])})
    np.testing.assert_allclose(after["bias"], [0.75, 1.25], rtol=1e-5)
    assert later.hyperparams["learning_rate"] == 0.25
    assert before.hyperparams["learning_rate"] == jnp.float32(0.01)
    assert jax.tree.structure(before) == jax.tree.structure(changed)
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(changed), strict=True):
        assert (old.dtype, old.sharding) == (new.dtype, new.sharding)


def run(losses, patience=4, **start):
    """What each epoch's loss did: (is best, learning rate, should stop)."""
    monitor = Monitor(**{"learning_rate": 0.01, **start})
    return [
        (monitor.update(loss, OPTIONS), monitor.learning_rate, monitor.should_stop(patience))
        for loss in losses
    ], monitor


@pytest.mark.parametrize(
    ("losses", "bests", "rates", "stops"),
    [
        # One step up does nothing; the second in a row halves the rate, and so on, down to the floor.
        ([5, 6, 7, 7, 7, 7, 7], "1000000", [10, 10, 5, 5, 3, 3, 3], "0000111"),
        # A better loss starts the counting over, for both.
        ([5, 6, 4, 6, 6, 3, 4, 4], "10100100", [10, 10, 10, 10, 5, 5, 5, 3], "00000000"),
        # An equal loss is no better one.
        ([5, 5, 5, 5, 5], "10000", [10, 10, 5, 5, 3], "00001"),
        ([5, 4, 3, 2], "1111", [10, 10, 10, 10], "0000"),
    ],
    ids=["plateau", "better", "ties", "falling"],
)
def test_plateau_and_early_stop_by_hand(losses, bests, rates, stops):
    trace, _ = run(losses)
    assert "".join(str(int(best)) for best, _, _ in trace) == bests
    assert [rate for _, rate, _ in trace] == pytest.approx([rate / 1000 for rate in rates])
    assert "".join(str(int(stop)) for _, _, stop in trace) == stops


def test_a_rate_below_the_floor_is_never_raised():
    trace, _ = run([1, 2, 2, 2, 2], learning_rate=0.001)
    assert [rate for _, rate, _ in trace] == [0.001] * 5


def test_monitor_goes_on_from_its_saved_fields():
    losses = [5, 6, 4, 6, 6, 6, 6, 6]
    whole, _ = run(losses)
    first, monitor = run(losses[:4])
    saved = json.loads(json.dumps(dataclasses.asdict(monitor)))
    rest, _ = run(losses[4:], **saved)
    assert first + rest == whole
