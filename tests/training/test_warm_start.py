"""A run from another's weights: what is taken, what is drawn, what is refused, and what it remembers."""

import dataclasses
import functools
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from runs import save_box, save_run, tiny
from training_runs import arguments, write_root

from wt_jax import config, train
from wt_jax.inference.pretrained import restore_pretrained
from wt_jax.inference.restore import parent_of, restore_model
from wt_jax.models.tcn import init_params
from wt_jax.runtime.config_flags import parse
from wt_jax.training.checkpoint_reader import CheckpointReader
from wt_jax.training.setup import start_run
from wt_jax.training.warm_start import Parent, digest_of, warm_start

DEVICES = jax.devices()[:1]


def with_(options: config.Config, **values: object) -> config.Config:
    return config.unflatten(config.flatten(options) | values)


@functools.cache
def drawn_by(options: config.Config):
    return jax.device_get(init_params(options))


def parent(options: config.Config) -> Parent:
    """Of other weights than are drawn."""
    params = jax.tree.map(lambda values: 0.5 - values, drawn_by(options))
    return Parent("before", options, params, 3, digest_of(params))


BEFORE = tiny(classes=("squats", "dips", "no-exercise"))


def test_the_same_model_is_taken_whole():
    before = parent(BEFORE)
    params, table = warm_start(BEFORE, drawn_by(BEFORE), before)
    jax.tree.map(np.testing.assert_array_equal, params, before.params)
    assert digest_of(params) == before.digest
    n_params = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert table[0].split() == ["from", "before,", "step", "3", "taken", "new", "left", "there"]
    assert f"all{n_params:>43,}{0:>12}{0:>12}" in table
    assert table[-1] == "classes taken: squats, dips, no-exercise; new: none; left there: none"


def test_classes_are_matched_by_name_and_new_ones_stay_as_drawn():
    """Three columns in another order, one of them new, one of the parent's left there."""
    now = with_(BEFORE, **{"data.classes": ("no-exercise", "lunges", "squats")})
    before, drawn = parent(BEFORE), drawn_by(now)
    params, table = warm_start(now, drawn, before)
    taken, old, new = (tree["classification"]["logits"] for tree in (params, before.params, drawn))
    for name in ("kernel", "bias"):
        for column, of, same in ((0, old, 2), (1, new, 1), (2, old, 0)):
            np.testing.assert_array_equal(taken[name][..., column], of[name][..., same])
    assert not np.array_equal(new["kernel"][:, 1], old["kernel"][:, 1])
    # Of the class head 8 x 8 + 8 and 8 x 3 + 3: a column is 9.
    assert f"{'classification':<34}{72 + 18:>12}{9:>12}{9:>12}" in table
    assert table[-1] == "classes taken: no-exercise, squats; new: lunges; left there: dips"


def test_what_differs_in_shape_stays_as_drawn_and_is_told():
    now = with_(BEFORE, **{"model.blocks": 1, "model.heads": 4, "model.dense_units": (8, 8)})
    before = dataclasses.replace(parent(BEFORE), options=with_(BEFORE, **{"model.dilations": (1, 4)}))
    drawn = drawn_by(now)
    params, table = warm_start(now, drawn, before)
    np.testing.assert_array_equal(
        params["block_0"]["conv_1"]["kernel"], before.params["block_0"]["conv_1"]["kernel"]
    )
    np.testing.assert_array_equal(
        params["attention"]["query"]["kernel"], drawn["attention"]["query"]["kernel"]
    )
    by_module = {row.split()[0]: row.split()[-3:] for row in table if row[0] != " "}
    assert by_module["block_1"] == ["0", "0", by_module["block_0"][0]]
    assert by_module["attention"][0] == "8"  # the bias of `out`
    assert table[-4:] == [
        "note: model.blocks was 2, is 1",
        "note: model.dilations was (1, 4), is (1, 2)",
        "note: model.heads was 2, is 4",
        "note: model.dense_units was (8,), is (8, 8)",
    ]


def test_a_class_head_of_another_width_is_new_with_all_its_classes():
    now = with_(BEFORE, **{"model.dense_units": (4,)})
    _, table = warm_start(now, drawn_by(now), parent(BEFORE))
    assert "classes taken: none; new: squats, dips, no-exercise; left there: none" in table


def test_where_nothing_fits_it_is_refused():
    now = with_(BEFORE, **{"model.filters": 12})
    before = dataclasses.replace(parent(BEFORE), params={"other": {"kernel": np.zeros(3)}})
    with pytest.raises(
        ValueError, match=r"train\.init=before: none .* fit: note: model\.filters was 8, is 12"
    ):
        warm_start(now, drawn_by(BEFORE), before)


