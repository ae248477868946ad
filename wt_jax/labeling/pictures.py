"""The frames of a film as they are shown, some of them kept: a video can be decoded forwards alone."""

from collections.abc import Callable

import numpy as np

_AHEAD = 24  # frames that are decoded with one that lies a step back: the next steps back find theirs
_KEPT = 60


class Pictures:
    """`pictures[i]` is frame i, made by `make`: of its own size, so that many of them can be kept."""

    def __init__(self, frame: Callable[[int], np.ndarray], make: Callable[[np.ndarray], np.ndarray]):
        self._frame = frame
        self._make = make
        self._kept: dict[int, np.ndarray] = {}
        self._last = -1

    def __getitem__(self, index: int) -> np.ndarray:
        if index not in self._kept:
            is_step_back = index == self._last - 1
            for i in range(max(0, index - _AHEAD) if is_step_back else index, index + 1):
                self._kept.pop(i, None)
                self._kept[i] = self._make(self._frame(i))
            for old in list(self._kept)[:-_KEPT]:
                del self._kept[old]
        self._last = index
        return self._kept[index]
