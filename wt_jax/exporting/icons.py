"""The page's icon: a signal with its counted peaks, drawn."""

from pathlib import Path

import cv2
import numpy as np

SIZES_PX = (192, 512)
_GROUND, _LINE, _ACCENT = (22, 17, 14), (249, 245, 242), (102, 209, 255)  # BGR, of the page's style.css
_FINER = 4  # drawn so much larger, then made smaller: smooth edges


def write_icons(folder: Path) -> None:
    """Square PNGs of SIZES_PX; what matters is in the middle, for phones that cut their icons round."""
    folder.mkdir(parents=True, exist_ok=True)
    for size_px in SIZES_PX:
        icon_HxWx3 = cv2.resize(_icon(size_px * _FINER), (size_px, size_px), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{size_px}.png"), icon_HxWx3)


def _icon(size_px: int) -> np.ndarray:
    icon_HxWx3 = np.full((size_px, size_px, 3), _GROUND, np.uint8)
    x = np.linspace(0.2, 0.8, 400)
    y = 0.66 - 0.26 * np.sin(np.pi * (x - 0.2) / 0.2) ** 2
    line = (np.stack([x, y], 1) * size_px).astype(np.int32)
    cv2.polylines(icon_HxWx3, [line], False, _LINE, size_px // 26, cv2.LINE_AA)
    for peak in (0.3, 0.5, 0.7):
        cv2.circle(
            icon_HxWx3, (int(peak * size_px), int(0.4 * size_px)), size_px // 19, _ACCENT, -1, cv2.LINE_AA
        )
    return icon_HxWx3
