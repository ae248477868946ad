"""The recordings that a checkpoint was taught by, kept in its workdir as taught/<class>/<video>.npz.

There are few, and nobody else does the exercise: without them the next one to be learned takes its place.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from wt_jax.data.recordings import Recording, load_recording, save_recording
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime.printable import tell
from wt_jax.storage.on_demand import NothingThereError, copy_of_inputs

_FOLDER = "taught"


def save_taught(workdir: Path, recordings: Sequence[Recording]) -> None:
    """Writes them. Of two that are called alike the second is called <video>-2, then -3."""
    for recording in recordings:
        names = (recording.name if n == 1 else f"{recording.name}-{n}" for n in count(1))
        name, path = next((name, path) for name in names if not (path := _path(workdir, name)).exists())
        save_recording(path, replace(recording, name=name))


def load_taught(workdir: Path | str, trained: RestoredModel) -> list[Recording]:
    """Those in the workdir of a checkpoint of `adapt`, of all that it and its parents were taught.

    [] of any other. One that cannot be read is told and passed over; what a later run into the same workdir
    did not learn from is none of its.
    """
    recordings = []
    try:
        folder = copy_of_inputs(f"{str(workdir).rstrip('/')}/{_FOLDER}")
    except NothingThereError:
        return []
    for path in sorted(folder.glob("*/[!.]*.npz")):
        try:
            recordings.append(load_recording(path))
        except ValueError as error:
            tell(f"warning: not learned from again: {error}")
    classes = trained.options.data.classes
    return [one for one in recordings if one.content in trained.trained_on and one.class_name in classes]


def _path(workdir: Path, name: str) -> Path:
    return workdir / _FOLDER / f"{name}.npz"
