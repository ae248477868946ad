"""Files to look at: videos and landmark files, alone or in folders, each with a name of its own."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from wt_jax.pose.landmarks import LANDMARKS_SUFFIX, is_video, load_landmarks
from wt_jax.runtime.inputs import why_no_file
from wt_jax.runtime.npz import Unreadable, open_npz
from wt_jax.storage.on_demand import NothingThereError, copy_of_inputs
from wt_jax.storage.places import resolved
from wt_jax.storage.reading import stand_in
from wt_jax.video.formats import VIDEO_SUFFIXES

_NOTHING = "no such file or folder"


def find_input_files(
    given: Sequence[Path | str], output: Path | str | None
) -> tuple[list[Path], dict[Path, str]]:
    """Videos and landmark files to look at, each once, in order; and what is wrong with others given.

    A folder stands for all videos in it and below, or, where there are none, for its landmark files. What
    lies in `output`, hidden files and folders, and pipes and devices are left out of folders. Of a bucket
    they are copies, of videos still to be brought `at_hand`. Raises ValueError for one that cannot be read.
    """
    files: dict[Path, Path] = {}
    failed: dict[Path, str] = {}
    for place in given:
        try:
            path = copy_of_inputs(place, videos_later)
        except NothingThereError:
            failed[stand_in(str(place))] = _NOTHING
            continue
        reason = why_no_file(path, "a video or a landmark file")
        found = [path]
        if reason.startswith("a folder"):
            inside = [file for file in sorted(path.rglob("*")) if _is_offered(file, path, output)]
            found = [file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES]
            found = found or [file for file in inside if _holds_landmarks(file)]
            if not found:
                failed[path] = f"a folder without videos ({' '.join(VIDEO_SUFFIXES)}) or landmark files"
                failed[path] += _why_none_of(inside)
        elif reason:
            failed[path] = _NOTHING if reason == "no such file" else reason
            continue
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values()), failed


def videos_later(names: Collection[str]) -> tuple[list[str], list[str]]:
    """Of a folder in a bucket: all its tables, and its videos by name, or else its landmark files."""
    kinds = {name: PurePosixPath(name).suffix.lower() for name in names}
    videos = [name for name in names if kinds[name] in VIDEO_SUFFIXES]
    wanted = (".csv",) if videos else (".csv", LANDMARKS_SUFFIX)
    return [name for name in names if kinds[name] in wanted], videos


def _is_offered(file: Path, folder: Path, output: Path | str | None) -> bool:
    is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    is_result = output is not None and resolved(file).startswith(f"{resolved(output)}/")
    return file.is_file() and not is_hidden and not is_result


def _why_none_of(files: Sequence[Path]) -> str:
    """What is wrong with the first archive among them, "" where there is none."""
    archives = [file for file in files if not is_video(file)]
    for file in archives[:1]:
        try:
            load_landmarks(file)
        except (ValueError, OSError) as error:
            more = f" (and {len(archives) - 1} more)" if len(archives) > 1 else ""
            return f": {error}{more}"
    return ""


def _holds_landmarks(file: Path) -> bool:
    if is_video(file):
        return False
    try:
        with open_npz(file) as archive:
            return "landmarks" in archive.names
    except (Unreadable, OSError):
        return True  # reading it will say what is wrong


def name_results(files: Sequence[Path]) -> dict[Path, str]:
    """What each file's results are called: its name, and, of files of one name, that of its folder before it.

    Of as many folders as it takes; files of one name in one folder end in what they are: `a_mov`.
    """
    names = {file: file.stem for file in files}
    in_folder = Counter((file.absolute().parent, file.stem.lower()) for file in files)
    for file in files:
        if in_folder[file.absolute().parent, file.stem.lower()] > 1:
            names[file] += f"_{file.suffix[1:].lower()}"
    own, n_folders = dict(names), 0
    while True:
        taken = Counter(name.lower() for name in names.values())  # some disks do not tell A from a
        clashing = [file for file, name in names.items() if taken[name.lower()] > 1]
        if not clashing:
            return names
        n_folders += 1
        for file in clashing:
            folders = file.absolute().parent.parts[-n_folders:]
            names[file] = "-".join([*(part.strip("/") for part in folders), own[file]])
            if n_folders > len(file.absolute().parts):
                names[file] += f"-{files.index(file)}"
