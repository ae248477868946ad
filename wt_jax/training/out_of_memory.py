"""What to change when a device's memory does not suffice."""

import jax

from wt_jax import config


def explain_out_of_memory(error: Exception, options: config.Config) -> ValueError | None:
    """What to change when the device's memory did not suffice; None for any other error."""
    if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
        return None
    train = options.train
    return ValueError(
        f"out of memory on {jax.devices()[0].device_kind} at train.batch_size={train.batch_size}, "
        f"train.accumulate={train.accumulate or 1}, model.compute_dtype={options.model.compute_dtype}: "
        f"set --config.train.accumulate={(train.accumulate or 1) * 2} (same result, less memory), "
        "--config.model.compute_dtype=bfloat16, or a smaller train.batch_size or train.eval_batch_size"
    )
