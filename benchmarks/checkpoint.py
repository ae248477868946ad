"""What a checkpoint costs: a save, what of it the training waits for, the digest, a restore.

    python benchmarks/checkpoint.py --config experiments/main.py --rounds 20

A round saves a state of the config's size and restores it; medians over rounds, in milliseconds.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator

import grain
import jax
import numpy as np
from machine import heading

from wt_jax.runtime import jax_setup
from wt_jax.runtime.config_flags import parse
from wt_jax.training.checkpoint_meta import make_meta
from wt_jax.training.checkpoint_reader import CheckpointReader
from wt_jax.training.checkpoints import Checkpoints
from wt_jax.training.step_folder import StepFolder
from wt_jax.training.train_step import init_state, state_template

ABOUT = {
    "data": "nowhere", "fingerprint": "", "root": "", "recordings": "", "trained_on": [], "split": {},
    "monitor": {"learning_rate": 1e-3}, "history": {"loss": [0.5]},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="experiments/main.py")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    jax_setup.use_compilation_cache()
    options = parse(["--config", args.config])
    state = init_state(options, jax.devices()[:1])
    template = state_template(options, jax.devices()[:1])
    took: dict[str, list[float]] = {}

    @contextlib.contextmanager
    def timed(part: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        took.setdefault(part, []).append(1e3 * (time.perf_counter() - started_s))

    batches = iter(grain.MapDataset.range(100).to_iter_dataset())
    with tempfile.TemporaryDirectory() as workdir:
        checkpoints, reader = Checkpoints(workdir), CheckpointReader(workdir)
        for i in range(args.rounds):
            step = (i + 1) * options.train.steps_per_dispatch
            with timed("save, until it is written"):
                with timed("save, until the training goes on"):
                    checkpoints.save(
                        state.replace(step=np.int32(step)), batches, make_meta(options, **ABOUT), 1 / step
                    )
                checkpoints.wait()
            folder = StepFolder(reader.folder / str(step))
            with timed("save, of it the digest"):
                folder.write_digest(1 / step)
            with timed("check of the digest"):
                reader.check(step)
            with timed("restore"):
                reader.restore(step, template)
        n_bytes = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        checkpoints.close()
    print(heading(), f"{args.config}, {n_bytes / 1e6:.1f} MB, {args.rounds} rounds", "", sep="\n")
    print("| part | median, ms |\n|---|---|")
    for part, milliseconds in took.items():
        print(f"| {part} | {statistics.median(milliseconds):.1f} |")


if __name__ == "__main__":
    main()
