"""Landmarks and labels -> recordings: python -m wt_jax.build_dataset --data ROOT [--output DIR]."""

import argparse
from collections.abc import Sequence

from wt_jax.commands import run
from wt_jax.dataset import build, recordings_folder
from wt_jax.skeleton import CLASSES

_SHOWN = 5  # names of removed recordings


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
    report = build(options.data, output, options.classes, remove=True)
    print(report.table())
    print(f"{report.built} built, {report.unchanged} unchanged, in {output}; {len(report.left_out)} left out")
    if report.removed:
        names = [f"{path.parent.name}/{path.stem}" for path in report.removed]
        more = ", ..." if len(names) > _SHOWN else ""
        print(f"removed {len(names)} recordings without a source: {', '.join(names[:_SHOWN])}{more}")
    for path, reason in report.left_out:
        print(f"left out: {path}: {reason}")
    return 0


if __name__ == "__main__":
    run(main)
