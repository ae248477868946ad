"""The page's icon: a signal with its counted peaks, drawn."""

import functools
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

SIZES_PX = (192, 512)
_GROUND, _LINE, _ACCENT = (np.array(rgb) for rgb in ((14, 17, 22), (242, 245, 249), (255, 209, 102)))
# In shares of the icon; what matters is in the middle, for phones that cut their icons round.
_FROM, _TO, _PEAKS = 0.2, 0.8, (0.3, 0.5, 0.7)
_LOW, _HEIGHT = 0.66, 0.26
_HALF_LINE, _RADIUS = 0.02, 0.055
_POINTS = 150  # of the line


def write_icons(folder: Path) -> None:
    """Square PNGs of SIZES_PX, in the colours of the page's style.css."""
    folder.mkdir(parents=True, exist_ok=True)
    for size_px in SIZES_PX:
        imsave(folder / f"{size_px}.png", _icon(size_px))


@functools.cache
def _icon(size_px: int) -> np.ndarray:
    y, x = (np.mgrid[:size_px, :size_px] + 0.5) / size_px
    along = np.linspace(0, 1, _POINTS)
    places = zip(
        _FROM + (_TO - _FROM) * along, _LOW - _HEIGHT * np.sin(np.pi * len(_PEAKS) * along) ** 2, strict=True
    )
    from_line = functools.reduce(np.minimum, ((x - u) ** 2 + (y - v) ** 2 for u, v in places)) ** 0.5
    icon_HxWx3 = _painted(_GROUND, _LINE, from_line - _HALF_LINE)
    for peak in _PEAKS:
        icon_HxWx3 = _painted(icon_HxWx3, _ACCENT, np.hypot(x - peak, y - _LOW + _HEIGHT) - _RADIUS)
    return icon_HxWx3.round().astype(np.uint8)


def _painted(under: np.ndarray, colour: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """A shape over what is `under` it, its edges smooth; `outside` is how far a pixel is from it."""
    cover = np.clip(0.5 - outside * len(outside), 0, 1)[..., None]
    return under * (1 - cover) + colour * cover
