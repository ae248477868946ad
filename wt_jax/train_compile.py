"""`python -m wt_jax.train_compile --config FILE --topology v5e:2x2`: a run's cost, without the chips."""

import time
from collections.abc import Callable, Sequence

import jax

from wt_jax import config
from wt_jax.compilation.compiled_step import (
    CompiledProgram,
    compile_inference,
    compile_training,
    compile_validation,
)
from wt_jax.compilation.cost_report import (
    largest_batch,
    memory_lines,
    program_lines,
    run_lines,
    scaling_lines,
)
from wt_jax.compilation.targets import TARGETS, Target, find_target, target_devices
from wt_jax.models.stack_kernels import check_kernel
from wt_jax.runtime import cli, config_flags, jax_setup
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.training.freezing import check_freezing
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
    own, others = parser.parse_known_args(arguments)
    n_frames, target = cli.whole_number("--frames", own.frames), find_target(own.topology)
    options = config_flags.parse(others)
    jax.config.update("jax_platforms", "cpu")  # the plugin is there to compile, not to run
    jax_setup.use_compilation_cache()
    devices = target_devices(own.topology)
    check_devices(options, len(devices))
    check_kernel(options, devices[0].platform)
    check_freezing(options)
    if options.optimizer.freeze:
        print(
            "optimizer.freeze: of the first epochs; arithmetic and gradients are counted as if of all weights"
        )
    print(
        f"compiling for {len(devices)} x {target.kind}, batch {options.train.batch_size}, "
        f"{options.model.compute_dtype}; nothing is run, and no time below is a measurement"
    )
    training = _timed("training", target, options, lambda: compile_training(options, devices, n_frames))
    if training is None:
        return _DOES_NOT_FIT
    validation = _timed("validation", target, options, lambda: compile_validation(options, devices, n_frames))
    inference = _timed("inference", target, options, lambda: compile_inference(options, devices))
    programs = {"training": training, "validation": validation, "inference": inference}
    print("\n".join(program_lines(options, target, {k: v for k, v in programs.items() if v})))
    print("\n".join(memory_lines(options, target, training, n_frames)))
    if None in programs.values():
        return _DOES_NOT_FIT
    if training.memory_bytes > target.memory_bytes:
        print(_advice(options, largest_batch(target, training) * len(devices)))
        return _DOES_NOT_FIT
    print("\n".join(run_lines(options, target, training, len(devices))))
    print("\n".join(scaling_lines(options, target, training)))
    return 0


def _timed(
    name: str, target: Target, options: config.Config, compiled: Callable[[], CompiledProgram]
) -> CompiledProgram | None:
    """The program, and a line of how long it took; None, and why, where the chip has no room for it."""
    print(f"  {name} ...", end=" ", flush=True)
    started_s = time.perf_counter()
    try:
        program = compiled()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        said = " ".join(str(error).split())
        print(f"does not fit {target.kind}: {said[:200]}\n{_advice(options, None)}")
        return None
    print(f"{time.perf_counter() - started_s:.0f} s")
    return program


def _advice(options: config.Config, most: int | None) -> str:
    parts = 2 * max(options.train.accumulate, 1)
    smaller = f"--config.train.batch_size={most}" if most else "a smaller --config.train.batch_size"
    return (
        f"does not fit: --config.train.accumulate={parts} gives the same result with less memory; "
        f"or {smaller}"
        + ("" if options.model.compute_dtype == "bfloat16" else "; or --config.model.compute_dtype=bfloat16")
    )


if __name__ == "__main__":
    cli.run(main)
