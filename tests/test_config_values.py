"""Whatever a file or a command line says of the config is taken, or refused with the key."""

import contextlib
import json
import math
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from wt_jax.config import Config, flatten, unflatten
from wt_jax.runtime.config_flags import parse
from wt_jax.skeleton import is_class_name

often = settings(derandomize=True, database=None, deadline=None, max_examples=200)
KEYS = st.sampled_from(sorted(flatten(Config())))
MAIN = Path(__file__).parents[1] / "experiments" / "main.py"

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [0, -1, 1, 2**31, 2**64, 10**400, -(10**400), 1e-320, 1e308, math.nan, math.inf, "squats"]
    ),
    st.floats(),
    st.text(max_size=10),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@often
@given(key=KEYS, value=VALUES)
@example(key="labels.width_frames", value=10**400)
@example(key="data.classes", value=["squats", "../../victim"])
def test_any_value_of_a_checkpoints_config(key, value):
    """As `unflatten` has it of JSON: what it takes comes back the same."""
    try:
        config = unflatten({key: value})
    except ValueError as error:
        assert str(error).startswith(key) or key.split(".")[-1] in str(error), error
        return
    flat = json.loads(json.dumps(flatten(config), allow_nan=False))
    assert unflatten(flat) == config and all(map(is_class_name, config.data.classes))


@often
@given(flat=st.dictionaries(st.one_of(KEYS, st.text(max_size=12)), VALUES, max_size=4))
def test_any_config_of_a_checkpoint(flat):
    with contextlib.suppress(ValueError):
        assert isinstance(unflatten(flat), Config)


@settings(often, max_examples=60)
@given(
    key=st.one_of(KEYS, st.text(max_size=12)),
    text=st.one_of(PLAIN.map(str), st.text(max_size=12), st.lists(PLAIN, max_size=3).map(str)),
)
def test_any_override(key, text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse(["--config", str(MAIN), f"--config.{key}={text}"]), Config)
