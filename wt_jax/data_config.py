"""The options of what is trained on: the recordings, what their labels teach, how windows are changed."""

import dataclasses

from wt_jax.options import (
    ANY,
    COUNT,
    FOLDER,
    INSIDE,
    POSITIVE,
    Rule,
    Section,
    at_least,
    in_range,
    is_off,
    one_of,
    option,
)
from wt_jax.skeleton import CLASS_NAME, CLASSES, canonical_class, is_class_name

# angles: the 25 joint angles. orientation: how the torso and the limbs lie to the vertical. lengths: how long
# they are in the image beside each other. normalised: the angles with the window's mean taken off and divided
# by their spread in it.
INPUTS = ("angles", "orientation", "lengths", "normalised")
KERNELS = ("gaussian", "lorentzian")

_CLASSES = Rule(
    lambda v: (
        len(v) >= 2 and all(map(is_class_name, v)) and len({canonical_class(name) for name in v}) == len(v)
    ),
    f"must be two or more different folder names, each of {CLASS_NAME}",
)
_INPUTS = Rule(
    lambda v: "angles" in v and set(v) <= set(INPUTS) and len(set(v)) == len(v),
    f"must hold angles, and of {', '.join(INPUTS)} each once at most",
)


@dataclasses.dataclass(unsafe_hash=True)
class Data(Section):
    """Which recordings, and which windows of them."""

    root: str = option(
        "data", FOLDER,
        "your data: holds raw/, landmarks/, labels/ (data/README.md); synthetic: synthetic people alone",
        is_place=True,
    )  # fmt: skip
    recordings: str = option(
        "", ANY, "folder of built recordings; empty: root/recordings, or in workdir if root is read-only",
        is_place=True,
    )  # fmt: skip
    classes: tuple[str, ...] = option(
        CLASSES, _CLASSES, "in the order of the classifier's outputs; one more is one more class everywhere"
    )  # fmt: skip
    synthetic: float = option(
        0.0, in_range(0, 0.95),
        "share of the training windows that are of synthetic people, beside the data's own; never in "
        "validation or test",
    )  # fmt: skip
    synthetic_people: int = option(
        48, at_least(3), "synthetic people, each once in each exercise, three times in no-exercise"
    )
    mocap: str = option(
        "", ANY, "folder of motion capture that is filmed like the synthetic people (data/README.md)",
        is_place=True,
    )  # fmt: skip
    max_minutes: float = option(
        240.0, POSITIVE,
        "longest recording; a longer one is left out, and so is one of more frames than 60 a second make in "
        "that time", may_change=True,
    )  # fmt: skip
    resident: str = option(
        "auto", one_of("auto", "true", "false"),
        "frames whole on each device; false: in files; auto: in files where they take more than a quarter of "
        "the memory", may_change=True,
    )  # fmt: skip
    window_frames: int = option(30, at_least(2), "frames of a window")
    window_step: int = option(
        1, COUNT, "frames at 30 a second from one of a window to the next: 3 is a window at 10 a second"
    )
    inputs: tuple[str, ...] = option(
        ("angles",), _INPUTS,
        "what the model sees of a frame: angles, orientation, lengths, normalised "
        "(wt_jax/input_pipeline/features.py)",
    )  # fmt: skip
    overhang: float = option(
        0.0, in_range(0, 0.5), "share of a window that may lie beyond a recording's ends"
    )
    stride_frames: int = option(1, COUNT, "distance between the training windows of a recording")
    eval_stride_frames: int = option(15, COUNT, "distance between validation and test windows")
    positive_ratio: float = option(0.2, INSIDE, "share of a batch's windows that contain a repetition start")
    balance_sources: bool = option(
        False, ANY, "the sources of a class (manifest.csv) are drawn from alike as well"
    )
    balance_power: float = option(
        0.0, in_range(0, 1), "a class is drawn by its windows to this power: 0 all alike, 1 as they come"
    )  # fmt: skip
    window_split: bool = option(
        False, ANY, "validate on windows of the training recordings, to show what that hides"
    )

    @property
    def span_frames(self) -> int:
        """Frames at 30 fps from the start of a window to its end."""
        return self.window_frames * self.window_step

    @property
    def overhang_frames(self) -> int:
        """Frames at 30 fps of a window that may lie beyond a recording's ends."""
        return round(self.overhang * self.span_frames)


@dataclasses.dataclass(unsafe_hash=True)
class Labels(Section):
    """What the repetition head is taught."""

    kernel: str = option("gaussian", one_of(*KERNELS), "shape of the soft target around a start")
    width_frames: float = option(4.0, POSITIVE, "half width of the soft target at half height")
    rest: bool = option(
        True, ANY, "no-exercise counts in the segmentation loss, as frames where nothing starts"
    )
    propose: bool = option(False, ANY, "take unknown starts of training recordings from the key angle")


@dataclasses.dataclass(unsafe_hash=True)
class Augment(Section):
    """Random changes of training windows; 0 and False leave them as they are."""

    mirror: bool = option(False, ANY, "left and right change places in half of the windows")
    speed: float = option(
        0.0, in_range(0, 1, ": exp(1) is 2.7 times as fast"), "up to exp(this) times faster or slower"
    )  # fmt: skip
    yaw_deg: float = option(
        0.0, in_range(0, 180, " degrees"), "the camera goes around the person, by up to this to either side"
    )
    pitch_deg: float = option(0.0, in_range(0, 180, " degrees"), "the camera goes up and down, by up to this")
    roll_deg: float = option(0.0, in_range(0, 180, " degrees"), "the camera tilts, by up to this")
    jitter: float = option(
        0.0, in_range(0, 1, " torso lengths"),
        "landmarks are off by so many torso lengths, some constantly, some from frame to frame",
    )  # fmt: skip
    missing: float = option(0.0, in_range(0, 0.9), "nobody is seen during up to this share of a window")

    @property
    def moves_points(self) -> bool:
        """Whether it changes landmarks, so that angles alone do not do."""
        return self.mirror or not all(map(is_off, (self.yaw_deg, self.pitch_deg, self.roll_deg, self.jitter)))
