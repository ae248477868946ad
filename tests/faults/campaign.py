"""All that docs/reliability.md promises, tried: prints a table, and each fault that was not met as promised.

    python tests/faults/campaign.py --seed 0
    python tests/faults/campaign.py --seed 1 --parts damage readers --minutes 1

The same seed makes the same faults; the moments of kills and signals are of the same distribution.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # what the tests share
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from faults.bad_inputs import bad_inputs  # noqa: E402
from faults.buckets import buckets  # noqa: E402
from faults.damage import damage  # noqa: E402
from faults.full_disk import full_disk  # noqa: E402
from faults.readers import readers  # noqa: E402
from faults.soak import soak  # noqa: E402
from faults.stops import lost_processes, start, storm, train_arguments  # noqa: E402
from faults.table import Outcome, table  # noqa: E402
from training_runs import write_root  # noqa: E402

PARTS = ("kills", "signals", "processes", "damage", "disk", "readers", "inputs", "bucket", "soak")


def unbroken_run(root: Path, workdir: Path) -> Path:
    """What all others must come to."""
    process = start(train_arguments(root, workdir))
    _, err = process.communicate()
    assert process.returncode == 0, err
    return workdir


def campaign(parts: list[str], seed: int, minutes: float, folder: Path) -> Iterator[Outcome]:
    root = write_root(folder / "root")
    unbroken = unbroken_run(root, folder / "unbroken")

    def rng(part: str) -> random.Random:
        return random.Random(f"{seed} {part}")

    if "kills" in parts:
        yield from storm("kills", root, unbroken, folder / "kills", rng("kills"), 20 * [signal.SIGKILL])
    if "signals" in parts:
        numbers = 10 * [signal.SIGTERM, signal.SIGINT]
        yield from storm("signals", root, unbroken, folder / "signals", rng("signals"), numbers)
    if "processes" in parts:
        yield from lost_processes(root, folder / "processes", rng("processes"), 4)
    if "damage" in parts:
        yield from damage(unbroken, seed, n_flips=200, n_cut=50, n_edits=100)
    if "disk" in parts:
        yield from full_disk(root, unbroken, folder / "disk", rng("disk"), 10)
    if "readers" in parts:
        yield from readers(root, folder / "readers", minutes)
    if "inputs" in parts:
        yield from bad_inputs(folder / "inputs", unbroken, rng("inputs"), 320)
    if "bucket" in parts:
        yield from buckets(root, unbroken, folder / "bucket", rng("bucket"), 5)
    if "soak" in parts:
        yield soak(root, folder / "soak", 3 * minutes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--minutes", type=float, default=10, help="of readers beside a writer; the soak: 3 times"
    )
    args = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="wt_jax-faults-") as folder:
        for outcome in campaign(args.parts, args.seed, args.minutes, Path(folder)):
            outcomes.append(outcome)
            mark = "" if outcome.is_promised else "NOT AS PROMISED: "
            print(
                f"{mark}{outcome.part}: {outcome.fault}: {outcome.found}"[:400], file=sys.stderr, flush=True
            )
    print(f"seed {args.seed}\n\n{table(outcomes)}")
    return 0 if all(outcome.is_promised for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
