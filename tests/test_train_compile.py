"""`train_compile`, with this machine's CPU in the place of the chips: what it says, and what it refuses."""

import functools
import re

import jax
import pytest

from wt_jax import train_compile
from wt_jax.compilation.compiled_step import CompiledProgram
from wt_jax.compilation.program_cost import ProgramCost

SMALL = [
    "--config", "experiments/quick.py", "--topology", "h100", "--config.model.filters=8",
    "--config.model.blocks=1", "--config.model.heads=2", '--config.model.dense_units=(8,)',
    "--config.train.batch_size=16", "--config.train.steps_per_dispatch=2",
    "--config.train.eval_batch_size=16",
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(train_compile, "target_devices", lambda topology: jax.devices()[:1])
    monkeypatch.setattr(train_compile.jax_setup, "use_compilation_cache", lambda: None)
    for name in ("compile_training", "compile_validation", "compile_inference"):
        monkeypatch.setattr(train_compile, name, compiled_once(name))


@functools.cache
def compiled_once(name):
    """That function of `train_compile`, compiling at its first call alone."""
    compiled, made = getattr(train_compile, name), []

    def once(*args):
        made.append(made[0] if made else compiled(*args))
        return made[0]

    return once


def number(pattern, text):
    return float(re.search(pattern, text).group(1).replace(",", ""))


def test_what_it_says(capsys):
    assert train_compile.main(SMALL) == 0
    said = capsys.readouterr().out
    assert "1 x NVIDIA H100 SXM, batch 16, float32; nothing is run" in said
    row = next(line for line in said.splitlines() if line.startswith("main memory, MB a window"))
    training, validation, inference = (float(cell) for cell in row.split()[-3:])
    assert training > validation > 0 and inference > 0
    memory, launches, arithmetic = (
        number(rf"least time of {name}, ms +([\d.]+)", said) for name in ("memory", "launches", "arithmetic")
    )
    rate = number(r"windows/s a chip, at best +([\d,]+)", said)
    assert rate == pytest.approx(16 / (1e-3 * max(memory, launches, arithmetic)), rel=0.05)
    assert "1,000,000 frames of data" in said
    lines = said[said.index("weak scaling") :].splitlines()[2:]
    assert [int(line.split()[0]) for line in lines] == [1, 4, 16, 64, 256]


def test_what_does_not_fit_is_said_with_what_helps(capsys, monkeypatch):
    large = CompiledProgram(1600, ProgramCost(1e6, 10), 0, int(10e9), int(160e9), 0)
    monkeypatch.setattr(train_compile, "compile_training", lambda *_: large)
    assert train_compile.main(SMALL) == 1
    said = capsys.readouterr().out
    assert "does not fit: --config.train.accumulate=2 gives the same result with less memory" in said
    assert "or --config.train.batch_size=600;" in said  # 0.95 x 80 GB less 10, at 0.1 GB a window
    assert "some 600 windows a chip would fit" in said


def test_a_program_that_its_compiler_cannot_print(capsys, monkeypatch):
    """The bound is then by XLA's own count of bytes."""
    unread = CompiledProgram(100, ProgramCost(3.35e9), 3.35e9, 10, 10, 10, is_read=False)
    monkeypatch.setattr(train_compile, "compile_training", lambda *_: unread)
    assert train_compile.main(SMALL) == 0
    said = capsys.readouterr().out
    assert re.search(r"main memory, MB a window +- +[\d.]+", said)
    assert "windows/s a chip, at best " in said and re.search(r"at best +100,000 ", said)
    assert "cannot print the program" in said


def test_a_compiler_that_runs_out_of_memory(capsys, monkeypatch):
    def exhausted(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm")

    monkeypatch.setattr(train_compile, "compile_training", exhausted)
    assert train_compile.main(SMALL) == 1
    assert "does not fit NVIDIA H100 SXM: RESOURCE_EXHAUSTED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--topology", "h101"], "did you mean h100"),
        (["--frames", "0"], "--frames 0: must be a whole number"),
        (["--config.train.batchsize=3"], "unknown key train.batchsize; did you mean train.batch_size"),
        (["--frame_count", "3"], "unknown option --frame_count"),
    ],
)
def test_mistakes_in_a_line(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        train_compile.main([*SMALL, *arguments])


def test_what_is_frozen_is_checked_and_said(capsys):
    assert train_compile.main([*SMALL, "--config.optimizer.freeze=('block_*',)"]) == 0
    assert "optimizer.freeze: of the first epochs; arithmetic" in capsys.readouterr().out
    with pytest.raises(ValueError, match="nothing is called blocks"):
        train_compile.main([*SMALL, "--config.optimizer.freeze=('blocks',)"])
