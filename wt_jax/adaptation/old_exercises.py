"""What a checkpoint knew before: who does it still while something new is learned, and who judges it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wt_jax.data.loading import SYNTHETIC, is_there, load_dataset, synthetic_dataset
from wt_jax.data.recordings import AnyRecording, Recording
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime.files import cache_folder
from wt_jax.skeleton import NO_EXERCISE
from wt_jax.synthetic.motion import REPERTOIRE

_PEOPLE = 400  # of so many synthetic people the last are held back: no checkpoint learns from those


@dataclass(frozen=True)
class OldExercises:
    """Recordings of `root`, or of synthetic people alone where that is SYNTHETIC.

    `taught` are few of exercises that `adapt` has taught before, all to train on. `stood_in` are the splits
    of which the root has nothing to judge by: synthetic people stand in.
    """

    root: str
    recordings: list[AnyRecording]
    taught: tuple[Recording, ...] = ()
    stood_in: tuple[str, ...] = ()

    @property
    def is_of_people(self) -> bool:
        """Whether there is more than synthetic people."""
        return self.root != SYNTHETIC

    @property
    def replayed(self) -> list[AnyRecording]:
        """To train and to validate on, those `taught` first.

        As synthetic people are: their share of the windows (data.synthetic) is of both, so that however much
        there is of the old, the new is not drowned.
        """
        again = [*self.taught, *(one for one in self.recordings if one.split in ("train", "val"))]
        return [replace(one, source=SYNTHETIC) for one in again]

    def without(self, clips: Sequence[Recording]) -> "OldExercises":
        """Without these, and their people: who is to be learned from or left out is nobody else.

        Of those `taught` without these alone: who taught two exercises goes on doing the first, and is left
        out of both (`trial`).
        """
        contents, groups = {one.content for one in clips}, {one.group for one in clips}
        kept = [one for one in self.recordings if one.content not in contents and one.group not in groups]
        taught = tuple(one for one in self.taught if one.content not in contents)
        return replace(self, recordings=kept, taught=taught)

    def judged(self) -> list[Recording]:
        """Those held back."""
        return [one.load() for one in self.recordings if one.split == "test"]

    def unjudged(self, classes: Sequence[str]) -> list[str]:
        """The exercises that nobody held back does."""
        held_back = [one for one in self.recordings if one.split == "test"]
        done = {one.class_name for one in [*held_back, *self.taught]}
        return [name for name in classes if name not in done and name != NO_EXERCISE]

    def kept(self, classes: Sequence[str]) -> list[str]:
        """The classes that synthetic people do, or people of the root."""
        done = {one.class_name for one in self.recordings if one.split == "train"}
        return [name for name in classes if name in done or name in REPERTOIRE or name == NO_EXERCISE]

    def forgotten(self, classes: Sequence[str]) -> list[str]:
        """The classes that nobody does any more while something new is learned."""
        kept = {*self.kept(classes), *(one.class_name for one in self.taught)}
        return [name for name in classes if name not in kept]


def find_old(
    trained: RestoredModel,
    root: str | None,
    clips: Sequence[Recording] = (),
    taught: Sequence[Recording] = (),
) -> OldExercises:
    """The old exercises in a data root, beside those `taught`; without the `clips` and their people.

    None: in the root that it was trained on, if that is still there. Raises ValueError as `load_dataset`.
    """
    own, data = trained.meta["root"], trained.options.data
    if root is None:
        root = own if own and trained.meta["data"] != SYNTHETIC and is_there(own) else SYNTHETIC
    if root == SYNTHETIC:  # those to train on are filmed as the run begins
        recordings = _film(data.classes, clips, ("val", "test"))
    else:
        built, cache = trained.meta["recordings"] if root == own else "", cache_folder() / "recordings"
        recordings = load_dataset(root, built, data.classes, cache, data.max_minutes).recordings
    people = {one.group for one in taught}
    unseen = [
        one
        for one in recordings
        if one.split == "train" or not (one.content in trained.trained_on or one.group in people)
    ]
    old = OldExercises(root, unseen, tuple(taught)).without(clips)
    lacks = tuple(
        split for split in ("val", "test") if not any(_counts(one, split) for one in old.recordings)
    )
    if root == SYNTHETIC or not lacks:
        return old
    made = _film(data.classes, clips, lacks)
    return replace(old, recordings=[*old.recordings, *made], stood_in=lacks)


def _film(classes: Sequence[str], clips: Sequence[Recording], among: Sequence[str]) -> list[AnyRecording]:
    """Synthetic people who do these classes; what the clips show none of them does as no-exercise."""
    done = tuple(dict.fromkeys([*classes, *(one.class_name for one in clips)]))
    made = synthetic_dataset(done, _PEOPLE, among).recordings
    return [one for one in made if one.class_name in classes]


def _counts(one: AnyRecording, split: str) -> bool:
    """Whether it is of the split, and of known repetitions: what there is to validate by, or to judge."""
    return one.split == split and one.starts is not None and bool(len(one.starts))
