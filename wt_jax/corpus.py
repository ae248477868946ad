"""The recordings of a run: those of a data root, built first where need be, or synthetic ones."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from wt_jax.dataset import Report, build, fingerprint, has_data, recordings_folder
from wt_jax.recordings import Recording, load_recordings
from wt_jax.splits import audit
from wt_jax.synthetic import make_recordings

SYNTHETIC = "synthetic"  # what everything written says of data that nobody moved for
_SYNTHETIC_SEED = 0  # fixed, so that a checkpoint is evaluated on the data that it was trained beside


@dataclasses.dataclass(frozen=True)
class Corpus:
    data: str  # the data root, or SYNTHETIC
    recordings: list[Recording]
    fingerprint: str

    def split(self, *splits: str) -> list[Recording]:
        return [recording for recording in self.recordings if recording.split in splits]


def load_corpus(root: str, recordings: str, classes: Sequence[str], fallback: Path) -> Corpus:
    """Recordings of `root`; builds what is missing or changed there.

    Where the root cannot be written and `recordings` is not set, they are kept in `fallback`. A root
    without any data gives the synthetic recordings. Raises ValueError for a root that does not exist
    (the default `data` apart), for data that cannot be used, and for a leaking split.
    """
    if not has_data(root, recordings or None):
        if not Path(root).is_dir() and root != "data":
            raise ValueError(f"data.root={root}: no such folder")
        print(f"data: {SYNTHETIC} (stick figures: nothing under {root}/; data/README.md: how to add yours)")
        made = make_recordings(classes, _SYNTHETIC_SEED)
        return Corpus(SYNTHETIC, made, fingerprint(made))
    folder = recordings_folder(root, recordings, fallback)
    if any(has_files(Path(root) / name) for name in ("landmarks", "raw")):
        report = build(root, folder, classes)
        _tell(report, folder)
        found = report.recordings
    else:
        found = load_recordings(folder, classes)
    if not found:
        raise ValueError(f"{folder}: no recordings of the classes {', '.join(classes)}")
    audit(found)
    print(f"data: {root}")
    return Corpus(str(root), found, fingerprint(found))


def has_files(folder: Path) -> bool:
    return any(folder.glob("*/*"))


def _tell(report: Report, folder: Path) -> None:
    if report.built:
        print(report.table())
        print(f"recordings: {report.built} built, {report.unchanged} unchanged, in {folder}")
    for path, reason in report.left_out[:10]:
        print(f"left out: {path}: {reason}")
    if len(report.left_out) > 10:
        print(f"left out: {len(report.left_out) - 10} more; python -m wt_jax.build_dataset lists all")
