"""Which recordings train, validate and test: by group (person or source video), never by window."""

import hashlib
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from wt_jax.data.csv_tables import read_table, recording_name
from wt_jax.data.recordings import MADE, AnyRecording

SPLITS = ("train", "val", "test")
_SHOWN = 6  # of the recordings that join two
_HELD_BACK = 0.15  # of the groups of a class, for validation and as much again for the test

# What numbers the pieces of one video; a number alone ("video-1") may as well number people.
_PIECE = re.compile(r"([\s_.-]+(part|pt|clip|segment|seg|take|copy)[\s_.-]*\d*|\s*\(\d+\)|(?<=_g\d\d)_c\d+)$")


@dataclass(frozen=True)
class ManifestRow:
    """One line of manifest.csv; "" where its cell is blank. `where` is "file:line"."""

    group: str
    split: str
    where: str
    source: str = ""


def read_manifest(root: Path | str) -> dict[str, ManifestRow]:
    """`root/manifest.csv` by recording name, {} without the file.

    Columns `file`, `group` and `split`, and `source` where there is one; others are ignored. A blank group
    or split is chosen by `assign_splits`. Raises ValueError, with file and line, for a path that leaves the
    root, a file that is listed twice, a split of another name, a source that stands for synthetic people, and
    a group in two splits, in whatever case it is written.
    """
    path = Path(root) / "manifest.csv"
    rows: dict[str, ManifestRow] = {}
    first_of_group: dict[str, ManifestRow] = {}
    if not path.exists():
        return rows
    for where, cells in read_table(path, ("file", "group", "split"), ("source",)):
        name = recording_name(cells["file"], where)
        row = ManifestRow(cells["group"], cells["split"].lower(), where, cells.get("source", ""))
        if row.split and row.split not in SPLITS:
            raise ValueError(
                f"{where}: split={cells['split']!r}: must be one of {', '.join(SPLITS)}, or blank"
            )
        if row.source in MADE:
            raise ValueError(
                f"{where}: source={row.source!r}: says that nobody was filmed: give it another name"
            )
        if name in rows:
            raise ValueError(
                f"{where}: {cells['file']} is listed twice, first in {rows[name].where}: keep one row"
            )
        rows[name] = row
        if row.group and row.split:
            first = first_of_group.setdefault(group_key(row.group), row)
            if first.split != row.split:
                raise ValueError(
                    f"{where}: group {row.group!r} is in split {row.split} here and in {first.split} "
                    f"in {first.where}: a person or video belongs to one split"
                )
    return rows


def group_key(group: str) -> str:
    """What two spellings of one group have in common: "Anna " and "anna" are one person."""
    return group.strip().casefold()


def derive_group(name: str) -> str:
    """The source video of a recording by its name: "push-ups/anna_part2" -> "anna".

    Only what numbers the pieces of one video is dropped (part, clip, seg, take, copy, (2), _c02 after
    _g01). The class is dropped as well: anna's squats are anna's.
    """
    group = group_key(name.split("/")[-1])
    while (shorter := _PIECE.sub("", group)) and shorter != group:
        group = shorter
    return group


