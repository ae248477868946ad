"""What each lever of the training step brings on a CPU: windows a second with and without it.

    python benchmarks/levers.py --rounds 5

Alternating runs, as in train_throughput.py; each lever is taken away alone, in a process of its own.
"""

import argparse
import statistics

from contender import LEVERS
from machine import heading, positive
from train_throughput import alternate
from worker import Entry


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=positive, default=2.0)
    parser.add_argument("--wait_s", type=float, default=60.0, help="for other work to end")
    arguments = parser.parse_args()
    print(f"{heading()}\n")

    ours = Entry("ours", arguments.batch_size, "float32", 8)
    variants = {lever: Entry(f"ours without {lever}", *ours[1:]) for lever in LEVERS}
    variants["several steps a dispatch"] = ours._replace(steps_per_dispatch=1)
    neither = "several steps a dispatch and freed memory kept"
    variants[neither] = variants["freed memory kept"]._replace(steps_per_dispatch=1)
    rates, _, remarks = alternate(
        [ours, *variants.values()], arguments.rounds, arguments.seconds, arguments.wait_s
    )
    print(f"with all: {statistics.median(rates[ours]):.0f} windows/s\n")
    print("| without | windows/s | with all / without |\n|---|---|---|")
    for lever, entry in variants.items():
        if entry in rates:
            ratio = statistics.median(a / b for a, b in zip(rates[ours], rates[entry], strict=True))
            print(f"| {lever} | {statistics.median(rates[entry]):.0f} | {ratio:.2f} |")
    print("\n".join(["", *remarks]))


if __name__ == "__main__":
    main()
