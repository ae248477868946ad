"""The files of a data root: of each recording its landmarks and labels, and what fits nowhere."""

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wt_jax.runtime.names import why_unusable
from wt_jax.skeleton import CLASS_NAME, canonical_class, is_class_name
from wt_jax.video.formats import VIDEO_SUFFIXES

LAYOUT = (
    "expected raw/<class>/<video>.mp4 or landmarks/<class>/<video>.npz, and labels/<class>/<video>.csv, see "
    "data/README.md"
)


@dataclass(frozen=True)
class RecordingFiles:
    """Of one recording."""

    landmarks: Path
    labels: Path | None


def name_of(path: Path) -> str:
    """Of the recording that a file in `<folder>/<class>/` belongs to: "push-ups/anna"."""
    return f"{canonical_class(path.parent.name)}/{path.stem}"


def find_files(
    root: Path, classes: Sequence[str], not_extracted: Mapping[Path, str], left_out: list[tuple[Path, str]]
) -> dict[str, RecordingFiles]:
    """Recording name -> its files, sorted by name; what fits nowhere goes to `left_out`."""
    landmarks = _files_by_name(root / "landmarks", (".npz",), classes, left_out)
    labels = _files_by_name(root / "labels", (".csv",), classes, left_out)
    videos = _files_by_name(root / "raw", VIDEO_SUFFIXES, classes, left_out)
    files_of = {}
    for name, paths in sorted(landmarks.items()):
        of_name = labels.get(name, [])
        several = paths if len(paths) > 1 else of_name
        if len(several) > 1:
            names = " and ".join(map(str, several))
            left_out.append((paths[0], f"two files for one video, {names}: remove or rename one"))
        else:
            files_of[name] = RecordingFiles(paths[0], of_name[0] if of_name else None)
    command = f"python -m wt_jax.build_dataset --data {shlex.quote(str(root))}"
    extract = f"no landmarks yet: {command} extracts them"
    for name in sorted(videos.keys() - landmarks.keys()):
        left_out += [(path, not_extracted.get(path, extract)) for path in videos[name]]
    for name in sorted(labels.keys() - landmarks.keys() - videos.keys()):
        reason = "labels without landmarks or a video of that name: rename or remove"
        left_out += [(path, reason) for path in labels[name]]
    return files_of


def _files_by_name(
    folder: Path, suffixes: Sequence[str], classes: Sequence[str], left_out: list[tuple[Path, str]]
) -> dict[str, list[Path]]:
    """Files at `folder/<class>/<video><suffix>` by recording name."""
    files: dict[str, list[Path]] = {}
    for class_folder in sorted(folder.glob("[!.]*")):
        class_name = canonical_class(class_folder.name)
        if not class_folder.is_dir():
            left_out.append((class_folder, f"in no class folder: {LAYOUT}"))
        elif not is_class_name(class_name):
            left_out.append((class_folder, f"no class may be called that: rename it: {CLASS_NAME}"))
        elif class_name not in classes:
            near = difflib.get_close_matches(class_name, classes, 1)
            hint = f"did you mean {near[0]}? or " if near else ""
            left_out.append(
                (class_folder, f"unknown class {class_name!r}: {hint}add it to data.classes (--classes)")
            )
        else:
            for path in sorted(class_folder.glob("[!.]*")):
                if path.suffix.lower() not in suffixes or not path.is_file():
                    left_out.append((path, f"no {' '.join(suffixes)} file: {LAYOUT}"))
                elif reason := why_unusable(path.name):
                    left_out.append((path, reason))
                else:
                    files.setdefault(name_of(path), []).append(path)
    return files
