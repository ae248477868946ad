"""The pose model's file: named by the user, or downloaded once and checked."""

import os
import urllib.request
from pathlib import Path

from wt_jax.runtime.files import cache_folder, sha256, written_beside

ENVIRONMENT = "WT_JAX_POSE_MODEL"
_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_{size}/float16/1/pose_landmarker_{size}.task"
)
# SHA-256 of what is published there. Of full, two files of one length are in use: as DESIGN.md has it, and as
# most projects that pin revision 1 do. None could be downloaded here to try; many public projects pin each.
_DIGESTS = {
    "lite": ("59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",),
    "full": (
        "4eaa5eb7a98365221087693fcc286334cf0858e2eb6e15b506aa4a7ecdcec4ad",
        "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
    ),
    "heavy": ("64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",),
}
SIZES = tuple(_DIGESTS)
_TIMEOUT_S = 30.0  # without a byte from the server


def pose_model(path: Path | str | None = None, size: str = "full") -> Path:
    """The pose landmarker's file: `path`, or that of WT_JAX_POSE_MODEL, used as it is; else `size`, cached.

    lite, full or heavy is downloaded once to ~/.cache/wt_jax (XDG_CACHE_HOME) and checked by its SHA-256.
    Raises ValueError where a named file is not there, and, saying what to do, where the download fails.
    """
    if size not in SIZES:
        raise ValueError(f"--pose_size {size}: must be {', '.join(SIZES)}")
    named = path or os.environ.get(ENVIRONMENT)
    if named:
        if not Path(named).is_file():
            whose = "--pose_model" if path else ENVIRONMENT
            raise ValueError(f"{whose} {named}: no such file: name a pose_landmarker_*.task file")
        return Path(named)
    cached = cache_folder() / f"pose_landmarker_{size}.task"
    if cached.is_file() and sha256(cached) in _DIGESTS[size]:
        return cached
    url = _URL.format(size=size)
    print(f"pose model: {url} -> {cached}")
    try:
        with written_beside(cached) as beside:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, beside.open("wb") as file:
                while part := answer.read(1 << 20):
                    file.write(part)
            digest, n_bytes = sha256(beside), beside.stat().st_size
            if digest not in _DIGESTS[size]:
                raise ValueError(
                    f"{url}: {n_bytes} bytes of SHA-256 {digest} came, not the expected ones: "
                    "cut off, or another file: try again; a file that you trust is named with --pose_model"
                )
    except OSError as error:
        raise ValueError(
            f"the pose model cannot be downloaded to {cached} ({error}): get {url} on another machine "
            f"and name the file with --pose_model FILE or {ENVIRONMENT}"
        ) from None
    return cached


def is_named(path: str | None, size: str | None) -> bool:
    """Does somebody want a certain model? `path` and `size` as a command has them, None where not given."""
    return bool(path or size or os.environ.get(ENVIRONMENT))
