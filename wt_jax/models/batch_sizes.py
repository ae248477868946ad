"""How many windows a device computes at once. Fixed by measurement: benchmarks/RESULTS.md."""

# Of one recording, on any device: most have fewer windows, and more shapes would be more to compile.
SMALL_BATCH = 64
# Of a training batch that goes through a CPU in parts: its cache holds the activations of some 32 windows,
# and at batch 1024 parts of 32 train twice as fast as the whole.
CPU_TRAINING_PART = 32


def forward_batch(platform: str) -> int:
    """Windows of a forward pass with which a device is fastest: more than 64 do not fit a CPU's cache."""
    return 64 if platform == "cpu" else 512
