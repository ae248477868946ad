"""What frozen weights save: windows/s of training, and the memory that its step works in.

    python benchmarks/freezing.py --batch_size 32 --rounds 5

One process trains with nothing frozen, with the blocks and with all but the heads frozen, in turn, `--rounds`
times. A rate is the median over rounds (least to most), a ratio the median of it / the rate of nothing frozen
in the same round, so that other work on the machine cancels out. Memory is what XLA allocates beside state
and data ("temp"); moments are the optimizer's.
"""

import argparse
import statistics

import jax
import numpy as np
from contender import Contender, make_ours
from machine import heading, positive

from wt_jax import config
from wt_jax.input_pipeline.windows import make_sequences
from wt_jax.training.train_step import init_state, train_program

FREEZES = {
    "nothing": (),
    "block_*": ("block_*",),
    "projection, block_*": ("projection", "block_*"),
    "all but the heads": ("projection", "block_*", "attention", "norm"),
}
STEPS = 4  # a dispatch


def memory_of(options: config.Config) -> tuple[int, int]:
    """Bytes that a dispatch works in, and those of Adam's moments."""
    devices = jax.local_devices()[:1]
    state = jax.eval_shape(lambda: init_state(options, devices))
    arrays = make_sequences((), options.data.classes, options.labels).arrays(devices[0].platform)
    sequences = {name: jax.ShapeDtypeStruct((36000, *x.shape[1:]), x.dtype) for name, x in arrays.items()}
    firsts = jax.ShapeDtypeStruct((1, STEPS, options.train.batch_size), np.int32)
    compiled = train_program(options, devices).lower(state, sequences, firsts).compile()
    moments = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim)
    return compiled.memory_analysis().temp_size_in_bytes, moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=positive, default=3.0, help="of one way to freeze in one round")
    arguments = parser.parse_args()
    print(heading(), "\n")
    contenders: dict[str, Contender] = {}
    memory: dict[str, tuple[int, int]] = {}
    rates: dict[str, list[float]] = {name: [] for name in FREEZES}
    for name, freeze in FREEZES.items():
        options = config.Config(optimizer=config.Optimizer(freeze=freeze))
        options.train.batch_size, options.train.steps_per_dispatch = arguments.batch_size, STEPS
        memory[name] = memory_of(config.check(options))
        contenders[name] = make_ours(arguments.batch_size, "float32", STEPS, freeze)
        contenders[name].run(STEPS)
    steps = dict.fromkeys(FREEZES, STEPS)
    for i in range(arguments.rounds + 1):  # the first says how many steps a round takes
        for name, contender in contenders.items():
            seconds = contender.run(steps[name])
            rate = steps[name] * arguments.batch_size / seconds
            if i:
                rates[name].append(rate)
            else:
                steps[name] = max(1, round(arguments.seconds * rate / arguments.batch_size / STEPS)) * STEPS
    print("| frozen | windows/s | / nothing frozen | temp, MB | moments, MB |\n|---|---|---|---|---|")
    for name, of_rounds in rates.items():
        ratio = statistics.median(np.divide(of_rounds, rates["nothing"]))
        temp, moments = (n_bytes / 1e6 for n_bytes in memory[name])
        rate = f"{statistics.median(of_rounds):,.0f} ({min(of_rounds):,.0f} to {max(of_rounds):,.0f})"
        print(f"| {name} | {rate} | {ratio:.2f} | {temp:.1f} | {moments:.1f} |")


if __name__ == "__main__":
    main()
