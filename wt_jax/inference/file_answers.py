"""What `predict` does with one file, here or on a worker of a cluster: it looks, counts, and writes."""

import functools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.sharing import shared_out
from wt_jax.counting.prediction import Prediction
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.results import about_landmarks, write_results
from wt_jax.pose.joint_angles import MAX_GAP_S
from wt_jax.pose.landmark_cache import LandmarkCache
from wt_jax.pose.landmarks import Landmarks, is_video
from wt_jax.pose.model_file import pose_model
from wt_jax.pose.poses import Poses, WrongModelError
from wt_jax.runtime import jax_setup
from wt_jax.storage.on_demand import at_hand, copy_of_inputs
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import url_of

_DIED = "the workers that read it died: a damaged video, or not enough memory"
_LEAST_S = 0.5  # nobody's repetition is shorter
_log = logging.getLogger("wt_jax.predict")


@dataclass(frozen=True)
class Asked:
    """How files are looked at, and what is written of them."""

    checkpoint: str
    pose_model: str | None
    has_videos: bool  # among the files: poses have to be found
    output: Path | str | None  # the place
    writes_video: bool
    keeps_poses: bool

    def make_poses(self) -> Poses:
        """What finds poses. Raises ValueError where there is no pose model and a video needs one."""
        model = pose_model(self.pose_model) if self.has_videos else None
        return Poses(model, LandmarkCache() if self.keeps_poses and model is not None else None)


@dataclass(frozen=True)
class Answer:
    """Of a file: what was found, and what is odd about it; or, without a prediction, why it failed."""

    prediction: Prediction | None
    remark: str


def answer(asked: Asked, predictor: Predictor, poses: Poses, source: Path, name: str) -> Answer:
    """What is in a file; with `asked.output` it is written there as `name`. Raises WrongModelError alone."""
    try:
        with at_hand(source) as file:
            landmarks, remark = poses.look_at(file)
            remark = "; ".join(filter(None, [remark, _why_little_is_said(landmarks)]))
            prediction = predictor.predict(landmarks)
            if asked.output:
                output = outbox_at(asked.output)
                about = about_landmarks(source, landmarks)
                content = prediction.document(about, predictor.identity, remark)
                video = (file, landmarks) if is_video(file) and asked.writes_video else None
                write_results(output.folder / name, content, prediction, video)
                output.send(last=f"{name}.json")
    except WrongModelError:
        raise
    except Exception as error:  # whatever a library makes of a broken video: the others are still done
        _log.debug("%s", source, exc_info=True)
        said = " ".join(str(error).removeprefix(f"{source}: ").split())
        return Answer(None, said or type(error).__name__)
    return Answer(prediction, remark)


def answers_of(cluster: Cluster, asked: Asked, names: Mapping[Path, str]) -> Iterator[Answer]:
    """Of files in their order, each by a worker of the cluster, which finds it under the same name.

    Raises ValueError as `shared_out` does, and what a worker cannot begin with.
    """
    jobs = [(url_of(source) or source, name) for source, name in names.items()]
    there = dict[int, Answer]()
    n_told = 0
    for i, result in shared_out(functools.partial(_answer_there, asked), jobs, cluster):
        there[i] = result or Answer(None, _DIED)
        while n_told in there:
            yield there.pop(n_told)
            n_told += 1


def _answer_there(asked: Asked, job: tuple[Path | str, str]) -> Answer:
    place, name = job
    return answer(asked, *_set_up(asked), copy_of_inputs(place), name)


@functools.cache  # once in the process of a worker
def _set_up(asked: Asked) -> tuple[Predictor, Poses]:
    jax_setup.use_compilation_cache()
    return Predictor.restore(asked.checkpoint), asked.make_poses()


outbox_at = functools.cache(Outbox)  # once for a place: in a bucket it is a connection


def _why_little_is_said(landmarks: Landmarks) -> str:
    times_s, fps = landmarks.times_s, landmarks.fps
    if not landmarks.seen_F.any():
        return "nobody was seen: is the whole person in the picture?"
    if len(times_s) > 1 and np.median(np.diff(times_s)) > MAX_GAP_S:
        return f"{fps:g} frames a second are too few: {1 / MAX_GAP_S:g} are needed at least"
    if (duration_s := times_s[-1] - times_s[0] + 1 / fps) < _LEAST_S:
        return f"{duration_s:.2f} s are too short for a repetition"
    return ""