@pytest.mark.parametrize(
    ("key", "value", "to_set"),
    [
        ("data.window_frames", 20, "--config.data.window_frames=30"),
        ("data.window_step", 3, "--config.data.window_step=1"),
        ("data.inputs", ("angles", "lengths"), "--config.data.inputs=\"('angles',)\""),
    ],
)
def test_other_windows_are_refused_with_what_to_set(key, value, to_set):
    now = with_(BEFORE, **{key: value})
    with pytest.raises(ValueError, match=r"train\.init=before: trained with data\.\w+=.*: set ") as error:
        warm_start(now, drawn_by(BEFORE), parent(BEFORE))
    assert str(error.value).endswith(f": set {to_set}")


def test_the_digest_is_of_names_and_values():
    params = parent(BEFORE).params
    assert digest_of(params) == digest_of(dict(reversed(params.items())))
    changed = jax.tree.map(np.copy, params)
    changed["norm"]["bias"][3] += 1e-6
    renamed = {**params, "other": params["norm"]}
    del renamed["norm"]
    assert len({digest_of(params), digest_of(changed), digest_of(renamed)}) == 3


def test_parents_of_a_box_and_of_a_checkpoint_that_knows_none(tmp_path: Path):
    """An older wt_jax wrote none; what goes into the box names no folder of this machine."""
    old = parent_of(restore_model(save_run(tmp_path / "old", BEFORE), DEVICES))
    assert old.lineage == [{"name": str(tmp_path / "old"), "step": 0, "digest": digest_of(old.params)}]
    box = restore_pretrained(save_box(tmp_path / "new", BEFORE, parents=old.lineage), DEVICES)
    assert parent_of(box).lineage[1:] == [{**old.lineage[0], "name": "old"}]
    assert parent_of(box).lineage[0]["name"] == "pretrained"


@pytest.mark.parametrize(
    "parents", [3, [3], [{"name": "a", "step": 1}], [{"name": "a", "step": "1", "digest": ""}]]
)
def test_parents_that_no_run_writes_are_damage(tmp_path: Path, parents: object):
    with pytest.raises(ValueError, match="'parents' is not what a training run writes"):
        restore_model(save_run(tmp_path, BEFORE, parents=parents), DEVICES)


@pytest.mark.usefixtures("share_programs")
def test_a_run_starts_from_another_goes_on_without_it_and_is_started_from(tmp_path: Path, capsys):
    """Three generations: the first is gone when the second goes on, and known to the third."""
    root, first, second = write_root(tmp_path / "root"), tmp_path / "first", tmp_path / "second"
    short = {"train.epochs": 1, "train.windows_per_epoch": 16}
    assert train.main(arguments(root, first, **short)) == 0
    own = parent_of(restore_model(first, DEVICES))
    more = {**short, "train.init": first, "data.classes": "('no-exercise', 'push-ups')", "train.average": 0.5}
    assert train.main(arguments(root, second, **more)) == 0
    said = capsys.readouterr().out
    assert "classes taken: no-exercise, push-ups; new: none; left there: none" in said
    line = f"started from {first}, step 2, weights {own.digest[:12]}\n"
    assert line in said
    first.rename(tmp_path / "elsewhere")
    assert train.main(arguments(root, second, **more | {"train.epochs": 2})) == 0
    said = capsys.readouterr().out
    assert f"resumed: {second}, step 2" in said and line in said and "classes taken" not in said
    checkpoints = CheckpointReader(second)
    assert checkpoints.meta(checkpoints.latest_step)["parents"] == own.lineage
    with pytest.raises(ValueError, match=r"differs in train\.init \(was .*first', is ''\)"):
        train.main(arguments(root, second, **more | {"train.init": ""}))
    options = parse(arguments(root, tmp_path / "third", **more | {"train.init": second}))
    run = start_run(options, parent=train.find_parent(options))
    served = restore_model(second, DEVICES)
    for params in (run.progress.state.params, run.progress.state.average):
        jax.tree.map(np.testing.assert_array_equal, params, served.params)
    assert [parent["name"] for parent in run.progress.parents] == [str(second), str(first)]
    assert json.loads(json.dumps(run.progress.parents))[1] == own.lineage[0]
    run.checkpoints.close()


def test_a_parent_that_does_not_fit_deletes_nothing(tmp_path: Path):
    root, workdir = write_root(tmp_path / "root"), tmp_path / "run"
    short = {"train.epochs": 1, "train.windows_per_epoch": 16}
    save_run(workdir, parse(arguments(root, workdir, **short)))
    again = {"train.init": workdir, "overwrite": True, "data.window_frames": 20}
    with pytest.raises(ValueError, match=r"set --config\.data\.window_frames=30"):
        train.main(arguments(root, workdir, **short, **again))
    assert CheckpointReader(workdir).latest_step == 0
    with pytest.raises(ValueError, match="nowhere: holds no checkpoints"):
        train.main(arguments(root, tmp_path / "new", **{"train.init": "/nowhere"}))
