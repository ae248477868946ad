"""An exported model as a checkpoint: model.onnx, and the model.json beside it, asked through ONNX Runtime."""

import dataclasses
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wt_jax import config
from wt_jax.counting.settings import Counting
from wt_jax.inference.sliding_window import Infer
from wt_jax.runtime.files import read_json, sha256
from wt_jax.runtime.inputs import check_file
from wt_jax.storage.copies import copy_of_file
from wt_jax.storage.places import absolute
from wt_jax.training.step_folder import counting_of

POINTS, MASK = "points", "mask"  # the graph's inputs: points_BxTxLx3 and mask_BxT
PROBABILITIES, STARTS = "class_probabilities", "start_signal"  # and its outputs: (B, C) and (B, T)
CARD, SUFFIX = "model.json", ".onnx"
CARD_VERSION = 1

Run = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # a graph in its own runtime


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """What a `Predictor` needs of it. `infer` takes windows of any number, with landmarks; no parameters."""

    options: config.Config
    infer: Infer
    counting: Counting
    identity: dict[str, Any]


def is_exported(checkpoint: Path | str) -> bool:
    """Whether that is an exported file, not the workdir of a training run."""
    return str(checkpoint).endswith(SUFFIX)


def open_exported(path: Path | str) -> ExportedModel:
    """The model of an ONNX file. Raises ValueError where it, or its card, is missing or not as written."""
    named, path = path, copy_of_file(path, CARD)
    check_file(path, "an exported model")
    card_file = path.with_name(CARD)
    card = read_json(card_file)
    if not isinstance(card, dict) or card.get("version") != CARD_VERSION:
        raise ValueError(f"{card_file}: of no model that this wt_jax exported: python -m wt_jax.export")
    if card.get("file_sha256") != sha256(path):
        raise ValueError(f"{path}: is not the file that {card_file} describes: export both again")
    try:
        span = card["window_frames"] * card["window_step"]
        data = config.Data(
            classes=card["classes"],
            window_frames=card["window_frames"],
            window_step=card["window_step"],
            overhang=card["overhang_frames"] / span,
        )
        written = {"motions": [], **card["counting"]}  # none by an older wt_jax
        thresholds = {field.name: written[field.name] for field in dataclasses.fields(Counting)}
        identity = {
            "checkpoint": absolute(named),
            **{key: card[key] for key in ("step", "data", "data_fingerprint", "classes", "is_calibrated")},
        }
        counting = counting_of(thresholds)
        options = config.check(config.Config(data=data))
    except (KeyError, TypeError, ZeroDivisionError, AttributeError, ValueError) as error:
        raise ValueError(f"{card_file}: not as python -m wt_jax.export writes it ({error!r})") from None
    return ExportedModel(options, _as_infer(run_onnx(path)), counting, identity)


def run_onnx(path: Path) -> Run:
    """The graph of an ONNX file, run by ONNX Runtime. Raises ValueError where either is not there."""
    try:
        import onnxruntime  # an extra
    except ImportError:
        raise ValueError(f"{path}: needs ONNX Runtime: pip install -e '.[onnx]'") from None
    content = path.read_bytes()

    @cache
    def session(threads: int) -> Any:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # MediaPipe needs the cores
        settings.log_severity_level = 3
        return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])

    try:
        session(1)
    except Exception as error:  # its errors have no common type
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: ONNX Runtime cannot read it: {said}") from None
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def run(points_BxTxLx3: np.ndarray, mask_BxT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        alone = len(mask_BxT) == 1  # too little work to share
        inputs = {POINTS: np.asarray(points_BxTxLx3, np.float32), MASK: mask_BxT}
        outputs = [PROBABILITIES, STARTS]
        probabilities_BxC, starts_BxT = session(1 if alone else n_cores).run(outputs, inputs)
        return probabilities_BxC, starts_BxT

    return run


def _as_infer(run: Run) -> Infer:
    """What `sliding_window` asks, of a graph that has its parameters in it."""

    def infer(_: Any, windows: dict[str, np.ndarray]) -> Any:
        return run(windows["points_BxTxLx3"], windows["mask_BxT"])

    return infer
