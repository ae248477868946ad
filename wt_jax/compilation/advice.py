"""What helps where a program does not fit its chip."""

from wt_jax import config
from wt_jax.compilation.compiled_step import CompiledProgram, Data
from wt_jax.compilation.cost_report import largest_batch
from wt_jax.compilation.targets import Target
from wt_jax.input_pipeline.frame_files import row_type
from wt_jax.training.residence import SHARE


def advice(
    name: str,
    options: config.Config,
    target: Target,
    n_chips: int,
    data: Data,
    program: CompiledProgram | None = None,
) -> str:
    """For `training`, `validation` or `inference`; of a program that could not even be compiled, None."""
    helps = []
    if name != "inference" and data_bytes(options, data) > target.room_bytes / SHARE:
        helps.append(
            f"{data.n_frames:,} frames are {data_bytes(options, data) / 1e9:.1f} GB on each chip: "
            "--config.data.resident=auto reads them from files"
        )
    if name == "training":
        helps += _for_training(options, target, n_chips, program)
    if name == "validation":
        helps.append("a smaller --config.train.eval_batch_size")
    if options.model.compute_dtype != "bfloat16":
        helps.append("--config.model.compute_dtype=bfloat16")
    return f"{name} does not fit: " + "; or ".join(helps or ["a smaller --config.model.filters"])


def data_bytes(options: config.Config, data: Data) -> int:
    """Of the frames that lie whole on each chip."""
    return 0 if data.in_files else data.n_frames * row_type(options).itemsize


def _for_training(
    options: config.Config, target: Target, n_chips: int, program: CompiledProgram | None
) -> list[str]:
    share, parts = options.train.batch_size // n_chips, max(options.train.accumulate, 1)
    more = next((n for n in range(parts + 1, share + 1) if share % n == 0), None)
    helps = [f"--config.train.accumulate={more} gives the same result with less memory"] if more else []
    most = largest_batch(options, target, program) * n_chips if program else 0
    return [*helps, f"--config.train.batch_size={most}" if most else "a smaller --config.train.batch_size"]
