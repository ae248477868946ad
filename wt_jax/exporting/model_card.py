"""model.json: all that a client of an exported model has to know, in numbers and in words."""

from pathlib import Path
from typing import Any

import jax

from wt_jax.counting.decoding import LOWEST_HEIGHT
from wt_jax.counting.doubt import SURE
from wt_jax.counting.timeline import SMOOTHING_ENDS
from wt_jax.inference.exported import CARD_VERSION, MASK, POINTS, PROBABILITIES, STARTS
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.inference.sliding_window import EDGE_WEIGHT, stride_frames
from wt_jax.pose.joint_angles import MAX_GAP_S
from wt_jax.runtime.files import sha256
from wt_jax.runtime.version import find_version
from wt_jax.skeleton import ANGLES, FRAME_RATE_HZ, LANDMARKS, N_LANDMARKS, NO_EXERCISE
from wt_jax.training.warm_start import digest_of

_POINTS_ARE = (
    "pixels of the video: x to the right, y downwards, z away from the camera in units of x; the origin "
    "does not matter. The frames of a window are window_step frames of the timeline apart. Where the mask is "
    "false anything may stand."
)
_MASK_IS = "true where somebody is seen in that frame, false beyond the ends of the video and in gaps"
_RESAMPLING = (
    "A video's frames become a timeline at frame_rate_hz: frame k stands at the time of the video's first "
    "frame + k / frame_rate_hz, up to its last one. A frame of the video is usable where all landmarks are "
    "found and no limb of an angle of `angles` has no length. Frame k is interpolated linearly, by time, "
    "between the usable frames at or before and at or after it. It is valid where these are no more than "
    "max_gap_s apart; before the first and after the last usable frame, and in longer gaps, it is not, and "
    "its landmarks do not matter."
)
_MERGE = (
    "Windows begin at frames -overhang_frames, then every stride_frames, and one more ends overhang_frames "
    "after the last frame; a timeline shorter than a window has those from -overhang_frames to "
    "+overhang_frames. What lies beyond the timeline is masked out. In a window of S = window_frames x "
    "window_step frames frame i weighs edge_weight + (1 - edge_weight) x (1 - |(i + 0.5) / S x 2 - 1|). A "
    "window says the same class probabilities of all its S frames; its start signal, one number every "
    "window_step frames, is interpolated linearly between them and held after the last. A frame's value is "
    "the weighted mean over all windows that hold it, and 0 where the frame is not valid."
)
_COUNTING = (
    "1. Smoothing: a Gaussian of this standard deviation in frames, cut off at smoothing_ends standard "
    "deviations (rounded), its weights normalised to a sum of 1, with zeros beyond the ends of the timeline.",
    "2. Class scores: the probabilities (0 where not valid), smoothed by class_smoothing_frames, divided by "
    "the smoothed validity (1 where valid, else 0; at least 1e-6).",
    "3. Segments: a frame is of the exercise with the highest score, of those that reach class_threshold "
    "(taught_threshold for the classes in `taught`), else of the class no_exercise. Runs of one class are "
    "segments. While there is more than one, the shortest (the first of equals), if it has fewer than "
    "min_segment_frames, takes the class of its longer neighbour (the one before, of equals), and joins it.",
    "4. Motion, where `motions` has any: how somebody moves in a segment of no_exercise, or of a class in "
    "`taught`, and how upright, multiplies the odds of each class in `motions` by 30, 1 or 0.2 "
    "(wt_jax/counting/taught_motion.py). A class in `taught` that is less likely by it and does not reach "
    "taught_threshold gives way to no_exercise; that to the most probable of the classes which are likelier "
    "by it and reach taught_threshold. Neighbours of one class join.",
    "5. Candidates: the start signal, smoothed by smoothing_frames, 0 where not valid. Its local maxima (the "
    "middle of a flat one), ends included, of at least lowest_height; of any two nearer than "
    "min_distance_frames the higher stays, the highest decided first.",
    "6. Working height: of the heights of candidates that reach peak_height, the 75th percentile "
    "(linear between ranks) x relative_height, or peak_height, whichever is more. Candidates that reach it "
    "are starts.",
    "7. A start belongs to the segment it lies in, and counts as one repetition of that segment's exercise; "
    "in no_exercise it counts as nothing. (wt_jax then moves it, within its segment, to where the limb "
    "begins to bend, wt_jax/counting/key_angle.py: its time changes, no count does.)",
    "8. For the classes in `taught` starts are not counted: what repeats in their segments is "
    "(wt_jax/counting/principal_motion.py).",
    "9. The whole is named for the exercise with the most valid frames in its segments, or no_exercise "
    "where there is none. With p the mean probability of that class over those frames, by its odds, at "
    "least 0.001 from 0 and 1, its confidence is "
    "1 / (1 + exp(-doubt.class_slope x log(p / (1 - p)) - doubt.class_offset)); "
    "below `sure` it is undecided. A count is doubtful between the numbers of candidates that reach the "
    "working height x doubt.height_factor, and / doubt.height_factor.",
)


def model_card(trained: RestoredModel, file: Path, batch: int | None) -> dict[str, Any]:
    """The content of model.json: of a checkpoint, and the file that takes `batch` windows of it, or any."""
    data, size = trained.options.data, batch or "batch"
    frames, classes = data.window_frames, list(data.classes)
    return {
        "version": CARD_VERSION,
        "name": trained.name,
        "step": trained.step,
        "digest": digest_of(jax.device_get(trained.params)),
        "data": trained.meta["data"],
        "data_fingerprint": trained.meta["fingerprint"],
        "is_calibrated": trained.chosen is not None,
        "wt_jax": find_version(),
        "file": file.name,
        "file_sha256": sha256(file),
        "classes": classes,
        "no_exercise": NO_EXERCISE,
        "landmarks": list(LANDMARKS),
        "angles": {name: list(triplet) for name, triplet in ANGLES.items()},
        "inputs": {
            POINTS: {"shape": [size, frames, N_LANDMARKS, 3], "dtype": "float32", "is": _POINTS_ARE},
            MASK: {"shape": [size, frames], "dtype": "bool", "is": _MASK_IS},
        },
        "outputs": {
            PROBABILITIES: {
                "shape": [size, len(classes)], "dtype": "float32",
                "is": "of the window, in the order of `classes`; their sum is 1",
            },
            STARTS: {
                "shape": [size, frames], "dtype": "float32",
                "is": "of each frame, how surely a repetition starts there, from 0 to 1",
            },
        },
        "frame_rate_hz": FRAME_RATE_HZ,
        "window_frames": frames,
        "window_step": data.window_step,
        "overhang_frames": data.overhang_frames,
        "stride_frames": stride_frames(data.span_frames),
        "merge": {"edge_weight": EDGE_WEIGHT, "rule": _MERGE},
        "resampling": {"frame_rate_hz": FRAME_RATE_HZ, "max_gap_s": MAX_GAP_S, "rule": _RESAMPLING},
        "counting": {
            **trained.counting.values(),
            "lowest_height": LOWEST_HEIGHT,
            "smoothing_ends": SMOOTHING_ENDS,
            "sure": SURE,
            "rule": list(_COUNTING),
        },
    }  # fmt: skip
