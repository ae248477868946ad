"""What `train_compile` prints: cost and bound of each program, and a run's memory, time and scaling."""

from collections.abc import Iterator, Mapping

from wt_jax import config
from wt_jax.compilation.compiled_step import CompiledProgram, Data
from wt_jax.compilation.roofline import Roofline, exchange_s, roofline
from wt_jax.compilation.targets import NODE, Target
from wt_jax.models.summary import summarise, window_flops

_CHIPS = (1, 4, 16, 64, 256)
_FORWARD_AND_BACKWARD = 3  # times the operations of a forward pass


def bound(options: config.Config, target: Target, program: CompiledProgram, passes: int) -> Roofline:
    """Of one batch of a program that does so many times the operations of a forward pass."""
    flops = passes * sum(window_flops(options).values()) * program.windows
    return roofline(target, flops, options.model.compute_dtype, program.cost)


def program_lines(
    options: config.Config, target: Target, programs: Mapping[str, CompiledProgram]
) -> Iterator[str]:
    """A table of one batch on one chip."""
    flops = sum(window_flops(options).values())
    bounds = {
        name: bound(options, target, program, _FORWARD_AND_BACKWARD if name == "training" else 1)
        for name, program in programs.items()
    }
    kernels = "kernels" if target.is_gpu else "operations, one after the other"
    rows = {
        "windows": lambda name, p: f"{p.windows:,}",
        "arithmetic, MFLOP a window": lambda name, p: (
            f"{flops * (_FORWARD_AND_BACKWARD if name == 'training' else 1) / 1e6:.1f}"
        ),
        "main memory, MB a window": lambda name, p: (
            f"{p.cost.main_memory_bytes / p.windows / 1e6:.2f}" if p.is_read else "-"
        ),
        "as XLA counts, MB a window": lambda name, p: (
            f"{p.counted_bytes / p.windows / 1e6:.2f}" if p.counted_bytes else "-"
        ),
        kernels: lambda name, p: f"{p.cost.kernels:,.0f}" if p.is_read else "-",
        "collectives": lambda name, p: f"{p.cost.collectives:,.0f}" if p.is_read else "-",
        "least time of arithmetic, ms": lambda name, p: f"{1e3 * bounds[name].arithmetic_s:.3f}",
        "least time of memory, ms": lambda name, p: f"{1e3 * bounds[name].memory_s:.3f}",
        "least time of launches, ms": lambda name, p: (
            f"{1e3 * bounds[name].launches_s:.3f}" if target.is_gpu else "-"
        ),
        "what binds": lambda name, p: bounds[name].binds,
        "windows/s a chip, at best": lambda name, p: f"{p.windows / bounds[name].seconds:,.0f}",
    }
    yield f"{'one batch on one chip':<34}" + "".join(f"{name:>14}" for name in programs)
    for title, cell in rows.items():
        yield f"{title:<34}" + "".join(f"{cell(name, program):>14}" for name, program in programs.items())
    if not all(program.is_read for program in programs.values()):
        yield "-: its compiler cannot print the program; memory's time is by XLA's own count"
    for name, program in programs.items():
        if program.cost.unknown_loops:
            yield f"{name} has a loop whose turns its text does not tell: counted as one, so it costs more"
    if target.is_gpu:
        yield (
            f"launches: {1e6 * target.launch_s:.0f} us each is an assumption; memory: what the cache of "
            f"{target.l2_bytes / 1e6:.0f} MB spares it is left out, so that a small batch may be faster"
        )


