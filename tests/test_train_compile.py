"""`train_compile`, with this machine's CPU in the place of the chips: what it says, and what it refuses."""

import functools
import re

import jax
import pytest

from wt_jax import config, train_compile
from wt_jax.compilation import compiled_step
from wt_jax.compilation.compiled_step import CompiledProgram, Data
from wt_jax.compilation.cost_report import largest_batch
from wt_jax.compilation.program_cost import ProgramCost
from wt_jax.compilation.targets import find_target
from wt_jax.input_pipeline.frame_files import read_frames, row_type
from wt_jax.runtime import config_flags

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
    assert "1 x NVIDIA H100 SXM, batch 16, float32, frames whole on each chip (data.resident=auto);" in said
    row = next(line for line in said.splitlines() if line.startswith("main memory, MB a window"))
    training, validation, inference = (float(cell) for cell in row.split()[-3:])
    assert training > validation > 0 and inference > 0
    memory, launches, arithmetic = (
        number(rf"least time of {name}, ms +([\d.]+)", said) for name in ("memory", "launches", "arithmetic")
    )
    rate = number(r"windows/s a chip, at best +([\d,]+)", said)
    assert rate == pytest.approx(16 / (1e-3 * max(memory, launches, arithmetic)), rel=0.05)
    assert "1,000,000 frames of data" in said and "JAX takes no more than 75 %" in said
    assert "2 us each is an assumption" in said and "the cache of 52 MB spares it is left out" in said
    lines = said[said.index("weak scaling") :].splitlines()
    assert "among nodes an assumed 50 GB/s each way for every GPU" in lines[1]
    assert [int(line.split()[0]) for line in lines[3:]] == [1, 4, 16, 64, 256]


GB = int(1e9)


