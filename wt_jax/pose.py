"""The door for videos: which of them still wait for their landmarks."""

from collections.abc import Sequence
from pathlib import Path

from wt_jax.labels import VIDEO_SUFFIXES
from wt_jax.skeleton import canonical_class


def needs_extraction(root: Path | str, classes: Sequence[str]) -> list[Path]:
    """Videos in `root/raw/<class>/` without a landmark file of the same name, sorted."""
    wanted = {canonical_class(name) for name in classes}
    root = Path(root)
    have = {(canonical_class(path.parent.name), path.stem) for path in root.glob("landmarks/*/*.npz")}
    return sorted(
        path
        for path in root.glob("raw/*/*")
        if path.suffix.lower() in VIDEO_SUFFIXES
        and canonical_class(path.parent.name) in wanted
        and (canonical_class(path.parent.name), path.stem) not in have
    )
