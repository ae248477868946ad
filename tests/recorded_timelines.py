"""What Python says of recordings, step by step, for the page's JavaScript to say again: exporting/page."""

import dataclasses
import itertools
import json

import jax
import numpy as np
from clips import SHARED

from wt_jax.counting.doubt import Doubt
from wt_jax.counting.prediction import read_timeline
from wt_jax.counting.settings import Counting
from wt_jax.counting.taught_motion import TaughtMotion, taught_motion, uprightness
from wt_jax.counting.timeline import Timeline
from wt_jax.data.synthetic_recordings import make_recordings
from wt_jax.exporting.model_card import model_card
from wt_jax.inference import sliding_window
from wt_jax.inference.pretrained import PRETRAINED
from wt_jax.inference.restore import restore_model
from wt_jax.inference.sliding_window import Frames
from wt_jax.inference.streaming import Stream
from wt_jax.pose.joint_angles import pose_sequence
from wt_jax.pose.landmarks import load_landmarks
from wt_jax.skeleton import CLASSES

CORPUS = SHARED / "corpus" / "landmarks"
_LONGEST_FRAMES = 1800  # of a recording looked at: a minute


def pretrained_card(folder):
    """model.json of the checkpoint in the box, and a model.onnx that is none."""
    file = folder / "model.onnx"
    file.write_bytes(b"")
    return model_card(restore_model(PRETRAINED, jax.local_devices()[:1]), file, None)


