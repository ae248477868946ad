"""Spaces: what can be searched, and what is said of what cannot."""

import re

import pytest

from wt_jax import config
from wt_jax.runtime.config_flags import parse
from wt_jax.search.experiment_file import write_experiment
from wt_jax.search.space import check_space, log, one_of, read_space, rounded, uniform, whole

OPTIONS = config.check(config.Config())


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "nothing to search"),
        ({"optimizer.learning_rat": log(1e-4, 1e-3)}, "unknown key.*did you mean optimizer.learning_rate"),
        ({"model.dropout": 0.3}, "model.dropout: 0.3 is no choice: write uniform"),
        ({"model.dropout": uniform(0.0, 1.5)}, re.escape("model.dropout=1.5: must be in [0, 0.9]")),
        ({"model.blocks": uniform(2, 8)}, "model.blocks: must be whole"),
        ({"model.dropout": whole(0, 1)}, "model.dropout: must be uniform"),
        ({"model.compute_dtype": one_of("float32", "float8")}, "float8.*must be float32 or bfloat16"),
        ({"labels.width_frames": uniform(2, 8)}, "cannot be compared"),
        ({"workdir": one_of("a", "b")}, "nothing that a search looks for"),
        ({"model.kernel_size": whole(3, 7)}, "model.kernel_size=4: must be odd"),
    ],
)
def test_what_cannot_be_searched_is_said(space, words):
    with pytest.raises(ValueError, match=words):
        check_space(space, OPTIONS)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (lambda: uniform(2, 1), "the lower first"),
        (lambda: log(0, 1), "above 0"),
        (lambda: whole(1, 2.5), "whole numbers"),
        (lambda: one_of(3), "two values"),
        (lambda: one_of([1], [2]), "tuples"),
        (lambda: log("a", 1), "must be two numbers"),
    ],
)
def test_a_choice_that_is_none_is_said(choice, words):
    with pytest.raises(ValueError, match=words):
        choice()


def test_a_file_is_read_and_named_where_it_is_wrong(tmp_path):
    file = tmp_path / "space.py"
    file.write_text(
        "from wt_jax.search import whole\ndef get_space():\n    return {'model.blocks': whole(0, 3)}\n"
    )
    with pytest.raises(ValueError, match=r"space\.py: model\.blocks=0: must be at least 1"):
        read_space(str(file), OPTIONS)
    file.write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"space\.py: defines no get_space\(\)"):
        read_space(str(file), OPTIONS)
    with pytest.raises(ValueError, match=r"--space .*nowhere.*experiments/space\.py"):
        read_space(str(tmp_path / "nowhere.py"), OPTIONS)
    assert set(read_space("experiments/space.py", OPTIONS))


def test_numbers_are_rounded_as_a_device_does_and_stay_allowed():
    assert rounded("model.dropout", 0.1, uniform(0.0, 0.5)) == 0.1
    assert rounded("model.dropout", 0.123456789123, uniform(0.0, 0.5)) == 0.12345679
    assert rounded("model.dropout", 0.9, uniform(0.0, 0.9)) <= 0.9
    assert rounded("model.blocks", 3, whole(1, 4)) == 3


def test_an_experiment_file_gives_the_config_that_it_was_written_of(tmp_path):
    values = {"model.dilations": (1, 2), "optimizer.learning_rate": 1.5e-4, "train.init": "pretrained"}
    options = config.unflatten(config.flatten(OPTIONS) | values)
    write_experiment(tmp_path / "best.py", options, "Found.\n")
    assert config.flatten(parse(["--config", str(tmp_path / "best.py")])) == config.flatten(options)
