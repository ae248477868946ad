"""Landmarks and labels -> recordings: python -m wt_jax.build_dataset --data ROOT [--output DIR]."""

import argparse
from collections.abc import Sequence

from wt_jax.commands import run
from wt_jax.dataset import build, recordings_folder
from wt_jax.skeleton import CLASSES


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m wt_jax.build_dataset", description=__doc__)
    parser.add_argument(
        "--data", default="data", metavar="ROOT", help="holds landmarks/ and labels/ (default: data)"
    )
    parser.add_argument("--output", metavar="DIR", help="where recordings go (default: ROOT/recordings)")
    parser.add_argument(
        "--classes", nargs="+", default=CLASSES, metavar="NAME", help=f"default: {' '.join(CLASSES)}"
    )
    options = parser.parse_args(arguments)

    output = recordings_folder(options.data, options.output)
    report = build(options.data, output, options.classes)
    print(report.table())
    print(f"{report.built} built, {report.unchanged} unchanged, in {output}; {len(report.left_out)} left out")
    for path, reason in report.left_out:
        print(f"left out: {path}: {reason}")
    return 0


if __name__ == "__main__":
    run(main)
