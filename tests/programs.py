"""Programs in a process of their own, with other environment variables."""

import os
import subprocess
import sys

import jaxlib

# Compiles in a third of the time: the emitters of loops that XLA had before. The one of jaxlib 0.12 has none.
PLAIN_XLA = {"xla_cpu_use_fusion_emitters": False} if jaxlib.__version__.startswith("0.10.") else {}
PLAIN_XLA_FLAGS = " ".join(f"--{name}={value}".lower() for name, value in PLAIN_XLA.items())


def run_python(program, *arguments, **changes):
    env = {**os.environ, **changes}
    env = {name: value for name, value in env.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
    )
