"""The step: against plain arithmetic, in parts, on two devices, and restored on another number of them."""

import os
import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from programs import PLAIN_XLA_FLAGS, run_python
from runs import PLAINLY, compilations
from step_runs import assert_close, make_dispatch, options_with, random_firsts, random_sequences, run_steps

from wt_jax.models.tcn import draw_keys, make_model
from wt_jax.training import train_step


@pytest.mark.optimized
def test_a_step_is_what_the_formulas_say():
    """One step, written out again with plain sums and optax.adamw, and compiled as plainly as XLA can."""
    options = options_with(**{"train.steps_per_dispatch": 1})
    sequences, firsts = random_sequences(), random_firsts(options)[0]
    firsts[3] = 210  # of unknown class
    frames = firsts[:, None] + np.arange(30)
    known = (sequences.classes_F[frames] >= 0).all(1)
    labels = sequences.classes_F[firsts]
    counted = sequences.counted_F[frames]
    initial = train_step.init_state(options, jax.devices()[:1])
    key = jax.random.fold_in(jax.random.key(options.seed), 0)
    dropout_keys = draw_keys(key, jnp.arange(8))

    def loss(params):
        class_logits, frame_logits = make_model(options).apply(
            {"params": params}, sequences.angles_FxJ[frames], sequences.real_F[frames], dropout_keys
        )
        p = jax.nn.softmax(class_logits)[np.arange(8), np.maximum(labels, 0)]
        focal = -0.5 * (1 - p) * jnp.log(p)
        q, target = jax.nn.sigmoid(frame_logits), sequences.targets_F[frames]
        bce = -target * jnp.log(q) - (1 - target) * jnp.log(1 - q)
        return focal[known].mean() + 5.0 * bce[counted].mean()

    assert 0 < known.sum() < 8
    params = jax.device_get(initial.params)
    decayed = jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
    optimizer = optax.adamw(5e-4, weight_decay=1e-4, mask=decayed)

    def plain_step(params):
        value, grads = jax.value_and_grad(loss)(params)
        return value, optax.apply_updates(params, optimizer.update(grads, optimizer.init(params), params)[0])

    value, expected = jax.jit(plain_step, compiler_options=PLAINLY)(params)
    state, losses = run_steps(options, firsts=firsts[None])
    np.testing.assert_allclose(losses, [value], rtol=1e-5)
    assert_close(state.params, expected, 1e-5)
    assert state.step == 1
    assert state.sums.confusion_CxC.sum() == known.sum()
    assert state.sums.histogram_2xN.sum() == counted.sum()


@pytest.mark.parametrize(
    ("share", "accumulate", "parts"),
    [(32, 0, 1), (1024, 0, 32), (96, 0, 3), (80, 0, 2), (37, 0, 1), (8, 0, 1), (64, 1, 1), (64, 4, 4)],
)
def test_parts_on_a_cpu_are_of_some_32_windows(share, accumulate, parts):
    options = options_with(**{"train.accumulate": accumulate})
    assert train_step.n_parts(options, share, "cpu") == parts
    assert train_step.n_parts(options, share, "tpu") == max(accumulate, 1)


def test_accumulated_parts_give_the_same_step():
    whole, losses = run_steps(options_with())
    parts, losses_in_parts = run_steps(options_with(**{"train.accumulate": 4}))
    assert_close(losses, losses_in_parts)
    assert_close(whole.params, parts.params)
    np.testing.assert_array_equal(whole.sums.confusion_CxC, parts.sums.confusion_CxC)


def test_several_steps_a_dispatch_are_the_same_steps():
    options, one = options_with(), options_with(**{"train.steps_per_dispatch": 1})
    together, losses = run_steps(options)
    devices = jax.devices()[:1]
    dispatch, state = make_dispatch(one), train_step.init_state(one, devices)
    sequences = train_step.put_sequences(random_sequences(), devices)
    for firsts, loss in zip(random_firsts(options), losses, strict=True):
        state, loss_alone = dispatch(state, sequences, firsts[None])
        np.testing.assert_allclose(loss_alone, [loss], rtol=1e-5)
    assert_close(together.params, jax.device_get(state.params))


