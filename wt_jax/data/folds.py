"""Folds for cross-validation: groups (a person, a source video) dealt out, so that none is in two."""

from collections.abc import Sequence

from wt_jax.data.recordings import AnyRecording


def groups_by_kind(recordings: Sequence[AnyRecording]) -> list[list[str]]:
    """The groups of each class, those with known repetitions apart from the others, the largest first."""
    groups: dict[str, list[AnyRecording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)
    kinds: dict[tuple[str, bool], list[str]] = {}
    for group in sorted(groups, key=lambda group: (-sum(map(len, groups[group])), group)):
        kind = groups[group][0].class_name, any(one.starts is not None for one in groups[group])
        kinds.setdefault(kind, []).append(group)
    return list(kinds.values())


def fold_of_groups(kinds: Sequence[Sequence[str]], folds: int) -> dict[str, int]:
    """Group -> fold. Each kind is dealt in turn, and begins one fold later than the one before."""
    return {group: (i + k) % folds for k, of_kind in enumerate(kinds) for i, group in enumerate(of_kind)}
