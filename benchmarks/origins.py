"""Results apart by who marked the starts: label_origins.csv (`file,origin`) of a data root that has one."""

from collections.abc import Sequence
from pathlib import Path

from wt_jax.data.csv_tables import read_table, recording_name
from wt_jax.evaluation.recording_result import RecordingResult


def by_origin(results: Sequence[RecordingResult], root: Path | str) -> dict[str, list[RecordingResult]]:
    """ "starts marked by eye" and "starts of the source": those of exercises with known repetitions.

    {} where the root has no such file. Angle curves helped to mark by eye, which flatters whatever counts by
    the angle: one mean over both hides that.
    """
    path = Path(root) / "label_origins.csv"
    if not path.exists():
        return {}
    marked = {
        recording_name(cells["file"], where)
        for where, cells in read_table(path, ("file", "origin"))
        if cells["origin"].startswith("marked")
    }
    known = [one for one in results if one.is_exercise and one.n_true is not None]
    return {
        "starts marked by eye": [one for one in known if one.recording.name in marked],
        "starts of the source": [one for one in known if one.recording.name not in marked],
    }
