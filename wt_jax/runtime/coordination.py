"""What the processes of a run agree on: the same values, the same files, one that writes. Alone, nothing."""

import json
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
from jax._src import distributed  # the key-value store has no public name (nor in multihost_utils)

LONG_MS = 20 * 24 * 3600 * 1000  # whoever waits hears of a failure meanwhile
_STORAGE_S = 10  # network storage may take its time

_T = TypeVar("_T")
_rounds = iter(range(sys.maxsize))


def service_client() -> Any:
    """Of the coordination service that process 0 runs."""
    return distributed.global_state.client


def own_process() -> int:
    """Which process this is, once it has joined; asks no device, which may be lost."""
    return distributed.global_state.process_id


def is_first() -> bool:
    """Whether this is the process that prints and writes: of one, it is."""
    return jax.process_index() == 0


def exchange(value: str) -> list[str]:
    """The values of all processes, in their order. Waits for all."""
    n, i, client = jax.process_count(), jax.process_index(), service_client()
    if n == 1:
        return [value]
    key = f"wt_jax/exchange/{next(_rounds)}"
    client.key_value_set(f"{key}/{i}", value)
    return [client.blocking_key_value_get(f"{key}/{other}", LONG_MS) for other in range(n)]


def first_then_others(make: Callable[[], _T]) -> _T:
    """make(), in process 0 and then in the others: what it writes is there for them."""
    made = make() if is_first() else None
    exchange("")
    return made if is_first() else make()  # type: ignore[return-value]


def check_same(values: dict[str, Any]) -> None:
    """Raises ValueError, in every process, where `values` (JSON) are not the same in all of them."""
    first, *others = (json.loads(text) for text in exchange(json.dumps(values)))
    for process, other in enumerate(others, 1):
        differing = [
            f"{key} (process 0: {first.get(key)!r}, process {process}: {other.get(key)!r})"
            for key in sorted(first.keys() | other.keys())
            if first.get(key) != other.get(key)
        ]
        if differing:
            raise ValueError(
                f"the processes of a run must be given the same: {'; '.join(differing)}. Start the same "
                "command, with the same data, on every host"
            )


def check_shared(folder: Path) -> None:
    """Raises ValueError where a process does not see the files that process 0 writes in `folder`."""
    if jax.process_count() == 1:
        return
    (name,) = set(exchange(f".seen-{uuid.uuid4().hex}" if is_first() else "")) - {""}
    if is_first():
        (folder / name).touch()
    exchange("")
    until = time.monotonic() + _STORAGE_S
    while not (seen := (folder / name).exists()) and time.monotonic() < until:
        time.sleep(0.2)
    exchange("")
    if is_first():
        (folder / name).unlink()
    if not seen:
        raise ValueError(
            f"workdir={folder}: does not hold what process 0 writes into its own: set --config.workdir to a "
            "folder on storage that all hosts share"
        )