@pytest.mark.parametrize(
    ("name", "program", "options", "words"),
    [
        (
            "training", CompiledProgram(1600, ProgramCost(1e6, 10), 0, 10 * GB, 0, 160 * GB, 0),
            ("--config.train.accumulate=8",),
            # 0.95 x 0.75 x 84.94 GB less 10, at 0.1 GB a window: 505, in eights
            "training does not fit: --config.train.accumulate=16 gives the same result with less memory; or "
            "--config.train.batch_size=504; or --config.model.compute_dtype=bfloat16",
        ),
        (
            "validation", CompiledProgram(16, ProgramCost(1e6, 10), 0, 10 * GB, 0, 160 * GB, 0),
            ("--config.model.compute_dtype=bfloat16",),
            "validation does not fit: a smaller --config.train.eval_batch_size",
        ),
        (
            "training", CompiledProgram(16, ProgramCost(1e6, 10), 0, 80 * GB, 0, GB, 0),
            ("--frames", "750000000", "--config.data.resident=true", "--config.train.accumulate=16"),
            "training does not fit: 750,000,000 frames are 80.2 GB on each chip: --config.data.resident=auto "
            "reads them from files; or a smaller --config.train.batch_size; or --config.model.compute_dtype=",
        ),
        (
            "inference", CompiledProgram(16, ProgramCost(1e6, 10), 0, 80 * GB, 0, GB, 0),
            ("--config.model.compute_dtype=bfloat16",),
            "inference does not fit: a smaller --config.model.filters",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_what_helps(capsys, monkeypatch, name, program, options, words):
    monkeypatch.setattr(train_compile, f"compile_{name}", lambda *_: program)
    assert train_compile.main([*SMALL, *options]) == 1
    said = capsys.readouterr().out
    assert f"\n{words}" in said
    assert said.count("does not fit") == 1 and "at best: " not in said


def test_the_largest_batch_is_one_that_may_be_set():
    """A multiple of the parts of an accumulated batch, though nothing grows with it, or nothing is left."""
    options, target = config.Config(train=config.Train(accumulate=48)), find_target("v5e")

    def largest(kept, working, of_batch=0):
        program = CompiledProgram(96, ProgramCost(), 0, kept, of_batch, working, 0)
        return largest_batch(options, target, program)

    assert largest(GB, 96 * GB) == 0  # 15.3 GB, at 1 GB a window
    assert largest(GB, 9 * GB) == 3 * 48  # 163
    assert largest(GB, 96 * 10**6) == 3 * 4800  # 15,320
    assert largest(9 * GB, GB, 8 * GB) == 3 * 48  # as above
    assert largest(GB, 0) % 4800 == 0 and largest(20 * GB, GB) == 0


def test_a_program_that_its_compiler_cannot_print(capsys, monkeypatch):
    """The bound is then by XLA's own count of bytes."""
    unread = CompiledProgram(100, ProgramCost(3.352e9), 3.352e9, 10, 0, 10, 10, is_read=False)
    monkeypatch.setattr(train_compile, "compile_training", lambda *_: unread)
    assert train_compile.main(SMALL) == 0
    said = capsys.readouterr().out
    assert re.search(r"main memory, MB a window +- +[\d.]+", said)
    assert "windows/s a chip, at best " in said and re.search(r"at best +100,000 ", said)
    assert "cannot print the program" in said


def test_a_run_by_hand(capsys, monkeypatch):
    """A step of 10 ms, and 2 ms for each of the 200 batches of 16 windows; 4,096 windows are 256 steps."""
    training = CompiledProgram(16, ProgramCost(0, 5000, unknown_loops=0.5), 0, 10, 0, 10, 10)
    validation = CompiledProgram(16, ProgramCost(0, 1000), 0, 10, 0, 10, 10)
    monkeypatch.setattr(train_compile, "compile_training", lambda *_: training)
    monkeypatch.setattr(train_compile, "compile_validation", lambda *_: validation)
    assert train_compile.main([*SMALL, "--validated", "3185"]) == 0
    said = capsys.readouterr().out
    assert "an epoch 3.0 s: 256 steps 2.6 s, 3,185 windows validated 400.00 ms; 6 epochs 17.8 s, " in said
    assert "\ntraining has a loop whose turns its text does not tell: counted as one" in said
    assert "\nvalidation has a loop" not in said


def test_frames_in_files_are_compiled_so(capsys, monkeypatch):
    """By hand: two dispatches of 2 steps of 16 windows, of a span and what it may be stretched by."""
    options = config_flags.parse([*SMALL[:2], *SMALL[4:], "--config.augment.speed=0.5"])
    no_more = CompiledProgram(16, ProgramCost(), 0, 0, 0, 0, 0)
    monkeypatch.setattr(compiled_step, "_compiled", lambda *_: no_more)
    program = compiled_step.compile_training(options, jax.devices()[:1], Data(10**9, 16, in_files=True))
    rows = 2 * (2 * 16) * read_frames(options)
    assert read_frames(options) > options.data.span_frames
    assert program.batch_bytes == rows * row_type(options).itemsize
    assert program.kept_bytes == program.batch_bytes / 2  # beside the program's own arguments
    capsys.readouterr()
    train_compile.main([*SMALL, "--config.data.resident=false"])
    assert "frames read from files (data.resident=false); nothing is run" in capsys.readouterr().out
    train_compile.main([*SMALL, "--frames", "160000000"])  # 17 GB, of 64 for JAX
    said = capsys.readouterr().out
    assert "frames read from files (data.resident=auto)" in said and "the frames of two dispatches" in said


def test_a_compiler_that_runs_out_of_memory(capsys, monkeypatch):
    def exhausted(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm")

    monkeypatch.setattr(train_compile, "compile_validation", exhausted)
    assert train_compile.main(SMALL) == 1
    said = capsys.readouterr().out
    assert "does not fit NVIDIA H100 SXM: RESOURCE_EXHAUSTED" in said
    assert "\nvalidation does not fit: a smaller --config.train.eval_batch_size" in said
    assert "one batch on one chip                   training\n" in said


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
