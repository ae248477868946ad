"""`python -m wt_jax.train_compile --config FILE --topology v5e:2x2`: a run's cost, without the chips."""

import time
from collections.abc import Callable, Sequence

import jax

from wt_jax.compilation.advice import advice
from wt_jax.compilation.compiled_step import (
    CompiledProgram,
    Data,
    compile_inference,
    compile_training,
    compile_validation,
)
from wt_jax.compilation.cost_report import memory_lines, program_lines, run_lines, scaling_lines
from wt_jax.compilation.targets import TARGETS, Target, find_target, target_devices
from wt_jax.input_pipeline.frame_files import row_type
from wt_jax.models.stack_kernels import check_kernel
from wt_jax.runtime import cli, config_flags, jax_setup
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.training.freezing import check_freezing
from wt_jax.training.residence import SHARE, stay_in_files
from wt_jax.training.train_step import check_devices

_ABOUT = (
    "Compiles the training step, validation and inference of an experiment for a TPU or GPU that is not "
    "here: whether they fit, what they move, and how fast they can be at best. A bound, not a measurement. "
    "Takes --config FILE and every --config.KEY=VALUE that train does."
)
_DOES_NOT_FIT = 1  # exit status


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status, 1 where the run does not fit."""
    parser = ArgumentParser(
        prog="python -m wt_jax.train_compile --config FILE", description=_ABOUT, allow_abbrev=False
    )
    parser.add_argument(
        "--topology", required=True, metavar="NAME[:SHAPE]",
        help=f"{', '.join(TARGETS)}; v5e:2x4 is eight chips of a TPU slice, h100:8 eight GPUs",
    )  # fmt: skip
    parser.add_argument(
        "--frames", default="1000000", metavar="N", help="frames of data on each chip (default: 1000000)"
    )
    parser.add_argument(
        "--validated", default="2226", metavar="N",
        help="windows validated on (default: 2226, those of experiments/main.py on synthetic people)",
    )  # fmt: skip
    own, others = parser.parse_known_args(arguments)
    n_frames, n_validated = (
        cli.whole_number(f"--{name}", getattr(own, name)) for name in ("frames", "validated")
    )
    target = find_target(own.topology)
    options = config_flags.parse(others)
    jax.config.update("jax_platforms", "cpu")  # the plugin is there to compile, not to run
    if not target.is_gpu:  # whose programs JAX writes there, and cannot read again without a GPU
        jax_setup.use_compilation_cache()
    devices = target_devices(own.topology)
    check_devices(options, len(devices))
    check_kernel(options, devices[0].platform)
    check_freezing(options)
    data_bytes = n_frames * row_type(options).itemsize
    in_files = stay_in_files(options.data, data_bytes, target.room_bytes / SHARE)
    data = Data(n_frames, n_validated, in_files)
    if options.optimizer.freeze:
        print(
            "optimizer.freeze: of the first epochs; arithmetic and gradients are counted as if of all weights"
        )
    print(
        f"compiling for {len(devices)} x {target.kind}, batch {options.train.batch_size}, "
        f"{options.model.compute_dtype}, frames {'read from files' if in_files else 'whole on each chip'} "
        f"(data.resident={options.data.resident}); nothing is run, and no time below is a measurement"
    )
    programs: dict[str, CompiledProgram] = {}
    helps = []
    for name, compile_it in {
        "training": lambda: compile_training(options, devices, data),
        "validation": lambda: compile_validation(options, devices, data),
        "inference": lambda: compile_inference(options, devices),
    }.items():
        program = _timed(name, target, compile_it)
        if program is None or program.memory_bytes > target.room_bytes:
            helps.append(advice(name, options, target, len(devices), data, program))
        if program is None:
            break
        programs[name] = program
    if programs:
        print("\n".join(program_lines(options, target, programs)))
        print("\n".join(memory_lines(options, target, programs["training"], data)))
    if helps:
        print("\n".join(helps))
        return _DOES_NOT_FIT
    training, validation = programs["training"], programs["validation"]
    print("\n".join(run_lines(options, target, training, validation, len(devices), n_validated)))
    print("\n".join(scaling_lines(options, target, training)))
    return 0


def _timed(name: str, target: Target, compile_it: Callable[[], CompiledProgram]) -> CompiledProgram | None:
    """The program, and a line of how long it took; None, and why, where the chip has no room for it."""
    print(f"  {name} ...", end=" ", flush=True)
    started_s = time.perf_counter()
    try:
        program = compile_it()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"does not fit {target.kind}: {' '.join(str(error).split())[:200]}")
        return None
    print(f"{time.perf_counter() - started_s:.0f} s")
    return program


if __name__ == "__main__":
    cli.run(main)
