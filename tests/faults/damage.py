"""Damage to a run's checkpoints: flipped bits, truncated files, edited JSON. None may pass silently."""

import contextlib
import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from faults.table import Outcome

from wt_jax import config
from wt_jax.inference.restore import restore_model
from wt_jax.training.checkpoint_reader import CheckpointReader
from wt_jax.training.checkpoints import Checkpoints
from wt_jax.training.step_folder import UNCHECKED
from wt_jax.training.train_step import state_template

VALUES = [None, True, -5, 1.5, 1e9, float("nan"), float("-inf"), "text", "", [], [1], {}, {"a": 1}, [[[]]]]


def damage(workdir: Path, seed: int, n_flips: int, n_cut: int, n_edits: int) -> Iterator[Outcome]:
    """Each fault on a copy of `workdir`, whose best step is not its latest."""
    rng = random.Random(seed)
    reference = _Reference(workdir)
    steps = [str(step) for step in reference.reader.steps()]
    files = sorted(path for step in steps for path in (reference.reader.folder / step).rglob("*"))
    files = [path.relative_to(workdir) for path in files if path.is_file()]
    filled = [path for path in files if (workdir / path).stat().st_size]
    for i in range(n_flips):  # every file has its turn
        path = filled[i % len(filled)]
        bit = rng.randrange(8 * (workdir / path).stat().st_size)
        yield reference.look("bit flips", f"{path}, bit {bit}", path, lambda file, bit=bit: _flip(file, bit))
    for i in range(n_cut):
        path = filled[i % len(filled)]
        size = rng.randrange((workdir / path).stat().st_size)
        yield reference.look(
            "files cut off", f"{path} at {size}", path, lambda file, size=size: _cut(file, size)
        )
    read_as_json = [path for path in files if path.suffix == ".json" or path.name in ("metadata", "metrics")]
    for i in range(n_edits):
        path, value, has_digest = read_as_json[i % len(read_as_json)], rng.choice(VALUES), i % 2 == 0
        pick = rng.random()
        said = f"{path}: a value is {value!r}" + ("" if has_digest else ", and there is no digest")

        def edit(file: Path, value: Any = value, has_digest: bool = has_digest, pick: float = pick) -> None:
            _edit(file, value, pick)
            if not has_digest:
                (_step_of(file) / "digest.json").unlink(missing_ok=True)

        yield reference.look("edited JSON", said, path, edit, has_digest)


# What may come of an edited value that no digest tells of: nothing else, and never other numbers.
_UNCHECKED = {
    (served, taken_up)
    for served in ("refused", "in its place, and said", "unchecked, and said", "as before")
    for taken_up in ("refused", "moved aside", "unchecked")
}


class _Reference:
    """An undamaged run, and what a damaged copy of it may be taken for."""

    def __init__(self, workdir: Path):
        self.workdir, self.reader = workdir, CheckpointReader(workdir)
        self.served = self.reader.served_step
        assert self.served != self.reader.latest_step
        self._template = state_template(self._options(), jax.devices()[:1])
        self._params = {step: self._restored(self.reader, step) for step in self.reader.steps()}

    def look(
        self, part: str, fault: str, path: Path, break_: Callable[[Path], None], has_digest: bool = True
    ) -> Outcome:
        """Breaks a file of a copy, then serves it and takes it up again."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(self.workdir, Path(folder) / "run"))
            break_(copy / path)
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    found = (self._serve(copy), self._take_up(copy))
            except Exception as error:
                return Outcome(part, fault, f"{type(error).__name__}: {error}", False)
        allowed = self._allowed(path) if has_digest else _UNCHECKED
        return Outcome(part, fault, str(found), found in allowed)

    def _allowed(self, path: Path) -> set[tuple[str, str]]:
        """What may come of a file that the digest tells of: served as, taken up as."""
        step = int(path.parts[1])
        if path.name == "counting.json":
            return {("refused", "as before")}
        if step != self.served:
            return {("as before", "moved aside")}
        return {
            ("in its place, and said", "moved aside")
            if path.name == "digest.json"
            else ("refused", "moved aside")
        }

    def _serve(self, copy: Path) -> str:
        try:
            model = restore_model(copy, jax.devices()[:1])
        except ValueError as error:
            return "refused" if str(copy) in str(error) else f"refused without its file: {error}"
        if not _equal(model.params, self._params[model.step]):
            return "OTHER NUMBERS"
        if model.step != self.served:
            return "in its place, and said" if "served in its place" in model.remark else "IN ITS PLACE"
        return "unchecked, and said" if UNCHECKED in model.remark else "as before"

    def _take_up(self, copy: Path) -> str:
        try:
            checkpoints = Checkpoints(copy)
        except ValueError as error:
            return "refused" if str(copy) in str(error) else f"refused without its file: {error}"
        try:
            step = checkpoints.latest_step
            if not _equal(self._restored(checkpoints, step), self._params[step]):
                return "OTHER NUMBERS"
            if checkpoints.steps() != self.reader.steps():
                return "moved aside"
            return "as before" if all(map(checkpoints.check, checkpoints.steps())) else "unchecked"
        finally:
            checkpoints.close()

    def _options(self) -> config.Config:
        return config.unflatten(self.reader.meta(self.reader.latest_step)["config"])

    def _restored(self, checkpoints: CheckpointReader, step: int) -> Any:
        return jax.device_get(checkpoints.restore(step, self._template).state.eval_params)


def _equal(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def _cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def _edit(file: Path, value: Any, pick: float) -> None:
    """Puts `value` in the place of one of the values, at any depth, or of all."""
    content = json.loads(file.read_text())
    places = [(holder, key) for holder in _holders(content) for key in _keys(holder)]
    if not places or pick < 0.1:
        content = value
    else:
        holder, key = places[int(pick * len(places))]
        holder[key] = value
    file.write_text(json.dumps(content))


def _holders(content: Any) -> Iterator[dict | list]:
    if isinstance(content, dict | list):
        yield content
        for key in _keys(content):
            yield from _holders(content[key])


def _keys(holder: dict | list) -> list:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _step_of(file: Path) -> Path:
    return next(parent for parent in file.parents if parent.name.isdecimal())
