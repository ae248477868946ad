"""Better settings: python -m wt_jax.tune --config experiments/main.py --space experiments/space.py."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import jax

from wt_jax import config
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.config_flags import parse
from wt_jax.runtime.files import is_writable
from wt_jax.search.plan import make_plan
from wt_jax.search.space import read_space
from wt_jax.storage.places import is_remote, place, run_folder, scratch
from wt_jax.storage.workdir import opened
from wt_jax.training.out_of_memory import explain_out_of_memory


def make_parser() -> ArgumentParser:
    """The command line."""
    parser = ArgumentParser(
        prog="python -m wt_jax.tune",
        description="Searches better settings for an experiment: Optuna chooses trials, judged by the "
        "validation segmentation loss and pruned where they fall behind. The same command again goes on with "
        "a search that was stopped; several at once, on machines that share the folder, search together.",
        epilog="Keys of the config are set as in training: --config.train.epochs=60",
    )
    parser.add_argument("--config", metavar="FILE", required=True, help="the experiment to begin with")
    parser.add_argument(
        "--space", metavar="FILE", required=True, help="Python with a get_space(): experiments/space.py"
    )
    parser.add_argument(
        "--trials", default="50", metavar="N", help="of all processes, pruned ones too (default: 50)"
    )
    parser.add_argument(
        "--workdir", type=place, default=Path("checkpoints/tune"), metavar="DIR",
        help="where the search is kept (default: checkpoints/tune)",
    )  # fmt: skip
    parser.add_argument(
        "--folds", default="1", metavar="K",
        help="cross-validate: groups of train and val are dealt into so many folds (default: 1, as split)",
    )  # fmt: skip
    parser.add_argument(
        "--together",
        default="1",
        metavar="N",
        help="trials trained as one program (default: 1), in all folds at once",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="trials by Ray: auto, on the cluster that this machine is of, or HOST:6379, or local",
    )
    parser.add_argument("--cpus", metavar="N", help="of each trial on the cluster (default: 1)")
    parser.add_argument("--gpus", metavar="N", help="of each trial on the cluster (default: none)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    own = [arg for arg in arguments if not arg.startswith("--config.")]
    flags = make_parser().parse_args(own)
    options = parse(["--config", flags.config, *(arg for arg in arguments if arg.startswith("--config."))])
    space = read_space(flags.space, options)
    n_trials, n_folds, together = (
        cli.whole_number(f"--{name}", getattr(flags, name)) for name in ("trials", "folds", "together")
    )
    resources = check_cluster(flags)
    if find_spec("optuna") is None or find_spec("plotly") is None:
        raise ValueError("a search needs Optuna and Plotly: pip install -e '.[tune]'")
    from wt_jax.search.report import write_results  # here: an extra
    from wt_jax.search.study import Study
    from wt_jax.search.trials import Trials
    from wt_jax.search.worker import join

    jax_setup.use_compilation_cache()
    jax_setup.keep_freed()
    with shared_folder(flags.workdir) as folder:
        plan = make_plan(options, space, n_folds, together, scratch(flags.workdir))
        about = {"folds": n_folds, "data": plan.dataset.data, "fingerprint": plan.dataset.fingerprint}
        study = Study(folder, options, space, about)
        print(
            f"{n_trials} trials over {len(space)} keys, {n_folds} fold{'s'[: n_folds != 1]} each: a line "
            "after every epoch, the first once its program is compiled",
            flush=True,
        )
        with explained_out_of_memory(options), cli.catch_stop() as stop:
            if flags.cluster:
                from wt_jax.search.ray_tuner import tune_on

                tune_on(flags.cluster, study, n_folds, n_trials, resources, stop)
            else:
                with join(folder / "workers") as worker:
                    Trials(study, plan, worker).run(n_trials, stop)
        print("\n".join(write_results(study, flags.config, n_folds)))
    if stop.caught:
        print(f"{stop.caught.name}: stopped; the same command goes on from there")
        return stop.status
    return 0


@contextlib.contextmanager
def explained_out_of_memory(options: config.Config) -> Iterator[None]:
    """What to do where the devices have no room for so many trials."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        raise explain_out_of_memory(error, options) or error from error


def check_cluster(flags: argparse.Namespace) -> dict[str, float]:
    """What each trial gets of a cluster. Raises ValueError for flags that do not go together."""
    if not flags.cluster:
        if flags.cpus or flags.gpus:
            raise ValueError("--cpus and --gpus are of a trial on a cluster: add --cluster")
        return {}
    if flags.cluster.startswith("ray://"):
        raise ValueError(
            f"--cluster {flags.cluster}: Ray Tune would take the search away from its folder: run "
            "this on the cluster's head, with --cluster auto"
        )
    if flags.together != "1":
        raise ValueError("--together and --cluster: on a cluster each trial is a process of its own")
    if find_spec("ray") is None:
        raise ValueError("--cluster needs Ray Tune: pip install -e '.[tune,cluster]'")
    resources = {"cpu": cli.positive_number("--cpus", flags.cpus or "1")}
    return resources | ({"gpu": cli.positive_number("--gpus", flags.gpus)} if flags.gpus else {})


@contextlib.contextmanager
def shared_folder(workdir: Path | str) -> Iterator[Path]:
    """The search's folder, of any number of processes; one in a bucket is of one at a time.

    Raises ValueError where it cannot be written, or another process has it.
    """
    opening = opened(str(workdir)) if is_remote(workdir) else contextlib.nullcontext(run_folder(workdir))
    with opening as folder:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"--workdir {folder}: cannot be made ({error.strerror})") from None
        if not is_writable(folder):
            raise ValueError(f"--workdir {folder}: cannot be written: name another")
        yield folder


if __name__ == "__main__":
    cli.run(main)
