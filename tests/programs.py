"""Programs in a process of their own, with other environment variables."""

import os
import subprocess
import sys


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
