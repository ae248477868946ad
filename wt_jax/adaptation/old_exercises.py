"""What a checkpoint knew before: who does it still while something new is learned, and who judges it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wt_jax.data.builder import has_data
from wt_jax.data.loading import SYNTHETIC, load_dataset, synthetic_dataset
from wt_jax.data.recordings import AnyRecording, Recording
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime.files import cache_folder

_PEOPLE = 400  # of so many synthetic people the last are held back: no checkpoint learns from those


@dataclass(frozen=True)
class OldExercises:
    """Recordings of `root`, or of synthetic people alone where that is SYNTHETIC."""

    root: str
    recordings: list[AnyRecording]

    @property
    def is_of_people(self) -> bool:
        """Whether there is more than synthetic people."""
        return self.root != SYNTHETIC

    @property
    def replayed(self) -> list[AnyRecording]:
        """To train and to validate on.

        As synthetic people are: their share of the windows (data.synthetic) is of both, so that however much
        there is of the old, the new is not drowned.
        """
        return [replace(one, source=SYNTHETIC) for one in self.recordings if one.split in ("train", "val")]

    def without(self, clips: Sequence[Recording]) -> "OldExercises":
        """Without these, and their people: who is to be learned from or left out is nobody else."""
        contents, groups = {one.content for one in clips}, {one.group for one in clips}
        kept = [one for one in self.recordings if one.content not in contents and one.group not in groups]
        return replace(self, recordings=kept)

    def judged(self) -> list[Recording]:
        """Those held back."""
        return [one.load() for one in self.recordings if one.split == "test"]


def find_old(trained: RestoredModel, root: str | None) -> OldExercises:
    """The old exercises in a data root; None: in the one it was trained on, if that is still there.

    Raises ValueError as `load_dataset` does.
    """
    own, data = trained.meta["root"], trained.options.data
    if root is None:
        root = own if own and trained.meta["data"] != SYNTHETIC and has_data(own) else SYNTHETIC
    if root == SYNTHETIC:  # those to train on are filmed as the run begins
        dataset = synthetic_dataset(data.classes, _PEOPLE, ("val", "test"))
    else:
        built = trained.meta["recordings"] if root == own else ""
        dataset = load_dataset(root, built, data.classes, cache_folder() / "recordings", data.max_minutes)
    unseen = [
        one for one in dataset.recordings if one.split == "train" or one.content not in trained.trained_on
    ]
    return OldExercises(root, unseen)
