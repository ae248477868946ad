"""What is frozen stays as it is, thaws when it should, and costs nothing until then."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict
from runs import save_run
from step_runs import assert_close, options_with, random_firsts, random_sequences, run_steps
from training_runs import arguments, assert_same_run, best_and_history, write_root

from wt_jax import train
from wt_jax.runtime.config_flags import parse
from wt_jax.training import train_step
from wt_jax.training.checkpoint_reader import CheckpointReader
from wt_jax.training.freezing import check_freezing, depth, find_phases, phase_after
from wt_jax.training.optimizer import make_optimizer, set_learning_rate

DEVICES = jax.devices()[:1]
ALL_BUT_HEADS = ("projection", "block_*", "attention", "norm")


def two_blocks(**overrides: object):
    return options_with(**{"model.blocks": 2, **overrides})


def freezing(*freeze: str, unfreeze_epochs: int = 0, **overrides: object):
    return two_blocks(
        **{"optimizer.freeze": freeze, "optimizer.unfreeze_epochs": unfreeze_epochs, **overrides}
    )


def phases_of(options) -> dict[str, float]:
    shapes = jax.eval_shape(lambda: train_step.init_params(options))
    return flatten_dict(find_phases(options, shapes), sep="/")


def changed(before, after) -> set[str]:
    """The modules, as far down as they are named, in which any weight is another."""
    before, after = (flatten_dict(jax.device_get(tree), sep="/") for tree in (before, after))
    return {name.rpartition("/")[0] for name in before if not np.array_equal(before[name], after[name])}


def n_moments(opt_state) -> int:
    """Numbers in Adam's first and second moments."""
    return sum(leaf.size for leaf in jax.tree.leaves(opt_state) if leaf.ndim)


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        (("projection",), {"projection"}),
        (
            ("block_*",),
            {f"block_{i}/{part}" for i in "01" for part in ("conv_0", "conv_1", "norm_0", "norm_1")},
        ),
        (("block_0/conv_1", "norm"), {"block_0/conv_1", "norm"}),
        (("*/conv_0",), {"block_0/conv_0", "block_1/conv_0"}),
        (("*/logits",), {"classification/logits", "segmentation/logits"}),
        (("norm*",), {"norm"}),
    ],
)
def test_names_and_globs_are_of_modules_as_they_stand_in_the_parameters(freeze, frozen):
    phases = phases_of(freezing(*freeze))
    assert {name.rpartition("/")[0] for name, phase in phases.items() if phase} == frozen
    assert set(phases.values()) == {0, float("inf")}


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (
            ("blocks",),
            "optimizer.freeze: nothing is called blocks; there are attention, block_0, block_1, class",
        ),
        (("norm", "kernel"), "optimizer.freeze: nothing is called kernel; there are"),
        (("Norm",), "and parts like attention/key"),
        (("*",), "optimizer.freeze: * are all that there is: leave something to train"),
        ((*ALL_BUT_HEADS, "classification", "segmentation"), "segmentation are all that there is"),
    ],
)
def test_what_cannot_be_frozen_is_named(freeze, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_freezing(freezing(*freeze))


def test_to_thaw_something_must_be_frozen():
    with pytest.raises(ValueError, match=r"optimizer\.unfreeze_epochs=3: .*set optimizer\.freeze"):
        freezing(unfreeze_epochs=3)


def test_depth_and_the_order_of_thawing_by_hand():
    order = (
        "classification",
        "segmentation",
        "attention",
        "norm",
        "block_7",
        "block_1",
        "block_0",
        "projection",
    )
    assert [depth(module, 8) for module in order] == [0, 0, 1, 1, 2, 8, 9, 10]
    options = freezing(*ALL_BUT_HEADS, unfreeze_epochs=3)
    phases = {name.split("/")[0]: phase for name, phase in phases_of(options).items()}
    assert phases == {
        "classification": 0, "segmentation": 0, "attention": 1, "norm": 1, "block_1": 2, "block_0": 3,
        "projection": 4,
    }  # fmt: skip
    params = jax.eval_shape(lambda: train_step.init_params(options))
    assert [phase_after(options, params, n) for n in (0, 2, 3, 5, 6, 9, 11, 12, 99)] == [
        0,
        0,
        1,
        1,
        2,
        3,
        3,
        4,
        4,
    ]
    # Of what is frozen alone: the heads after 3 epochs, the first block after 6.
    part = phases_of(freezing("segmentation", "block_0/conv_0", unfreeze_epochs=3))
    assert part["segmentation/logits/kernel"] == 1 and part["block_0/conv_0/kernel"] == 2
    assert {name for name, phase in part.items() if phase == 2} == {
        "block_0/conv_0/kernel",
        "block_0/conv_0/bias",
    }


BOTH = {"model.blocks": 1, "train.average": 0.9, "train.accumulate": 4, "train.steps_per_dispatch": 1}


def test_what_is_frozen_stays_bit_equal_and_the_rest_moves_as_if_nothing_were():
    """In three steps; of the first, what is trained moves as without freezing."""
    frozen, free = freezing("block_*", "projection", **BOTH), options_with(**BOTH)
    before = jax.device_get(train_step.init_state(frozen, DEVICES))
    first, loss = run_steps(frozen)
    first_of_all, loss_of_all = run_steps(free)
    np.testing.assert_allclose(loss, loss_of_all, rtol=1e-6)
    after, after_all = first, first_of_all
    for _ in range(2):
        after, loss = run_steps(frozen, state=after)
        after_all, loss_of_all = run_steps(free, state=after_all)
    assert abs(loss[0] - loss_of_all[0]) > 1e-6
    for was, now in ((before.params, after.params), (before.average, after.average)):
        moved = changed(was, now)
        assert {name.split("/")[0] for name in moved} == {
            "attention",
            "norm",
            "classification",
            "segmentation",
        }
    for name in ("attention", "norm", "classification", "segmentation"):
        assert_close(first.params[name], first_of_all.params[name], 1e-6)


def test_what_never_thaws_has_no_moments_and_no_gradient_in_the_program():
    """Of nothing frozen all is as it was before one could freeze."""
    params = jax.device_get(train_step.init_params(two_blocks()))
    n_of = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params.items()}
    heads = n_of["classification"] + n_of["segmentation"]
    plain, frozen = (
        train_step.init_state(o, DEVICES).opt_state for o in (two_blocks(), freezing(*ALL_BUT_HEADS))
    )
    assert n_moments(plain) == 2 * sum(n_of.values()) and n_moments(frozen) == 2 * heads
    as_before = optax.inject_hyperparams(optax.adamw, static_args=("mask",))(
        learning_rate=1.0, weight_decay=1.0, mask=lambda params: jax.tree.map(lambda _: True, params)
    ).init(params)
    assert jax.tree.structure(plain) == jax.tree.structure(as_before)


