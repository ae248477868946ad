"""What Python says of recordings, step by step, for the page's JavaScript to say again: exporting/page."""

import itertools
import json

import numpy as np
from clips import SHARED

from wt_jax.counting.prediction import read_timeline
from wt_jax.data.synthetic_recordings import make_recordings
from wt_jax.inference import sliding_window
from wt_jax.inference.sliding_window import Frames
from wt_jax.inference.streaming import Stream
from wt_jax.pose.joint_angles import pose_sequence
from wt_jax.pose.landmarks import load_landmarks

CORPUS = SHARED / "corpus" / "landmarks"
_LONGEST_FRAMES = 1800  # of a recording looked at: a minute


def poses(count):
    """(name, frames at 30 a second): of people where the corpus is beside the checkout, or synthetic ones."""
    if CORPUS.is_dir():
        paths = sorted(CORPUS.glob("*/*.npz"))
        for path in paths[:: len(paths) // count][:count]:
            found = load_landmarks(path)
            arrays = pose_sequence(found.landmarks_FxLx4, found.times_s, found.width_px, found.height_px)
            yield path.stem, Frames(*(array[:_LONGEST_FRAMES] for array in arrays))
    else:
        classes = ("push-ups", "squats", "pull-ups", "dips", "no-exercise")
        for made in itertools.islice(make_recordings(classes, seed=7, people=8), count):
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
            "valid": _plain(pose.valid_F),
            "windows": windows,
            "signal": _plain(timeline.signal_F),
            "probabilities": _plain(timeline.probabilities_FxC.T),
            "prediction": prediction.document(),
        }


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
