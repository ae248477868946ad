"""Landmarks of videos and landmark files: read, taken from the cache, or found, and then kept there."""

from pathlib import Path

from wt_jax.pose.estimator import PoseEstimator
from wt_jax.pose.extraction import extract_with_remark, find_provenance
from wt_jax.pose.landmark_cache import LandmarkCache
from wt_jax.pose.landmarks import Landmarks, is_video, load_landmarks
from wt_jax.runtime.printable import tell
from wt_jax.runtime.progress import Progress


class WrongModelError(ValueError):
    """No pose of any video can be found with this model."""


class Poses:
    """Landmarks of videos and landmark files: read, taken from the cache, or found, and then kept there."""

    def __init__(self, model: Path | None, cache: LandmarkCache | None):
        self._model, self._cache = model, cache
        self._is_model_checked = False

    def look_at(self, source: Path) -> tuple[Landmarks, str]:
        """Landmarks of a video or a landmark file, and what is odd about it.

        Raises ValueError for one that cannot be used, and WrongModelError.
        """
        if not is_video(source):
            return load_landmarks(source), ""
        assert self._model is not None
        provenance = find_provenance(source, self._model)
        if self._cache and (known := self._cache.load(provenance)):
            tell(f"poses of {source} taken from {self._cache.path(provenance)}")
            return known
        self._check_model()
        with Progress(f"finding poses in {source.name}", "frames") as bar:
            landmarks, remark = extract_with_remark(source, self._model, bar.update, provenance)
        if self._cache:
            try:
                self._cache.save(provenance, landmarks, remark)
            except OSError as error:
                tell(f"note: poses of {source} not kept for another time: {error}")
        return landmarks, remark

    def _check_model(self) -> None:
        """A wrong file is one error, not one for each video; none where no pose is to be found."""
        if not self._is_model_checked:
            assert self._model is not None
            try:
                PoseEstimator(self._model).close()
            except ValueError as error:
                raise WrongModelError(str(error)) from error
            self._is_model_checked = True
