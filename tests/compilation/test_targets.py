"""Which accelerators there are to compile for, and what is said of the others."""

import importlib.util

import pytest

from wt_jax.compilation import targets
from wt_jax.compilation.program_cost import ProgramCost
from wt_jax.compilation.roofline import exchange_s, roofline
from wt_jax.compilation.targets import TARGETS, find_target, target_devices


def test_the_figures_are_within_reason():
    """A slip of a power of ten would show: operations a byte of all chips are some hundreds."""
    for name, target in TARGETS.items():
        assert target.name == name
        assert 100 < target.flops("bfloat16") / target.memory_bandwidth < 600
        assert target.float32_flops <= target.bfloat16_flops
        assert 1e10 < target.memory_bytes < 2e11
        assert target.is_gpu == (target.launch_s > 0) == (target.capability > (0, 0))


@pytest.mark.parametrize(
    ("topology", "words"),
    [
        ("v5", "no such target; did you mean v5"),
        ("cerebras", "no such target; known are v5e"),
        ("h100:2x2", "the shape is written like h100:8, for eight"),
        ("v5e:8", "the shape is written like v5e:2x2, for four"),
    ],
)
def test_what_is_wrong_is_said(topology, words, monkeypatch):
    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ValueError, match=words):
        target_devices(topology)


@pytest.mark.parametrize(("topology", "extra"), [("v6e", "tpu-compile"), ("h200", "gpu-compile")])
def test_a_missing_compiler_is_named(topology, extra, monkeypatch):
    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"not installed: pip install -e '.\[{extra}\]'"):
        target_devices(topology)


@pytest.mark.skipif(not importlib.util.find_spec("libtpu"), reason="libtpu is not installed")
def test_devices_of_a_tpu_that_is_not_here():
    devices = target_devices("v5e:2x2")
    assert len(devices) == 4 and {device.platform for device in devices} == {"tpu"}
    with pytest.raises(ValueError, match="--topology v5e:3x5: "):
        target_devices("v5e:3x5")


def test_the_roofline_by_hand():
    target = find_target("h200")
    bound = roofline(target, 989e9, "bfloat16", ProgramCost(main_memory_bytes=9.6e9, kernels=500))
    assert bound.arithmetic_s == pytest.approx(1e-3)
    assert bound.memory_s == pytest.approx(2e-3) == bound.seconds
    assert bound.launches_s == pytest.approx(1e-3)
    assert bound.binds == "memory"


def test_an_exchange_by_hand():
    """Two chips send half of it twice, over one direction of the link; one has nobody to send to."""
    target = find_target("h100")
    assert exchange_s(target, 1, 1e9) == 0
    assert exchange_s(target, 2, 450e9) == pytest.approx(1.0)
