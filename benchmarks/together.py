"""Trials trained as one program (wt_jax.tune --together), beside one after another.

    python benchmarks/together.py --trials 1 4 8 --rounds 5
    python benchmarks/together.py --trials 8 16 32 --topology v5e      # in an environment with .[tpu-compile]

Without a topology, on this machine: the same trials one after another and together, in turn, `--rounds`
times. A rate is the median over rounds, a ratio the median of together / one after another in the same
round, so that other work on the machine cancels out. Trials an hour are of `--epochs` epochs of the
experiment, without validation. With a topology nothing is run: what the program of so many trials moves and
occupies, compiled ahead of time, and the most windows a second that follow
(wt_jax/compilation/roofline.py).
"""

import argparse
import dataclasses
import statistics
import time

import jax
import numpy as np
from machine import heading

from wt_jax import config
from wt_jax.compilation.compiled_step import Data, compile_together
from wt_jax.compilation.roofline import roofline
from wt_jax.compilation.targets import find_target, target_devices
from wt_jax.data.loading import synthetic_dataset
from wt_jax.input_pipeline.balanced_sampler import StratifiedSampler
from wt_jax.input_pipeline.window_runs import runs_of
from wt_jax.input_pipeline.windows import lay_out
from wt_jax.models.summary import window_flops
from wt_jax.runtime.config_flags import parse
from wt_jax.search.space import read_space
from wt_jax.training.stacked_step import NUMBERS, first_state, make_stacked_dispatch, numbers_of, stack
from wt_jax.training.train_step import all_devices, init_state, make_train_dispatch, put_sequences

PEOPLE = 12
SPACE = "experiments/space.py"
FORWARD_AND_BACKWARD = 3  # passes


def time_here(options: config.Config, n_trials: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of a dispatch of each of so many trials, alone and together, of each round."""
    devices = all_devices()
    dataset = synthetic_dataset(options.data.classes, PEOPLE)
    laid_out, windows = lay_out(options, dataset.split("train"), options.data.stride_frames)
    sequences = put_sequences(laid_out, devices)
    runs = runs_of(windows, options.data.stride_frames)
    trials = [dataclasses.replace(options, seed=seed) for seed in range(n_trials)]
    shape = options.train.steps_per_dispatch, options.train.batch_size
    firsts_MxKxB = np.stack(
        [
            StratifiedSampler(runs, of.data, of.seed).firsts(np.arange(shape[0] * shape[1])).reshape(shape)
            for of in trials
        ]
    )
    alone = make_train_dispatch(options, devices)
    states = [init_state(of, devices) for of in trials]
    together = make_stacked_dispatch(options, devices)
    keys = [key for key in read_space(SPACE, options) if key in NUMBERS]
    stacked = (stack([first_state(of, devices) for of in trials], devices), numbers_of(trials, keys))
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):  # the first compiles
        start_s = time.perf_counter()
        for i, state in enumerate(states):
            states[i], losses = alone(state, sequences, firsts_MxKxB[i])
            jax.block_until_ready(losses)
        seconds[0].append(time.perf_counter() - start_s)
        start_s = time.perf_counter()
        stacked, losses = together(stacked, sequences, firsts_MxKxB.swapaxes(0, 1))
        jax.block_until_ready(losses)
        seconds[1].append(time.perf_counter() - start_s)
    return seconds[0][1:], seconds[1][1:]


def here(options: config.Config, arguments: argparse.Namespace) -> None:
    train = options.train
    steps = arguments.epochs * train.dispatches_per_epoch
    print("| trials | one after another, windows/s | together | ratio | trials an hour | together |")
    print("|---|---|---|---|---|---|")
    for n_trials in arguments.trials:
        alone, together = time_here(options, n_trials, arguments.rounds)
        windows = n_trials * train.steps_per_dispatch * train.batch_size
        ratio = statistics.median(a / b for a, b in zip(alone, together, strict=True))
        rates = [windows / statistics.median(of) for of in (alone, together)]
        hourly = [3600 * n_trials / (statistics.median(of) * steps) for of in (alone, together)]
        print(
            f"| {n_trials} | {rates[0]:,.0f} | {rates[1]:,.0f} | {ratio:.2f} | {hourly[0]:.1f} "
            f"| {hourly[1]:.1f} |",
            flush=True,
        )


def elsewhere(options: config.Config, arguments: argparse.Namespace) -> None:
    target, devices = find_target(arguments.topology), target_devices(arguments.topology)
    print(f"compiled for {len(devices)} x {target.kind}; nothing was run")
    print("| trials | memory, GB | state, GB | MB a window | FLOP a window | kernels | windows/s at best |")
    print("|---|---|---|---|---|---|---|")
    for n_trials in arguments.trials:
        program = compile_together(options, devices, Data(200_000, 2226), n_trials)
        windows = program.windows
        flops = FORWARD_AND_BACKWARD * sum(window_flops(options).values())
        bound = roofline(target, flops * windows, options.model.compute_dtype, program.cost)
        print(
            f"| {n_trials} | {program.memory_bytes / 1e9:.2f} | {program.kept_bytes / 1e9:.2f} | "
            f"{program.cost.main_memory_bytes / windows / 1e6:.2f} | {flops / 1e6:.0f} M | "
            f"{program.cost.kernels:,.0f} | {windows / bound.seconds:,.0f} ({bound.binds}) |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="experiments/main.py")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--topology")
    arguments, others = parser.parse_known_args()
    if arguments.topology:
        jax.config.update("jax_platforms", "cpu")
    options = parse(["--config", arguments.config, *others])
    print(heading(), "\n")
    (elsewhere if arguments.topology else here)(options, arguments)


if __name__ == "__main__":
    main()