def test_a_program_of_frozen_weights_multiplies_less():
    """Nothing of the blocks is differentiated: their matmuls run once, not three times."""

    def n_matmuls(options) -> int:
        state = jax.eval_shape(lambda: train_step.init_state(options, DEVICES))
        sequences = jax.tree.map(np.asarray, random_sequences().arrays("cpu"))
        program = train_step.train_program(options, DEVICES)
        return program.lower(state, sequences, random_firsts(options)[None]).as_text().count("dot_general")

    of_all, of_heads = n_matmuls(two_blocks()), n_matmuls(freezing(*ALL_BUT_HEADS))
    forward = n_matmuls(freezing(*ALL_BUT_HEADS, "segmentation", "classification/dense_0"))
    assert of_heads < of_all / 2
    assert forward < of_heads


def test_a_group_begins_when_it_thaws_as_adam_begins():
    """Its first step is the learning rate against the sign: the counts of its bias correction begin there."""
    options = freezing("block_0", unfreeze_epochs=1, **{"optimizer.weight_decay": 0.0})
    params = {"block_0": {"bias": jnp.ones(2)}, "norm": {"bias": jnp.ones(2)}}
    grads = {"block_0": {"bias": None}, "norm": {"bias": jnp.array([3.0, -3.0])}}
    phases = find_phases(options, params)
    waiting, thawed = (make_optimizer(options, phases, phase) for phase in (0, 1))
    state = first = waiting.init(params)
    assert jax.tree.structure(state) == jax.tree.structure(thawed.init(params))
    for _ in range(5):
        updates, state = waiting.update(grads, state, params)
    assert updates["block_0"] == {"bias": None}
    of_frozen = "1"
    jax.tree.map(np.testing.assert_array_equal, state.inner_states[of_frozen], first.inner_states[of_frozen])
    state = set_learning_rate(state, 0.25)
    updates, state = thawed.update({**grads, "block_0": {"bias": jnp.array([5.0, -5.0])}}, state, params)
    np.testing.assert_allclose(updates["block_0"]["bias"], [-0.25, 0.25], rtol=1e-5)
    np.testing.assert_allclose(updates["norm"]["bias"], [-0.25, 0.25], rtol=1e-5)


