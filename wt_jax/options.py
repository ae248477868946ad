"""Every option of a run: typed, with its default and what it means."""

import dataclasses
import difflib
from collections.abc import Iterator
from typing import Any

from wt_jax.skeleton import CLASSES

# angles: the 25 joint angles. orientation: how the torso and the limbs lie to the vertical. normalised: the
# angles with the window's mean taken off and divided by their spread in it.
INPUTS = ("angles", "orientation", "normalised")


class Section:
    """A group of options that can be assigned until `fix` is called (config_flags assigns overrides)."""

    _fixed = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._fixed:
            raise dataclasses.FrozenInstanceError(
                f"the config is fixed: cannot set {name} after it was checked"
            )
        if name not in {field.name for field in dataclasses.fields(self)}:  # type: ignore[arg-type]
            raise AttributeError(f"unknown key {name}{nearest_key(name, self)}")
        object.__setattr__(self, name, value)

    def fix(self) -> None:
        object.__setattr__(self, "_fixed", True)


@dataclasses.dataclass(unsafe_hash=True)
class Data(Section):
    root: str = "data"  # holds raw/, landmarks/, labels/ (data/README.md)
    recordings: str = (
        ""  # folder of built recordings; "": root/recordings, or in workdir if root is read-only
    )
    classes: tuple[str, ...] = CLASSES  # the order of the classifier's outputs
    window_frames: int = 30  # frames of a window
    window_step: int = 1  # from one of them to the next, at 30 fps: 3 is a window at 10 fps
    inputs: tuple[str, ...] = ("angles",)  # what the model sees of a frame, see wt_jax/inputs.py
    overhang: float = 0.0  # share of a window that may lie beyond a recording's ends
    stride_frames: int = 1  # between training windows of a recording
    eval_stride_frames: int = 15  # between validation and test windows
    positive_ratio: float = 0.2  # share of a batch's windows that contain a repetition start
    balance_sources: bool = False  # True: the sources of a class (manifest.csv) take turns as well
    balance_power: float = (
        0.0  # turns of a class go by its windows to this power: 0 all alike, 1 as they come
    )
    window_split: bool = (
        False  # True: validate on windows of the training recordings, to show what that hides
    )

    @property
    def span_frames(self) -> int:
        """Frames at 30 fps from the start of a window to its end."""
        return self.window_frames * self.window_step

    @property
    def overhang_frames(self) -> int:
        return round(self.overhang * self.span_frames)


@dataclasses.dataclass(unsafe_hash=True)
class Labels(Section):
    kernel: str = "gaussian"  # shape of the soft target around a start: gaussian or lorentzian
    width_frames: float = 4.0  # half width at half height
    rest: bool = True  # no-exercise counts in the segmentation loss, as frames where nothing starts
    propose: bool = False  # True: unknown starts of training recordings are those of the key angle


@dataclasses.dataclass(unsafe_hash=True)
class Augment(Section):
    """Random changes of training windows; 0 and False leave them as they are."""

    mirror: bool = False  # left and right change places in half of the windows
    speed: float = 0.0  # up to exp(this) times faster or slower
    yaw_deg: float = 0.0  # the camera goes around the person, by up to this to either side,
    pitch_deg: float = 0.0  # up and down,
    roll_deg: float = 0.0  # and tilts
    jitter: float = (
        0.0  # landmarks are off by so many torso lengths, some constantly, some from frame to frame
    )
    missing: float = 0.0  # nobody is seen during up to this share of a window

    @property
    def moves_points(self) -> bool:
        return self.mirror or max(self.yaw_deg, self.pitch_deg, self.roll_deg, self.jitter) > 0


@dataclasses.dataclass(unsafe_hash=True)
class Model(Section):
    filters: int = 128
    blocks: int = 8
    kernel_size: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)  # block i uses dilations[i % len(dilations)]
    heads: int = 4
    dropout: float = 0.25
    dense_units: tuple[int, ...] = (128, 64, 32)  # hidden layers of each of the two heads
    causal: bool = False  # True: a frame's convolutions see only earlier frames
    compute_dtype: str = "float32"  # float32 or bfloat16; weights are float32 either way


@dataclasses.dataclass(unsafe_hash=True)
class Loss(Section):
    segmentation_weight: float = 5.0
    focal_gamma: float = 1.0
    focal_alpha: float = 0.5


@dataclasses.dataclass(unsafe_hash=True)
class Optimizer(Section):
    learning_rate: float = 5e-4  # of a batch of 32; a larger one's: `batch_power`
    batch_power: float = 0.25  # learning rate x (train.batch_size / 32) to this: 0 is one for all
    warmup_epochs: float = 0.0  # epochs over which the learning rate rises from 0 to its own
    weight_decay: float = 1e-4  # not on biases and norms
    plateau_factor: float = 0.5  # learning rate x this ...
    plateau_patience: int = 10  # ... after so many epochs without a better validation segmentation loss
    minimum_learning_rate: float = 1e-6


@dataclasses.dataclass(unsafe_hash=True)
class Train(Section):
    epochs: int = 250
    batch_size: int = 32  # of all devices and processes together
    patience: int = 20  # epochs without a better validation segmentation loss before the run stops
    windows_per_epoch: int = 8192
    steps_per_dispatch: int = 8  # training steps in one call to the device
    select: str = "best"  # epoch to serve: best by validation segmentation loss, or last (no early stop)
    average: float = 0.0  # > 0: serve a moving average of the weights that keeps this share at each step
    accumulate: int = 0  # parts in which a batch goes through a device; 0: on CPU of some 32 windows, else 1
    eval_batch_size: int = 0  # windows of a validation batch; 0: 64 of each CPU, 512 of each other device


@dataclasses.dataclass(unsafe_hash=True)
class Config(Section):
    workdir: str = "checkpoints/main"
    seed: int = 0
    overwrite: bool = False  # True: delete what workdir holds and start over
    data: Data = dataclasses.field(default_factory=Data)
    labels: Labels = dataclasses.field(default_factory=Labels)
    augment: Augment = dataclasses.field(default_factory=Augment)
    model: Model = dataclasses.field(default_factory=Model)
    loss: Loss = dataclasses.field(default_factory=Loss)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    train: Train = dataclasses.field(default_factory=Train)


def all_keys(config: Any, prefix: str = "") -> Iterator[str]:
    """ "train.batch_size" and all the others."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        yield from (
            all_keys(value, f"{prefix}{field.name}.")
            if isinstance(value, Section)
            else (prefix + field.name,)
        )


def nearest_key(key: str, config: Any) -> str:
    """What to say of an unknown key: the nearest one, or all of them."""
    keys = list(all_keys(config))
    leaf = {known.rsplit(".", 1)[-1]: known for known in keys}
    near = difflib.get_close_matches(key, keys, 1, 0.62)
    near = near or [leaf[name] for name in difflib.get_close_matches(key.rsplit(".", 1)[-1], leaf, 1, 0.62)]
    return f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(keys)}"
