"""The index of windows, by runs: some bytes for all that follow each other and are of one kind.

Letters: N windows, R runs.
"""

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from wt_jax.input_pipeline.windows import Windows

_KINDS = ("classes", "positive", "sources", "made")


@dataclasses.dataclass(frozen=True)
class Runs:
    """Windows in the order of their first frames, every `stride_frames` in a run, of one kind each."""

    stride_frames: int
    firsts_R: np.ndarray  # int64, of the first window
    counts_R: np.ndarray  # int64, windows
    classes_R: np.ndarray  # as of `Windows`, and so are the others
    positive_R: np.ndarray
    sources_R: np.ndarray
    made_R: np.ndarray

    def __len__(self) -> int:
        return int(self.counts_R.sum())

    @cached_property
    def _ends_R(self) -> np.ndarray:
        return self.counts_R.cumsum()

    @property
    def n_positive(self) -> int:
        """Windows that hold a known repetition start."""
        return int(self.counts_R[self.positive_R].sum())

    @property
    def n_bytes(self) -> int:
        """Of memory."""
        return sum(array.nbytes for array in self._arrays().values())

    def only(self, keep_R: np.ndarray) -> "Runs":
        """Those where the mask is True."""
        return Runs(self.stride_frames, **{name: of[keep_R] for name, of in self._arrays().items()})

    def placed(self, first: int, source: int) -> "Runs":
        """The windows of one recording, as those of one that begins at `first` and is of this source."""
        sources_R = np.full_like(self.sources_R, source)
        return dataclasses.replace(self, firsts_R=self.firsts_R + first, sources_R=sources_R)

    def firsts(self, places: np.ndarray) -> np.ndarray:
        """First frames (int64) of the windows at `places` of all of them."""
        run = np.searchsorted(self._ends_R, places, side="right")
        return self.firsts_R[run] + (places - self._ends_R[run] + self.counts_R[run]) * self.stride_frames

    def _arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)[1:]}


def runs_of(windows: Windows, stride_frames: int = 1) -> Runs:
    """The windows by runs."""
    kinds = {name: getattr(windows, f"{name}_N") for name in _KINDS}
    firsts_N = windows.firsts_N.astype(np.int64)
    breaks_N = np.diff(firsts_N, prepend=-1) != stride_frames
    breaks_N[:1] = True
    for kind_N in kinds.values():
        breaks_N[1:] |= kind_N[1:] != kind_N[:-1]
    at = np.flatnonzero(breaks_N)
    return Runs(
        stride_frames,
        firsts_N[at],
        np.diff(at, append=len(firsts_N)),
        **{f"{name}_R": kind_N[at] for name, kind_N in kinds.items()},
    )


def joined(parts: Sequence[Runs]) -> Runs:
    """One after the other; one part at least."""
    arrays = [part._arrays() for part in parts]
    return Runs(
        parts[0].stride_frames, **{name: np.concatenate([of[name] for of in arrays]) for name in arrays[0]}
    )