def test_a_learning_rate_by_depth():
    """One step, in which AdamW moves every weight with its rate: by depth half of the rate a step."""
    before = jax.device_get(train_step.init_state(options_with(**BOTH), DEVICES).params)
    full = run_steps(options_with(**BOTH))[0]
    by_depth = run_steps(options_with(**BOTH, **{"optimizer.layer_decay": 0.5}))[0]
    assert jax.tree.structure(full.opt_state) == jax.tree.structure(by_depth.opt_state)
    for name, k in {
        "segmentation": 0,
        "norm": 1,
        "attention": 1,
        "block_0": 2,
        "projection": 3,
    }.items():
        for was, whole, part in zip(
            *map(jax.tree.leaves, (before[name], full.params[name], by_depth.params[name])), strict=True
        ):
            np.testing.assert_allclose(part - was, (whole - was) / 2**k, atol=1e-7, err_msg=name)


@pytest.mark.usefixtures("share_programs")
def test_a_run_that_thaws_is_taken_up_across_a_thaw_bit_for_bit(tmp_path: Path, capsys):
    """The block thaws after an epoch: stopped before."""
    root = write_root(tmp_path / "root")
    thawing = {
        "optimizer.freeze": "('block_0',)", "optimizer.unfreeze_epochs": 1,
        "train.epochs": 4, "train.average": 0.5, "train.windows_per_epoch": 32,
        "optimizer.plateau_patience": 1, "optimizer.learning_rate": 20,
    }  # fmt: skip
    whole = tmp_path / "whole"
    assert train.main(arguments(root, whole, **thawing)) == 0
    said = capsys.readouterr().out
    assert re.findall(r"\n(frozen|thawed): (.*);", said) == [("frozen", "block_0"), ("thawed", "block_0")]
    for n_epochs in (1, 4):
        assert train.main(arguments(root, tmp_path / "run", **thawing | {"train.epochs": n_epochs})) == 0
    assert_same_run(whole, tmp_path / "run")
    _, history = best_and_history(whole)
    assert min(history["learning_rate"]) < max(history["learning_rate"])  # a plateau in between


def test_a_run_that_froze_is_not_taken_up_as_one_that_does_not(tmp_path: Path):
    root = write_root(tmp_path / "root")
    short = {"train.epochs": 1, "train.windows_per_epoch": 16}
    with pytest.raises(ValueError, match="nothing is called blocks"):
        train.main(arguments(root, tmp_path / "run", **short, **{"optimizer.freeze": "('blocks',)"}))
    assert CheckpointReader(tmp_path / "run").latest_step is None
    save_run(
        tmp_path / "run",
        parse(arguments(root, tmp_path / "run", **short, **{"optimizer.freeze": "('norm',)"})),
    )
    with pytest.raises(ValueError, match=r"differs in optimizer\.freeze \(was \('norm',\), is \(\)\)"):
        train.main(arguments(root, tmp_path / "run", **short))
