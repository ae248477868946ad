"""What a command line says of a cluster: which one, how many workers, and what each gets of it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.cli import positive_number, whole_number

_SIZES = ("gpus_per_worker", "cpus_per_worker", "wait_minutes")


@dataclass(frozen=True)
class Cluster:
    """Where a command's work is done, and by how many."""

    address: str  # "local", "auto", HOST:6379 or ray://HOST:10001
    workers: int | None  # None: one for each core of the cluster
    cpus: float = 1  # of each worker, as Ray counts them
    gpus: float = 0
    restarts: int = 3  # without a newer checkpoint between them
    wait_s: float = 600  # for machines


def add_cluster(parser: argparse.ArgumentParser, work: str = "") -> argparse._ArgumentGroup:
    """--cluster and what belongs to it; --workers as well where `work` says in --help what a worker does."""
    group = parser.add_argument_group("on a Ray cluster (docs/cloud_ray.md)")
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="local (Ray on this machine), auto (the cluster that this machine is of), HOST:6379, or "
        "ray://HOST:10001 from outside of it",
    )
    if work:
        group.add_argument("--workers", metavar="N", help=work)
    group.add_argument("--gpus_per_worker", metavar="G", help="default: none")
    group.add_argument("--cpus_per_worker", metavar="C", help="default: 1")
    group.add_argument(
        "--wait_minutes",
        metavar="M",
        help="how long machines are waited for that are not there (default: 10)",
    )
    return group


def take_cluster(argv: Sequence[str]) -> tuple[Cluster | None, list[str]]:
    """What `train` is told of a cluster, None where nothing, and the rest of its command line.

    Raises ValueError as `read_cluster` does.
    """
    parser = _train_parser()
    flags, rest = parser.parse_known_args(list(argv))
    return read_cluster(flags), rest


def _train_parser() -> ArgumentParser:
    parser = ArgumentParser(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
    group = add_cluster(parser, "processes of the run, on machines of their own as far as possible")
    group.add_argument(
        "--restarts",
        metavar="R",
        help="how often a run that lost a worker is started again without a newer checkpoint (default: 3)",
    )
    return parser


def train_usage() -> str:
    """What `train --help` says of them."""
    return _train_parser().format_help().rstrip()


def read_cluster(flags: argparse.Namespace, needs_workers: bool = True) -> Cluster | None:
    """What was given of `add_cluster`. Raises ValueError for flags that make no sense, and without Ray."""
    if not flags.cluster:
        for name in ("workers", "restarts")[not needs_workers :] + _SIZES:
            if getattr(flags, name, None) is not None:
                raise ValueError(f"--{name}: is for a Ray cluster: add --cluster ADDRESS")
        return None
    if needs_workers and flags.workers is None:
        raise ValueError(f"--cluster {flags.cluster}: say how many workers: --workers N")
    given = {name: getattr(flags, name) for name in _SIZES if getattr(flags, name) is not None}
    sizes = {name: positive_number(f"--{name}", text) for name, text in given.items()}
    workers = None if flags.workers is None else whole_number("--workers", flags.workers)
    restarts = getattr(flags, "restarts", None)
    if restarts is not None and not restarts.isdecimal():
        raise ValueError(f"--restarts {restarts}: must be a whole number, 0 or more")
    if find_spec("ray") is None:
        raise ValueError(f"--cluster {flags.cluster}: needs Ray: pip install -e '.[cluster]'")
    return Cluster(
        flags.cluster,
        workers,
        cpus=sizes.get("cpus_per_worker", Cluster.cpus),
        gpus=sizes.get("gpus_per_worker", Cluster.gpus),
        restarts=Cluster.restarts if restarts is None else int(restarts),
        wait_s=60 * sizes["wait_minutes"] if "wait_minutes" in sizes else Cluster.wait_s,
    )
