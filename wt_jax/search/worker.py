"""A process that takes trials of a search, and what it has in hand, kept for whoever goes on with it."""

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np

from wt_jax.runtime.files import written_beside
from wt_jax.runtime.npz import Unreadable, open_npz
from wt_jax.search.cohort import Member
from wt_jax.search.space import with_values
from wt_jax.search.study import Study
from wt_jax.training.optimizer import Monitor

_MEMBERS = "members"  # in the archive: all of them but the weights, as JSON
_MOST_BYTES = 2**33


class Worker:
    """One of those that share a search's folder: a number that no other living process has."""

    def __init__(self, folder: Path, number: int):
        self.name = str(number)
        self._file = folder / f"{number}.npz"

    def save(self, study: Study, members: Sequence[Member], states: Sequence[Any]) -> None:
        """Keeps the trials in hand, whole or not at all."""
        kept = [
            {
                "trial": one.trial,
                "fold": one.fold,
                "monitor": dataclasses.asdict(one.monitor),
                "losses": one.losses,
            }
            for one in members
        ]
        leaves = [jax.tree.leaves(state) for state in states]
        arrays = {f"{i}_{j}": leaf for i, of in enumerate(leaves) for j, leaf in enumerate(of)}
        about = np.array(json.dumps({"study": study.identity, "members": kept}))
        with written_beside(self._file) as beside:
            np.savez(
                beside,
                allow_pickle=False,
                **{_MEMBERS: about},
                **arrays,
            )

    def forget(self) -> None:
        """Nothing is in hand any more."""
        self._file.unlink(missing_ok=True)

    def hand_out_lost(self, study: Study) -> list[int]:
        """Trials of others that are gone, and whose number nobody has taken, begin anew; which."""
        lost = []
        for other in self._file.parent.glob("*.lock"):
            gone = filelock.FileLock(other, timeout=0)
            if other.stem != self.name and _acquires(gone):
                other.with_suffix(".npz").unlink(missing_ok=True)
                lost += study.again(other.stem, set())
                gone.release()
        return lost

    def take_up(self, study: Study, templates: Any) -> tuple[list[Member], list[Any]]:
        """What this number had in hand when its process ended: members and their states, if any.

        `templates(options)` is a state of the same structure.
        """
        if not self._file.exists():
            return [], []
        try:
            with open_npz(self._file) as archive:
                kept = json.loads(str(archive.read(_MEMBERS, 2**30)))
                if kept["study"] != study.identity:
                    raise Unreadable("of another search")
                members, states = [], []
                for i, one in enumerate(kept["members"]):
                    if not study.is_running(one["trial"]):  # it ended, and its process before it said so here
                        continue
                    options = with_values(study.options, study.values(one["trial"]))
                    leaves, structure = jax.tree.flatten(templates(options))
                    values = [archive.read(f"{i}_{j}", _MOST_BYTES) for j in range(len(leaves))]
                    members.append(
                        Member(one["trial"], one["fold"], options, Monitor(**one["monitor"]), one["losses"])
                    )
                    states.append(jax.tree.unflatten(structure, values))
                return members, states
        except (Unreadable, KeyError, TypeError) as error:  # or of another wt_jax
            print(f"warning: {self._file}: {error}: its trials begin anew")
            return [], []


@contextlib.contextmanager
def join(folder: Path) -> Iterator[Worker]:
    """This process, with the least number that is free, until it ends."""
    folder.mkdir(exist_ok=True)
    numbers = itertools.count()
    locks = (filelock.FileLock(folder / f"{number}.lock", timeout=0) for number in numbers)
    number, lock = next((i, lock) for i, lock in enumerate(locks) if _acquires(lock))
    with contextlib.ExitStack() as held:
        held.callback(lock.release)
        yield Worker(folder, number)


def _acquires(lock: filelock.FileLock) -> bool:
    try:
        lock.acquire()
    except filelock.Timeout:
        return False
    return True
