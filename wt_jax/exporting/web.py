"""A page that counts in a browser: its folder, for any server of files, beside model.onnx and model.json."""

import hashlib
import shutil
from pathlib import Path

from wt_jax.exporting.icons import write_icons
from wt_jax.exporting.npm_packages import Package, unpack
from wt_jax.runtime.files import sha256, write_json

_PAGE = Path(__file__).parent / "page"
_PACKAGES, _POSE_MODEL, _FILES = "packages", "pose_landmarker.task", "files.json"


def write_page(folder: Path, tarballs: dict[Package, bytes], pose_model: Path) -> None:
    """Adds the page to a folder that holds the exported model, with all that it runs.

    files.json names every file, for the service worker that keeps them, with a version that is another one
    for other bytes.
    """
    shutil.copytree(_PAGE, folder, dirs_exist_ok=True)
    for package, tarball in tarballs.items():
        unpack(package, tarball, folder / _PACKAGES)
    shutil.copyfile(pose_model, folder / _POSE_MODEL)
    write_icons(folder / "icons")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {str(path.relative_to(folder)): sha256(path) for path in paths}
    version = hashlib.sha256(repr(digests).encode()).hexdigest()
    write_json(folder / _FILES, {"version": version, "files": list(digests)})
