"""AdamW, and what validation decides once an epoch: the learning rate and when to stop."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from wt_jax import config
from wt_jax.options import is_off

_REFERENCE_BATCH = 32  # the batch that optimizer.learning_rate is meant for


def learning_rate(options: config.Config) -> float:
    """That of `train.batch_size`: a mean over more windows is less noisy and bears longer steps.

    A power of 0.5 suits Adam once noise is all that limits it (Malladi et al. 2022, On the SDEs and scaling
    rules for adaptive gradient algorithms); the default is what reached the loss of batch 32 on real people
    in as many epochs (benchmarks/RESULTS.md).
    """
    ratio = max(options.train.batch_size / _REFERENCE_BATCH, 1)
    return options.optimizer.learning_rate * ratio**options.optimizer.batch_power


def warmup_share(options: config.Config, step: jax.Array) -> jax.Array | float:
    """Of the learning rate, in this step of the run: rises to 1 over `optimizer.warmup_epochs`."""
    if is_off(options.optimizer.warmup_epochs):
        return 1.0
    n_steps = options.optimizer.warmup_epochs * options.train.windows_per_epoch / options.train.batch_size
    return jnp.minimum((step + 1) / jnp.maximum(n_steps, 1), 1)


def make_optimizer(
    options: config.Config, phases: Any = None, phase: int = 0
) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter 2019) with decay on kernels alone, not on biases and norms.

    The learning rate is an input, kept in the optimizer state: `set_learning_rate`. With `phases`
    (`freezing.find_phases`) one for all that thaws together, whose counts begin there; until then its state
    stays as it is. The state has the same structure in every phase; of what never thaws it holds nothing.
    """

    def on_kernels(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)

    adamw = optax.inject_hyperparams(optax.adamw, static_args=("mask",))(
        learning_rate=learning_rate(options), weight_decay=options.optimizer.weight_decay, mask=on_kernels
    )
    if phases is None:
        return adamw
    waiting = optax.GradientTransformation(adamw.init, lambda updates, state, _=None: (updates, state))
    firsts = set(jax.tree.leaves(phases))
    of_each = {str(first): adamw if first <= phase else waiting for first in firsts if first < math.inf}
    return optax.multi_transform(of_each | {str(math.inf): optax.identity()}, jax.tree.map(str, phases))


def set_learning_rate(opt_state: Any, learning_rate: Any) -> Any:
    """The optimizer state with another learning rate, of stacked trials one of each, of the same type and
    placement."""

    def with_rate(path: Any, old: Any) -> Any:
        if path[-1] != jax.tree_util.DictKey("learning_rate"):
            return old
        return jax.device_put(jax.numpy.asarray(learning_rate, old.dtype), old.sharding)

    return jax.tree_util.tree_map_with_path(with_rate, opt_state)


@dataclasses.dataclass
class Monitor:
    """Plateau scaling and early stop by the validation segmentation loss; part of every checkpoint."""

    learning_rate: float
    best: float = math.inf
    epochs_since_best: int = 0
    epochs_since_change: int = 0  # since the best, or the last change of the learning rate

    def update(self, loss: float, options: config.Optimizer) -> bool:
        """Takes an epoch's validation segmentation loss; returns whether it is the best so far."""
        if loss < self.best:
            self.best, self.epochs_since_best, self.epochs_since_change = loss, 0, 0
            return True
        self.epochs_since_best += 1
        self.epochs_since_change += 1
        if self.epochs_since_change >= options.plateau_patience:
            self.epochs_since_change = 0
            self.learning_rate = max(
                self.learning_rate * options.plateau_factor,
                min(self.learning_rate, options.minimum_learning_rate),
            )
        return False

    def should_stop(self, patience: int) -> bool:
        """Whether so many epochs have brought nothing better."""
        return self.epochs_since_best >= patience

    def is_over(self, n_epochs: int, train: config.Train) -> bool:
        """Whether a run of so many epochs has come to its end: the last epoch, or the early stop."""
        return n_epochs >= train.epochs or (train.select == "best" and self.should_stop(train.patience))
