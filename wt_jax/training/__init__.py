"""The training step and all around it: losses, optimizer, validation, checkpoints."""
