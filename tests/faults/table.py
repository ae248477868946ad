"""The rows of the campaign: a fault, what it did, and whether that is what docs/reliability.md promises."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Outcome:
    """`found` says what happened; `is_promised` whether it may."""

    part: str
    fault: str
    found: str
    is_promised: bool


def table(outcomes: Iterable[Outcome]) -> str:
    """A row a part, as Markdown; what was not as promised is listed below."""
    of_part: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        of_part.setdefault(outcome.part, []).append(outcome)
    lines = ["| part | faults | as promised |", "|---|---|---|"]
    for part, rows in of_part.items():
        lines.append(f"| {part} | {len(rows)} | {sum(row.is_promised for row in rows)} |")
    broken = [row for rows in of_part.values() for row in rows if not row.is_promised]
    lines += ["", *(f"NOT AS PROMISED: {row.part}: {row.fault}: {row.found}" for row in broken)]
    return "\n".join(lines)
