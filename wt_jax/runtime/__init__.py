"""What every command stands on: command lines, files, JAX's settings, the processes of a run."""
