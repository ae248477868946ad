"""Better settings: python -m wt_jax.tune --config experiments/main.py --space experiments/space.py."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from wt_jax import config
from wt_jax.data.loading import load_dataset
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.config_flags import parse
from wt_jax.search.experiment_file import write_experiment
from wt_jax.search.report import table, write_page, write_table
from wt_jax.search.space import Space, read_space, with_values
from wt_jax.search.study import Study
from wt_jax.search.trials import Plan, Trials, check_plan, in_words
from wt_jax.search.worker import join
from wt_jax.train import find_parent
from wt_jax.training.residence import most_bytes
from wt_jax.training.train_step import all_devices


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
        "--workdir", type=Path, default=Path("checkpoints/tune"), metavar="DIR",
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
    return parser


def search(
    options: config.Config, space: Space, plan: Plan, folder: Path, n_trials: int, stop: cli.Stop
) -> Study:
    """Takes part in the search in `folder` until it has had so many trials, or a signal comes."""
    about = {"folds": plan.n_folds, "data": plan.dataset.data, "fingerprint": plan.dataset.fingerprint}
    study = Study(folder, options, space, about)
    with join(folder / "workers", study) as worker:
        Trials(study, plan, worker).run(n_trials, stop)
    return study


def write_results(study: Study, name: str, n_folds: int) -> list[str]:
    """Writes what the search has come to in its folder; returns what to say of it."""
    write_table(study)
    if study.best is None:
        return ["no trial has come to its end yet"]
    number, loss = study.best.number, study.best.value
    how = f"mean of {n_folds} folds" if n_folds > 1 else "validation"
    file = study.folder / "best.py"
    workdir = f"{study.options.workdir}-tuned"
    best = with_values(study.options, study.values(number) | {"workdir": workdir})
    about = (
        f"Found by wt_jax.tune: trial {number} of {len(study.trials)}, from {name}.\n\n"
        f"Command: python -m wt_jax.train --config {file}\n"
        f"Score: segmentation loss {loss:.4f} ({how}), the best of {len(study.trials)} trials: flattered by "
        "the choice\n"
    )
    write_experiment(file, best, about)
    write_page(study, f"Search: {name}, {len(study.trials)} trials", file.read_text())
    return [
        table(study),
        f"best: trial {number}, segmentation loss {loss:.4f} ({how}): {in_words(study.values(number))}",
        f"in {study.folder}: best.py, trials.csv, search.html\nnext: python -m wt_jax.train --config {file}",
    ]


def main(arguments: Sequence[str]) -> int:
    """The command: its exit status."""
    own = [arg for arg in arguments if not arg.startswith("--config.")]
    flags = make_parser().parse_args(own)
    options = parse(["--config", flags.config, *(arg for arg in arguments if arg.startswith("--config."))])
    space = read_space(flags.space, options)
    n_trials, n_folds, together = (
        cli.whole_number(f"--{name}", getattr(flags, name)) for name in ("trials", "folds", "together")
    )
    jax_setup.use_compilation_cache()
    jax_setup.keep_freed()
    flags.workdir.mkdir(parents=True, exist_ok=True)
    of = options.data
    dataset = load_dataset(
        of.root, of.recordings, of.classes, flags.workdir / "recordings", of.max_minutes, of.synthetic_people,
        most_bytes(of),
    )  # fmt: skip
    parent = find_parent(dataclasses.replace(options, overwrite=True))
    plan = Plan(dataset, n_folds, together, all_devices(), parent)
    check_plan(options, space, plan)
    with cli.catch_stop() as stop:
        study = search(options, space, plan, flags.workdir, n_trials, stop)
    print("\n".join(write_results(study, flags.config, n_folds)))
    if stop.caught:
        print(f"{stop.caught.name}: stopped; the same command goes on from there")
        return stop.status
    return 0


if __name__ == "__main__":
    cli.run(main)