def test_the_seed_decides_everything():
    assert run_steps(options_with())[1].tolist() == run_steps(options_with())[1].tolist()
    assert run_steps(options_with())[1].tolist() != run_steps(options_with(seed=1))[1].tolist()


def test_the_step_only_takes_indices_from_the_host():
    options, devices = options_with(), jax.devices()[:1]
    dispatch = make_dispatch(options)
    state, sequences = (
        train_step.init_state(options, devices),
        train_step.put_sequences(random_sequences(), devices),
    )
    state, _ = dispatch(state, sequences, random_firsts(options))
    with jax.transfer_guard("disallow"):
        state, losses = dispatch(state, sequences, random_firsts(options))
    assert np.isfinite(losses).all()


def test_a_step_is_compiled_once():
    options, devices = options_with(), jax.devices()[:1]
    dispatch = train_step.make_train_dispatch(options, devices)
    state, sequences = (
        train_step.init_state(options, devices),
        train_step.put_sequences(random_sequences(), devices),
    )
    with compilations() as events:
        state, _ = dispatch(state, sequences, random_firsts(options))
        n_first = len(events)
        for _ in range(3):
            state, _ = dispatch(train_step.reset_sums(state), sequences, random_firsts(options))
    assert n_first > 0 and events[n_first:] == []


def test_bfloat16_learns_the_same_thing():
    _, losses = run_steps(options_with())
    state, losses_bf16 = run_steps(options_with(**{"model.compute_dtype": "bfloat16"}))
    np.testing.assert_allclose(losses, losses_bf16, rtol=0.02)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(state.params))


def test_padding_changes_no_sum():
    options, devices = options_with(), jax.devices()[:1]
    params = train_step.init_state(options, devices).params
    sequences = train_step.put_sequences(random_sequences(), devices)
    eval_batches = train_step.make_eval_batches(options, devices)
    firsts = random_firsts(options)[0]
    padded = np.concatenate([firsts[:5], np.full(3, -1, np.int32)])
    assert_close(
        jax.device_get(eval_batches(params, sequences, firsts[None, :5])),
        jax.device_get(eval_batches(params, sequences, padded[None])),
        1e-6,
    )


@pytest.mark.parametrize(("n_devices", "accumulate"), [(3, 1), (4, 4)])
def test_a_batch_that_the_devices_do_not_divide(n_devices: int, accumulate: int):
    options = options_with(**{"train.accumulate": accumulate})
    with pytest.raises(
        ValueError, match=r"train.batch_size=8: must be a multiple of the \d devices.*above is"
    ):
        train_step.check_devices(options, n_devices)


TWO_DEVICES = """
import pickle, sys, tempfile
import jax, numpy as np, grain
from step_runs import options_with, run_steps
from wt_jax.training import train_step
from wt_jax.training.checkpoint_meta import make_meta
from wt_jax.training.checkpoints import Checkpoints
assert jax.device_count() == 2
options = options_with(**{"train.accumulate": 4})
result = two, _ = run_steps(options, 2)
with tempfile.TemporaryDirectory() as folder:
    both, alone = jax.devices(), jax.devices()[1:]
    state = jax.device_put(two, train_step.replicated(both))
    batches = iter(grain.MapDataset.range(10).to_iter_dataset())
    checkpoints = Checkpoints(folder)
    checkpoints.save(state, batches, make_meta(options), 0.5)
    restored = checkpoints.restore(3, train_step.state_template(options, alone)).state
    assert jax.tree.leaves(restored)[0].devices() == set(alone)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), two)
    checkpoints.close()
with open(sys.argv[1], "wb") as file:
    pickle.dump(result, file)
"""


def test_two_devices_equal_one_and_a_checkpoint_moves_between_them(tmp_path):
    """In parts; with their whole share at once: tests/test_train_processes.py."""
    done = run_python(
        TWO_DEVICES, tmp_path / "result", JAX_PLATFORMS="cpu", PYTHONPATH=os.pathsep.join(sys.path),
        XLA_FLAGS=f"{PLAIN_XLA_FLAGS} --xla_force_host_platform_device_count=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    two, losses_two = pickle.loads((tmp_path / "result").read_bytes())
    one, losses_one = run_steps(options_with(**{"train.accumulate": 4}))
    assert_close(losses_one, losses_two)
    assert_close(one.params, two.params)
    assert_close(one.sums, two.sums)