def assign_splits(recordings: Sequence[AnyRecording], manifest: dict[str, ManifestRow]) -> list[AnyRecording]:
    """The recordings with their `group` and `split` set: the manifest's, and chosen where it says nothing.

    A recording that is there twice joins the group of its twin, and one without a group in the manifest
    that of its siblings by name: where anna_part1 is Anna's, anna_part2 is. Groups are drawn in the order
    of a hash of their names, so the same data is always split in the same way: about 15 % of the groups
    of a class to val and 15 % to test, separately where repetitions are known and where they are not; a
    class of two groups has train and val, of one train alone. Raises ValueError where the manifest puts
    in two splits what belongs together in this way. `source` is the manifest's, or stays empty.
    """
    blank = ManifestRow("", "", "")
    rows = [manifest.get(recording.name, blank) for recording in recordings]
    derived = [derive_group(recording.name) for recording in recordings]
    groups = [group_key(row.group) or name for row, name in zip(rows, derived, strict=True)]
    siblings: dict[str, set[str]] = {}  # derived group -> what the manifest calls it
    for row, group, name in zip(rows, groups, derived, strict=True):
        siblings.setdefault(name, set()).update({group} if row.group else ())
    links = []
    for recording, row, group in zip(recordings, rows, groups, strict=True):
        links.append((f"group {group}", f"content {recording.content}"))
        links += [(f"group {group}", f"group {other}") for other in (() if row.group else siblings[group])]
    unit_of = _units(links)  # the last name in a set: a "group" comes after a "content"
    units = [unit_of[f"group {group}"] for group in groups]

    unit_splits = _given_splits(recordings, rows, groups, units)
    _choose_splits(unit_splits, recordings, units)
    spelling: dict[str, str] = {}  # of a group, where the manifest names it first
    for row in manifest.values():
        spelling.setdefault(group_key(row.group), row.group)
    unit_groups: dict[str, str] = {}  # the manifest's name for it, else the first of its own
    for _, group, unit in sorted((not r.group, g, u) for r, g, u in zip(rows, groups, units, strict=True)):
        unit_groups.setdefault(unit, group)
    assigned: list[AnyRecording] = []
    for recording, row, group, unit in zip(recordings, rows, groups, units, strict=True):
        group = group if row.group else unit_groups[unit]
        split = row.split or unit_splits[unit]
        assigned.append(replace(recording, group=spelling.get(group, group), split=split, source=row.source))
    return assigned


def audit(recordings: Iterable[AnyRecording]) -> None:
    """Raises ValueError, naming both, where a group or one recording's twin is in two splits."""
    seen: dict[str, AnyRecording] = {}
    for recording in recordings:
        if recording.split not in SPLITS:
            raise ValueError(
                f"{recording.name}: split={recording.split!r}: must be one of {', '.join(SPLITS)}"
            )
        for key, problem in (
            (f"group {group_key(recording.group)}", f"are both of group {recording.group!r}"),
            (f"content {recording.content}", "are the same recording"),
        ):
            other = seen.setdefault(key, recording)
            if other.split != recording.split:
                raise ValueError(
                    f"{other.name} ({other.split}) and {recording.name} ({recording.split}) {problem}: "
                    "one split for both, in manifest.csv, or scores are measured on what was trained on"
                )


