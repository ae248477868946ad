"""CSV files that people write (labels, manifest, segments): every error names the file and the line."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wt_jax.runtime.inputs import check_file
from wt_jax.runtime.names import why_unusable
from wt_jax.skeleton import canonical_class
from wt_jax.video.formats import VIDEO_SUFFIXES

_ALIASES = {"frame": "frame_index"}  # label files in the wild
_SHOWN = 10  # names of columns
_FOLDERS = ("landmarks", "raw", "labels")


def read_table(
    path: Path | str, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a CSV file: ("file:line", {column: text}), with the named columns among its own.

    A column that is `optional` is in the rows where the file has it.

    Raises ValueError, with file and line, for a missing column, a short row, and what is no CSV text.
    """
    path = Path(path)
    check_file(path, "a table")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            header = [" ".join(cell.split()).lower() for cell in next(reader, [])]
            position = {}
            for column in columns:
                name = column if column in header else _ALIASES.get(column, column)
                if name not in header:
                    found = ", ".join([*header[:_SHOWN], *["..."][: len(header) > _SHOWN]]) or "nothing"
                    raise ValueError(
                        f"{path}:1: no column {column!r} (found: {found}): the first line names the columns"
                    )
                position[column] = header.index(name)
            position |= {column: header.index(column) for column in optional if column in header}
            for cells in reader:
                where = f"{path}:{reader.line_num}"
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) <= max(position.values()):
                    raise ValueError(
                        f"{where}: {len(cells)} cells where the header names {len(header)}: complete the row"
                    )
                yield where, {column: cells[i].strip() for column, i in position.items()}
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(
                f"{path}:{reader.line_num + 1}: no CSV text in UTF-8 ({error}): save it again as such"
            ) from None


def recording_name(file: str, where: str) -> str:
    """`landmarks/push-ups/anna.npz`, or the same under `raw/` or `labels/`, -> `push-ups/anna`.

    Raises ValueError, beginning with `where`, for a path that leaves the data root or has other folders, and
    for a name that no file of a recording may have.
    """
    path = PurePosixPath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in file:
        raise ValueError(
            f"{where}: file={file!r} leaves the data root: write it relative, landmarks/<class>/<video>.npz"
        )
    parts = path.parts[1:] if path.parts[:1] and path.parts[0] in _FOLDERS else path.parts
    if len(parts) != 2:
        raise ValueError(f"{where}: file={file!r}: must be landmarks/<class>/<video>.npz")
    if reason := next(filter(None, map(why_unusable, parts)), ""):
        raise ValueError(f"{where}: file={file!r}: {reason}")
    is_known = path.suffix.lower() in (".npz", ".csv", *VIDEO_SUFFIXES)
    return f"{canonical_class(parts[0])}/{path.stem if is_known else path.name}"


def parse_number(text: str) -> float:
    """NaN where the text is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def parse_whole_number(text: str, where: str, column: str) -> int:
    """Raises ValueError, beginning with `where`, for what is none or below 0."""
    value = parse_number(text)
    if not value.is_integer() or value < 0:
        raise ValueError(f"{where}: {column}={text!r}: must be a whole number, 0 or more")
    return int(value)