def poses(count):
    """(name, frames at 30 a second): of people where the corpus is beside the checkout, or synthetic ones."""
    if CORPUS.is_dir():
        paths = sorted(CORPUS.glob("*/*.npz"))
        for path in paths[:: len(paths) // count][:count]:
            found = load_landmarks(path)
            arrays = pose_sequence(found.landmarks_FxLx4, found.times_s, found.width_px, found.height_px)
            yield path.stem, Frames(*(array[:_LONGEST_FRAMES] for array in arrays))
    else:
        for made in itertools.islice(make_recordings(CLASSES, seed=7, people=8), count):
            yield made.name, Frames(made.angles_FxJ, made.points_FxLx3, made.valid_F)


def record(predictor, named_poses):
    """One document a recording: poses, windows' outputs, the timeline and the prediction made of them."""
    for name, pose in named_poses:
        windows = []
        timeline = _timeline(predictor, pose, windows)
        prediction = read_timeline(timeline, predictor.counting, 0.0)
        yield {
            "name": name,
            "angles": _plain(pose.angles_FxJ),
            "upright": _plain(timeline.upright_F),
            "valid": _plain(pose.valid_F),
            "windows": windows,
            "signal": _plain(timeline.signal_F),
            "probabilities": _plain(timeline.probabilities_FxC.T),
            "prediction": prediction.document(),
        }


def invent(count):
    """Timelines of nobody, with all that may be in one, each read by rules of its own."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        timeline = _invented(rng)
        counting = _rules(rng, timeline)
        yield {
            "name": f"invented {seed}",
            "counting": counting.values(),
            "angles": _plain(timeline.angles_FxJ),
            **({} if timeline.upright_F is None else {"upright": _plain(timeline.upright_F)}),
            "valid": _plain(timeline.valid_F),
            "signal": _plain(timeline.signal_F),
            "probabilities": _plain(timeline.probabilities_FxC.T),
            "prediction": read_timeline(timeline, counting, 2.5).document(),
        }


def _invented(rng):
    n_frames = int(rng.integers(1, 900))
    frames = np.arange(n_frames)
    edges = np.cumsum(rng.integers(10, 200, 1 + n_frames // 10))  # of what is done
    doing = rng.integers(0, len(CLASSES), len(edges))[np.searchsorted(edges, frames, side="right")]
    sureness_F = rng.uniform(0.2, 1, len(edges))[np.searchsorted(edges, frames, side="right")]
    probabilities = np.full((n_frames, len(CLASSES)), 0.2) * (1 - sureness_F[:, None])
    probabilities[frames, doing] += sureness_F
    starts = np.cumsum(rng.integers(4, 60, 1 + n_frames // 4))
    heights = rng.choice([0.04, 0.2, 0.24, 0.5, 1], len(starts)) * rng.uniform(0.99, 1, len(starts))
    bumps = np.exp(-(((frames[:, None] - starts) / 3) ** 2)) * heights
    valid = np.ones(n_frames, bool)
    for first in rng.integers(0, n_frames, 3):
        valid[first : first + int(rng.integers(1, 20))] = False
    rates = rng.choice([0.05, 0.15, 0.2], 25) * (1 + 0.1 * rng.random(25))
    angles = 0.7 + 0.25 * np.sin(frames[:, None] * rates + rng.uniform(0, 6, 25))
    return Timeline(
        CLASSES,
        np.where(valid[:, None], probabilities, 0).astype(np.float32),
        np.where(valid, np.clip(bumps.sum(1), 0, 1), 0).astype(np.float32),
        valid,
        np.where(valid[:, None], angles, 0).astype(np.float32),
        np.cos(frames / 300 + rng.uniform(0, 6)) if rng.random() < 0.8 else None,
    )


def _motions(rng, timeline, name):
    """Of two clips, one moved as the timeline is somewhere."""
    first = int(rng.integers(0, len(timeline.valid_F)))
    at = slice(first, first + 200)
    upright_F = None if timeline.upright_F is None else timeline.upright_F[at]
    own = taught_motion(name, timeline.angles_FxJ[at], timeline.valid_F[at], upright_F)
    other = TaughtMotion(name, tuple(rng.dirichlet([0.3] * 8) ** 0.5), float(rng.uniform(0.1, 0.5)), 0.0)
    return [dataclasses.replace(own, swing=own.swing * float(rng.choice([0.5, 1, 3]))), other]


def _rules(rng, timeline):
    taught = tuple(str(name) for name in rng.choice(CLASSES[:4], int(rng.integers(0, 3)), replace=False))
    moved = [name for name in taught if rng.random() < 0.7]
    return Counting(
        peak_height=float(rng.choice([0.03, 0.1])),
        relative_height=float(rng.choice([0.2, 0.5])),
        min_distance_frames=int(rng.integers(0, 20)),
        smoothing_frames=float(rng.choice([0, 2, 4])),
        class_threshold=float(rng.choice([0.2, 0.45])),
        class_smoothing_frames=float(rng.choice([0, 10, 40])),
        min_segment_frames=int(rng.choice([1, 30, 90])),
        doubt=Doubt(float(rng.uniform(0.5, 2)), float(rng.uniform(-1, 1)), float(rng.uniform(1, 3))),
        taught=taught,
        taught_threshold=float(rng.choice([0.2, 0.3])),
        motions=tuple(one for name in moved for one in _motions(rng, timeline, name)),
    )


def _timeline(predictor, pose, windows):
    class Recorder(sliding_window.Merge):
        def add(self, firsts_N, probabilities_NxC, starts_NxT):
            rows = zip(firsts_N, probabilities_NxC, starts_NxT, strict=True)
            windows.extend(
                {"first": int(first), "probabilities": _plain(p), "starts": _plain(s)} for first, p, s in rows
            )
            super().add(firsts_N, probabilities_NxC, starts_NxT)

    plain, sliding_window.Merge = sliding_window.Merge, Recorder
    try:
        return predictor._timelines(predictor.params, [pose])[0]
    finally:
        sliding_window.Merge = plain


def sequence(landmarks_FxLx4, times_s, width_px, height_px):
    """Landmarks at some times, and what `pose_sequence` makes of them."""
    angles, points, valid = pose_sequence(landmarks_FxLx4, times_s, width_px, height_px)
    return {
        **_video(landmarks_FxLx4, times_s, width_px, height_px),
        "angles": _plain(angles),
        "points": _plain(points.reshape(len(points), -1)),
        "upright": _plain(uprightness(points)),
        "valid": _plain(valid),
    }


def stream(predictor, landmarks_FxLx4, times_s, width_px, height_px):
    """The same as it comes: the windows in the order asked for, and what is said after each frame."""
    windows, states = [], []
    plain = predictor.infer_one

    def infer(params, window):
        outputs = plain(params, window)
        probabilities, starts = (_plain(output[0]) for output in outputs)
        mask = _plain(window["mask_BxT"][0])
        windows.append({"mask": mask, "probabilities": probabilities, "starts": starts})
        return outputs

    predictor.infer_one = infer
    try:
        live = Stream(predictor, width_px, height_px)
        for landmarks_Lx4, time_s in zip(landmarks_FxLx4, times_s, strict=True):
            state = live.push(landmarks_Lx4, time_s)
            states.append([state.exercise, state.counts, state.unknown, state.undecided is None])
        prediction = live.flush()
    finally:
        predictor.infer_one = plain
    return {
        **_video(landmarks_FxLx4, times_s, width_px, height_px),
        "windows": windows,
        "states": states,
        "prediction": prediction.document(),
    }


def _video(landmarks_FxLx4, times_s, width_px, height_px):
    rows = [None if np.isnan(row).any() else _plain(row[:, :3]) for row in landmarks_FxLx4]
    return {"width_px": width_px, "height_px": height_px, "times_s": _plain(times_s), "landmarks": rows}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def _plain(array):
    return np.asarray(array).tolist()