def _units(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of each key the set that it is in, once all pairs of keys are joined: named by the last of its keys."""
    # Here: its package imports scipy.spatial, some 80 ms that a start on synthetic people need not take.
    from scipy.cluster.hierarchy import DisjointSet

    joined = DisjointSet()
    for one, other in links:
        joined.add(one)
        joined.add(other)
        joined.merge(one, other)
    return {key: max(keys) for keys in joined.subsets() for key in keys}


def _given_splits(
    recordings: Sequence[AnyRecording],
    rows: Sequence[ManifestRow],
    groups: Sequence[str],
    units: Sequence[str],
) -> dict[str, str]:
    """Unit -> the manifest's split. Raises ValueError where it gives a unit two, naming what joins them."""
    given: dict[str, str] = {}
    for row, unit in zip(rows, units, strict=True):
        if row.split and given.setdefault(unit, row.split) != row.split:
            members = [i for i, other in enumerate(units) if other == unit]
            path = _shortest_path(
                [recordings[i] for i in members], [rows[i] for i in members], [groups[i] for i in members]
            )
            raise ValueError(_why_one_split(path))
    return given


class _Step(NamedTuple):
    """A recording on the way from one given split to another, and what it and the one before it are."""

    recording: AnyRecording
    row: ManifestRow
    link: str


def _shortest_path(
    recordings: Sequence[AnyRecording], rows: Sequence[ManifestRow], groups: Sequence[str]
) -> list[_Step]:
    """From a recording of a given split to one of another, over links of `assign_splits`: no third is named
    that has no part in it. Breadth first, from all that have a split at once."""
    mates: dict[str, list[int]] = {}  # what recordings have in common -> which they are
    for i, (recording, row, group) in enumerate(zip(recordings, rows, groups, strict=True)):
        keys = [f"content {recording.content}", f"group {group}"]
        keys.append(f"named {derive_group(recording.name)}" if row.group else f"unnamed {group}")
        for key in keys:
            mates.setdefault(key, []).append(i)

    def links(i: int) -> Iterator[tuple[str, str]]:
        yield f"content {recordings[i].content}", "are the same recording"
        yield f"group {groups[i]}", f"are both of group {rows[i].group or groups[i]!r}"
        name, other = (derive_group(recordings[i].name), "un") if rows[i].group else (groups[i], "")
        yield f"{other}named {name}", f"are both of {name!r} by their names"

    reached = {i: [_Step(recordings[i], row, "")] for i, row in enumerate(rows) if row.split}
    waiting, done = deque(reached), set()
    while waiting:
        i = waiting.popleft()
        for key, link in links(i):
            if key in done:
                continue
            done.add(key)
            for j in mates.get(key, ()):
                if j not in reached:
                    reached[j] = [*reached[i], _Step(recordings[j], rows[j], link)]
                    waiting.append(j)
                elif reached[j][0].row.split != reached[i][0].row.split:
                    one, other = sorted((reached[i], reached[j]), key=lambda way: way[0].recording.name)
                    return _joined(one, other, link)
    raise AssertionError("one unit, so that there is a way")


def _joined(one: list[_Step], other: list[_Step], link: str) -> list[_Step]:
    """The way of `one` and then that of `other` back, whose ends are `link`ed."""
    links = [link, *(step.link for step in other[:0:-1])]
    back = [step._replace(link=to) for step, to in zip(other[::-1], links, strict=True)]
    return [*one, *back]


def _why_one_split(path: Sequence[_Step]) -> str:
    first, *between, last = path
    both = f"{first.recording.name} ({first.row.split}) and {last.recording.name} ({last.row.split})"
    if not between:
        return (
            f"{both} {last.link}: one split for both, in manifest.csv, or scores are measured on what was "
            "trained on"
        )
    names = [step.recording.name for step in path]
    steps = [f"{names[i]} and {names[i + 1]} {path[i + 1].link}" for i in range(len(between) + 1)]
    return (
        f"{both} belong together by way of {', '.join(names[1:-1][:_SHOWN])}: {'; '.join(steps[:_SHOWN])}: "
        "give them one split, or name the group of each, in manifest.csv"
    )


def _choose_splits(
    unit_splits: dict[str, str], recordings: Sequence[AnyRecording], units: Sequence[str]
) -> None:
    """Fills in `unit_splits`: rarest class first, known repetitions before unknown."""
    known: dict[str, dict[str, bool]] = {}  # class -> unit -> are repetitions known in any of it
    for recording, unit in zip(recordings, units, strict=True):
        of_class = known.setdefault(recording.class_name, {})
        of_class[unit] = of_class.get(unit, False) or recording.starts is not None
    for _, of_class in sorted(known.items(), key=lambda item: (len(item[1]), item[0])):
        order = sorted(of_class, key=lambda unit: hashlib.sha256(unit.encode()).hexdigest())
        for is_known in (True, False):
            stratum = [unit for unit in order if of_class[unit] is is_known]
            free = [unit for unit in stratum if unit not in unit_splits]
            have = Counter(unit_splits[unit] for unit in stratum if unit in unit_splits)
            in_class = {unit_splits[unit] for unit in order if unit in unit_splits}
            wanted = {"train": 1}
            for split, least in (("val", 2), ("test", 3)):
                wanted[split] = max(1, round(_HELD_BACK * len(stratum))) if len(stratum) >= least else 0
                if len(order) >= least and split not in in_class and not is_known:
                    wanted[split] = max(1, wanted[split])
            if not is_known and "train" in in_class:
                wanted["train"] = 0
            for split in SPLITS:  # when there are too few for all, train comes first, then val
                for _ in range(min(len(free), wanted[split] - have[split])):
                    unit_splits[free.pop(0)] = split
            unit_splits.update(dict.fromkeys(free, "train"))
