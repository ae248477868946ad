"""The options of a run: of each its default, what is allowed and what it means. Checked once, then fixed."""

import dataclasses
from typing import Any

from wt_jax.data_config import Augment, Data, Labels
from wt_jax.options import (
    ANY,
    COUNT,
    COUNTS,
    FOLDER,
    INSIDE,
    NOT_NEGATIVE,
    POSITIVE,
    Rule,
    Section,
    all_options,
    in_range,
    nearest_key,
    one_of,
    option,
)
from wt_jax.skeleton import NO_EXERCISE, canonical_class

_SEED = Rule(lambda v: 0 <= v < 2**32, "must be in [0, 2**32)")


@dataclasses.dataclass(unsafe_hash=True)
class Model(Section):
    """The network."""

    filters: int = option(128, COUNT, "channels of every convolution")
    blocks: int = option(8, COUNT, "residual blocks of two convolutions")
    kernel_size: int = option(
        3, Rule(lambda v: v >= 1 and v % 2 == 1, "must be odd: a centred kernel has a middle"),
        "taps of a convolution",
    )  # fmt: skip
    dilations: tuple[int, ...] = option(
        (1, 2, 4, 8, 16, 32, 64, 128), COUNTS, "block i uses dilations[i % len(dilations)]"
    )
    heads: int = option(4, COUNT, "of the self-attention; must divide filters")
    dropout: float = option(0.25, in_range(0, 0.9), "after each convolution")
    dense_units: tuple[int, ...] = option((128, 64, 32), COUNTS, "hidden layers of each of the two heads")
    causal: bool = option(False, ANY, "a frame sees only earlier frames")
    kernel: str = option(
        "xla", one_of("xla", "pallas"), "pallas: on accelerators our own kernels, unmeasured", may_change=True
    )
    compute_dtype: str = option(
        "float32", one_of("float32", "bfloat16"), "bfloat16 for GPUs and TPUs; weights are float32 either way"
    )  # fmt: skip


@dataclasses.dataclass(unsafe_hash=True)
class Loss(Section):
    """Focal loss on the class + segmentation_weight x binary cross-entropy on the frames."""

    segmentation_weight: float = option(5.0, NOT_NEGATIVE, "of the repetition loss beside the class loss")
    focal_gamma: float = option(1.0, NOT_NEGATIVE, "how much less sure windows weigh; 0: cross-entropy")
    focal_alpha: float = option(0.5, POSITIVE, "factor of the class loss")


@dataclasses.dataclass(unsafe_hash=True)
class Optimizer(Section):
    """AdamW and its learning rate."""

    learning_rate: float = option(5e-4, POSITIVE, "of a batch of 32; a larger one's: batch_power")
    batch_power: float = option(
        0.25, in_range(0, 1), "learning rate x (train.batch_size / 32) to this power: 0 is one for all"
    )
    warmup_epochs: float = option(
        0.0, NOT_NEGATIVE, "epochs over which the learning rate rises from 0; 1 is good for batches above 256"
    )
    weight_decay: float = option(1e-4, NOT_NEGATIVE, "not on biases and norms")
    plateau_factor: float = option(0.5, INSIDE, "factor of the learning rate on a plateau: plateau_patience")
    plateau_patience: int = option(
        10, COUNT, "epochs without a better validation segmentation loss that make a plateau"
    )
    minimum_learning_rate: float = option(1e-6, NOT_NEGATIVE, "below which a plateau does not bring it")
    freeze: tuple[str, ...] = option(
        (), ANY, "modules that stay as they are, like \"('projection', 'block_*', 'block_0/conv_0')\""
    )
    unfreeze_epochs: int = option(
        0, NOT_NEGATIVE, "after every so many epochs the topmost of what is frozen thaws; 0: nothing does"
    )
    layer_decay: float = option(
        1.0, Rule(lambda v: 0 < v <= 1, "must be in (0, 1]"),
        "the learning rate is x this for every step below the heads: attention, the last block, ...",
    )  # fmt: skip


