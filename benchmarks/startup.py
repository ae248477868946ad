"""Where the seconds go from `python -m wt_jax.train` to its first step, in fresh processes.

    python benchmarks/startup.py --config experiments/main.py --rounds 3

Each round starts two processes: one with an empty compilation cache, one with what the first left there. A
cell is the median over rounds. `start` is all of `setup.start_run` (data, pipeline, parameters, state); of it
`load data` is timed beside the rest. The first step is that of one dispatch, without its compilation.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import heading

_LARGEST = 8  # imports that are named


def profile(argv: list[str]) -> dict[str, float]:
    """Seconds of each part, in this process; everything is imported here for the first time."""
    seconds: dict[str, float] = {}
    at = time.perf_counter()

    def done(part: str) -> None:
        nonlocal at
        now = time.perf_counter()
        seconds[part], at = now - at, now

    import jax

    from wt_jax import config, train  # noqa: F401
    from wt_jax.runtime import config_flags
    from wt_jax.training import setup

    done("import")
    compiling: dict[str, float] = {"trace": 0.0, "lower": 0.0, "compile": 0.0}
    names = {"jaxpr_trace": "trace", "jaxpr_to_mlir_module": "lower", "backend_compile": "compile"}

    def note(event: str, duration_secs: float, **_: str | int) -> None:
        for name, part in names.items():
            if event == f"/jax/core/compile/{name}_duration":
                compiling[part] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(note)
    options = config_flags.parse(argv)
    jax.devices()
    done("config, devices")
    from wt_jax.data.loading import load_dataset

    data = options.data
    corpus = load_dataset(data.root, data.recordings, data.classes, Path(options.workdir) / "recordings")
    done("load data")
    training = setup.start_run(options, corpus)
    done("pipeline, state")
    seconds["... compiling in it"] = sum(compiling.values())
    compiling.update(dict.fromkeys(compiling, 0.0))
    progress, dispatch = training.progress, training.programs.dispatch
    drawn = training.data.draw()
    done("first batch")
    progress.state, losses = dispatch(progress.state, *drawn)
    jax.block_until_ready(losses)
    done("first dispatch")
    dispatch_s = seconds.pop("first dispatch")
    seconds |= compiling
    seconds["first dispatch, the rest"] = dispatch_s - sum(compiling.values())
    progress.state, losses = dispatch(progress.state, *drawn)
    jax.block_until_ready(losses)
    done("second dispatch")
    training.programs.validate(progress.state.eval_params)
    done("first validation")
    training.checkpoints.close()
    return seconds


def in_a_process(argv: list[str], cache: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as workdir:
        command = [sys.executable, __file__, "--profile", *argv, f"--config.workdir={workdir}/run"]
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",  # as cli.use_compilation_cache
        }
        started_s = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        all_s = time.perf_counter() - started_s
    if done.returncode:
        sys.exit(done.stderr)
    seconds = json.loads(done.stdout.splitlines()[-1])
    return {"interpreter, and its end": all_s - sum(_exclusive(seconds)), **seconds}


def _exclusive(seconds: dict[str, float]) -> list[float]:
    return [value for part, value in seconds.items() if not part.startswith("...")]


def largest_imports() -> list[tuple[str, float]]:
    """The packages that `import wt_jax.train` brings, each with all that it imports first, in seconds.

    A package that another one imports counts in both.
    """
    command = [sys.executable, "-X", "importtime", "-c", "import wt_jax.train"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.findall(r"\| +(\d+) \| +([\w.]+)$", lines, re.MULTILINE)
    packages = {name: int(us) / 1e6 for us, name in found if name.count(".") < 2}
    return sorted(packages.items(), key=lambda item: -item[1])[:_LARGEST]


def main() -> None:
    if sys.argv[1:2] == ["--profile"]:
        print(json.dumps(profile(sys.argv[2:])))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="experiments/main.py")
    parser.add_argument("--rounds", type=int, default=3)
    arguments, rest = parser.parse_known_args()
    argv = ["--config", arguments.config, *rest]
    print(f"{heading()}\n")
    runs: dict[str, list[dict[str, float]]] = {"cold": [], "cached": []}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as cache:
            for kind in runs:
                runs[kind].append(in_a_process(argv, cache))
    print("| part | cold, s | compilation cached, s |\n|---|---|---|")
    for part in runs["cold"][0]:
        cells = [f"{statistics.median(run[part] for run in of):.2f}" for of in runs.values()]
        print(f"| {part} | {' | '.join(cells)} |")
    totals = [f"{statistics.median(sum(_exclusive(run)) for run in of):.2f}" for of in runs.values()]
    print(f"| all | {' | '.join(totals)} |")
    imports = ", ".join(f"{name} {seconds:.2f}" for name, seconds in largest_imports())
    print(f"\nLargest imports, with their own, s (traced, so slower): {imports}")


if __name__ == "__main__":
    main()
