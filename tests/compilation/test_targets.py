"""Which accelerators there are to compile for, and what is said of the others."""

import importlib.util

import pytest

from wt_jax.compilation import targets
from wt_jax.compilation.program_cost import ProgramCost
from wt_jax.compilation.roofline import exchange_s, roofline
from wt_jax.compilation.targets import TARGETS, find_target, target_devices

# TFLOP/s in bfloat16 and float32; GB; GB/s of the memory, of links, of the network; cores, capability, L2.
_TABLE = """
v5e   197  197  17.18  819  400    0    0   0.0  0
v5p   459  459 102.01 2765 1200    0    0   0.0  0
v6e   918  918  34.36 1640  800    0    0   0.0  0
a100  312  156  85.10 2039  600   50  108   8.0  41943040
h100  989  494  84.94 3352  900  100  132   9.0  52428800
h200  989  494 151.40 4800  900  100  132   9.0  52428800
b200 2250 1125 191.51 7672 1800  100  148  10.0 132644864
"""


def test_the_figures_are_those_that_were_published():
    """Written down a second time, from the sources that `targets` names: a slip of a digit would show."""
    rows = {row.split()[0]: [float(cell) for cell in row.split()[1:]] for row in _TABLE.split("\n")[1:-1]}
    assert rows.keys() == TARGETS.keys()
    for name, target in TARGETS.items():
        rates = (target.flops("bfloat16") / 1e12, target.flops("float32") / 1e12, target.memory_bytes / 1e9)
        links = (target.memory_bandwidth, target.link_bandwidth, target.network_bandwidth)
        chip = (target.cores, float(".".join(map(str, target.capability))), target.l2_bytes)
        assert [*rates, *(link / 1e9 for link in links), *chip] == pytest.approx(rows[name], rel=1e-3), name
        assert target.name == name
        assert target.is_gpu == (target.launch_s > 0) == (target.network_bandwidth > 0)
        assert target.room_bytes / target.memory_bytes == (0.75 if target.is_gpu else 1)


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
    """Two chips send half of it twice, over one direction of the link; one has nobody to send to.

    Of two nodes each GPU has an eighth to exchange with the other, over the network, 50 GB/s each way.
    """
    target = find_target("h100")
    assert exchange_s(target, 1, 1e9) == 0
    assert exchange_s(target, 2, 450e9) == pytest.approx(1.0)
    assert exchange_s(target, 16, 450e9) == pytest.approx(2 * 7 / 8 + 450 / 8 / 50)
    assert exchange_s(find_target("v5e"), 16, 200e9) == pytest.approx(2 * 15 / 16)