@dataclasses.dataclass(unsafe_hash=True)
class Train(Section):
    """How long, in which batches, and which epoch is served."""

    epochs: int = option(250, COUNT, "epochs at most; may be raised to train on", may_change=True)
    batch_size: int = option(32, COUNT, "windows of a batch, on all devices and processes together")
    patience: int = option(
        20, COUNT, "epochs without a better validation segmentation loss before the run stops"
    )
    windows_per_epoch: int = option(8192, COUNT, "windows that count as an epoch")
    steps_per_dispatch: int = option(8, COUNT, "training steps in one call to the device")
    save_minutes: float = option(
        5.0, POSITIVE, "a longer epoch is saved inside, each time so much has passed since the last save",
        may_change=True,
    )  # fmt: skip
    select: str = option(
        "best", one_of("best", "last"),
        "epoch to serve: best by validation segmentation loss, or last, without an early stop",
    )  # fmt: skip
    average: float = option(
        0.0, Rule(lambda v: 0 <= v < 1, "must be in [0, 1)"),
        "above 0: serve a moving average of the weights that keeps this share at each step "
        "(0.995: over some 200 steps)",
    )  # fmt: skip
    init: str = option(
        "", ANY, "workdir whose weights to start from, or pretrained, the checkpoint in the box; empty: drawn"
    )
    accumulate: int = option(
        0, NOT_NEGATIVE, "parts in which a batch goes through a device: the same result with less memory; "
        "0 is the fastest for the device", may_change=True,
    )  # fmt: skip
    eval_batch_size: int = option(
        0, NOT_NEGATIVE, "windows of a validation batch; 0: 64 of each CPU, 512 of each other device",
        may_change=True,
    )  # fmt: skip

    @property
    def dispatches_per_epoch(self) -> int:
        """Calls to the device that make an epoch, one at least."""
        return max(1, round(self.windows_per_epoch / (self.batch_size * self.steps_per_dispatch)))


@dataclasses.dataclass(unsafe_hash=True)
class Config(Section):
    """A run."""

    workdir: str = option("checkpoints/main", FOLDER, "where checkpoints and history go", is_place=True)
    seed: int = option(0, _SEED, "of all random numbers")
    overwrite: bool = option(False, ANY, "delete what workdir holds and start over", may_change=True)
    strict_resume: bool = option(
        False, ANY, "stop where a checkpoint is damaged; False goes on from the newest that is whole",
        may_change=True,
    )  # fmt: skip
    data: Data = dataclasses.field(default_factory=Data)
    labels: Labels = dataclasses.field(default_factory=Labels)
    augment: Augment = dataclasses.field(default_factory=Augment)
    model: Model = dataclasses.field(default_factory=Model)
    loss: Loss = dataclasses.field(default_factory=Loss)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    train: Train = dataclasses.field(default_factory=Train)


def flatten(config: Config) -> dict[str, Any]:
    """All options as {"train.batch_size": 32, ...}."""
    return {option.key: option.default for option in all_options(config)}


def unflatten(flat: dict[str, Any]) -> Config:
    """The checked config of `flatten`'s dict (lists become tuples, so that JSON can lie between).

    Raises ValueError for unknown keys and bad values.
    """
    config = Config()
    known = flatten(config)
    for key, value in flat.items():
        if key not in known:
            raise ValueError(f"unknown key {key}{nearest_key(key, config)}")
        *sections, name = key.split(".")
        section: Any = config
        for part in sections:
            section = getattr(section, part)
        setattr(section, name, value)
    return check(config)


def check(config: Config) -> Config:
    """Checks every value, normalises class names and fixes the config; returns it.

    Raises ValueError naming the key, its value and what is allowed.
    """
    if not isinstance(config, Config):
        raise ValueError(f"get_config() must return a wt_jax.config.Config, not {type(config).__name__}")
    config.check()
    data, model, train = config.data, config.model, config.train
    if model.filters % model.heads:
        raise ValueError(f"model.heads={model.heads}: must divide model.filters={model.filters}")
    if train.accumulate and train.batch_size % train.accumulate:
        raise ValueError(
            f"train.accumulate={train.accumulate}: must divide train.batch_size={train.batch_size}"
        )
    if config.optimizer.unfreeze_epochs and not config.optimizer.freeze:
        raise ValueError(
            f"optimizer.unfreeze_epochs={config.optimizer.unfreeze_epochs}: nothing is frozen that could "
            "thaw: set optimizer.freeze"
        )
    if all(canonical_class(name) == NO_EXERCISE for name in data.classes):
        raise ValueError(f"data.classes={data.classes!r}: must hold an exercise")
    if data.mocap and not data.synthetic and data.root != "synthetic":
        raise ValueError(f"data.mocap={data.mocap}: goes with synthetic people: set data.synthetic above 0")
    data.classes = tuple(canonical_class(name) for name in data.classes)
    config.fix()
    return config