def memory_lines(
    options: config.Config, target: Target, training: CompiledProgram, data: Data
) -> Iterator[str]:
    """What training occupies of a chip, and the batch that would just fit."""
    share = training.memory_bytes / target.memory_bytes
    frames = "the frames of two dispatches" if data.in_files else f"{data.n_frames:,} frames of data"
    yield (
        f"memory: {training.memory_bytes / 1e9:.2f} of {target.memory_bytes / 1e9:.0f} GB ({share:.0%}"
        f"{', and JAX takes no more than 75 %' if target.is_gpu else ''}): "
        f"{training.kept_bytes / 1e9:.2f} of state and {frames}, "
        f"{training.working_bytes / 1e9:.2f} to work in, {training.code_bytes / 1e9:.2f} of code; "
        f"some {largest_batch(options, target, training):,} windows a chip would fit"
    )


def largest_batch(options: config.Config, target: Target, training: CompiledProgram) -> int:
    """Windows a chip that just fit, in parts of `train.accumulate`, if what grows with the batch does so
    evenly; 0 where none do."""
    still = training.kept_bytes - training.batch_bytes + training.code_bytes
    growing = max(training.working_bytes + training.batch_bytes, 1)
    most = int((0.95 * target.room_bytes - still) * training.windows / growing)
    parts = max(options.train.accumulate, 1)
    parts *= 100 if most >= 100 * parts else 1  # a round number
    return max(most // parts * parts, 0)


def run_lines(
    options: config.Config,
    target: Target,
    training: CompiledProgram,
    validation: CompiledProgram,
    n_chips: int,
    n_validated: int,
) -> Iterator[str]:
    """An epoch's and the run's time, at best."""
    train, step_s = options.train, _step_s(options, target, training, n_chips)
    dispatches = max(round(train.windows_per_epoch / (train.batch_size * train.steps_per_dispatch)), 1)
    steps = dispatches * train.steps_per_dispatch
    batches = -(-n_validated // (validation.windows * n_chips))
    validation_s = batches * bound(options, target, validation, 1).seconds
    epoch_s = steps * step_s + validation_s
    yield (
        f"at best: {train.batch_size / step_s:,.0f} windows/s on {n_chips} chip{'s'[: n_chips > 1]}; an "
        f"epoch {_time(epoch_s)}: {steps} steps {_time(steps * step_s)}, {n_validated:,} windows validated "
        f"{_time(validation_s)}; {train.epochs} epochs {_time(train.epochs * epoch_s)}, without what the "
        "host does: to start, to compile, to save"
    )


def scaling_lines(options: config.Config, target: Target, training: CompiledProgram) -> Iterator[str]:
    """More chips with as many windows each: what exchanging the gradients adds."""
    sent = _sent_bytes(options, training)
    yield (
        f"weak scaling, {training.windows:,} windows a chip, {sent / 1e6:.1f} MB of gradients exchanged, "
        "latency left out:"
    )
    if target.is_gpu:
        yield (
            f"(by NVLink among {NODE} GPUs of a node; among nodes an assumed "
            f"{target.network_bandwidth / 2e9:.0f} GB/s each way for every GPU)"
        )
    yield f"{'chips':>8}{'exchange, ms':>14}{'of a step':>11}{'windows/s at best':>20}"
    for n_chips in _CHIPS:
        exchange, step = exchange_s(target, n_chips, sent), _step_s(options, target, training, n_chips)
        rate = n_chips * training.windows / step
        yield f"{n_chips:>8}{1e3 * exchange:>14.3f}{exchange / step:>11.1%}{rate:>20,.0f}"


def _step_s(options: config.Config, target: Target, training: CompiledProgram, n_chips: int) -> float:
    """Of a training step, the exchange behind it, nothing hidden."""
    exchange = exchange_s(target, n_chips, _sent_bytes(options, training))
    return bound(options, target, training, _FORWARD_AND_BACKWARD).seconds + exchange


def _sent_bytes(options: config.Config, training: CompiledProgram) -> float:
    """Of a step's collectives; of a program for one chip, which has none, the gradients in float32."""
    return training.cost.collective_bytes or 4.0 * sum(layer.n_params for layer in summarise(options)[0])


def _time(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{1e3 * seconds:.2f} ms"
