"""A page that counts in a browser: its folder, for any server of files, beside model.onnx and model.json."""

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

from wt_jax.exporting.icons import write_icons
from wt_jax.exporting.npm_packages import Package, find_packages, unpack
from wt_jax.pose.model_file import pose_model
from wt_jax.runtime.files import sha256, write_json

_PAGE = Path(__file__).parent / "page"
_PACKAGES, _POSE_MODEL, _ICONS, _FILES = "packages", "pose_landmarker.task", "icons", "files.json"


class Parts(NamedTuple):
    """What the page needs that is not ours."""

    tarballs: dict[Package, bytes]
    pose_model: Path


def find_parts(npm: Path | None, named_pose_model: str | None) -> Parts:
    """Fetches what is missing. Raises ValueError as `find_packages` and `model_file.pose_model` do."""
    model = pose_model(named_pose_model)
    if not zipfile.is_zipfile(model):
        raise ValueError(f"--pose_model {model}: no pose model: give a pose_landmarker_*.task file")
    return Parts(find_packages(npm), model)


def write_page(folder: Path, parts: Parts) -> None:
    """Adds the page, with all that it runs, to a folder that holds the exported model.

    files.json names every file, for the service worker that keeps them, with a version that is another one
    for other bytes.
    """
    shutil.copytree(_PAGE, folder, dirs_exist_ok=True)
    for package, tarball in parts.tarballs.items():
        unpack(package, tarball, folder / _PACKAGES)
    shutil.copyfile(parts.pose_model, folder / _POSE_MODEL)
    write_icons(folder / _ICONS)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
    version = hashlib.sha256(repr(digests).encode()).hexdigest()
    write_json(folder / _FILES, {"version": version, "files": list(digests)})
