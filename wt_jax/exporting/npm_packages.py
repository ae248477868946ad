"""The page's two npm packages: which versions, how they are fetched and checked, what of them is taken."""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from wt_jax.runtime.files import cache_folder, written_beside

_TIMEOUT_S = 600.0


class Package(NamedTuple):
    """`integrity` is npm's own digest of the tarball, of which `files` are taken."""

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]

    @property
    def specifier(self) -> str:
        """What npm is asked for."""
        return f"{self.name}@{self.version}"

    @property
    def tarball(self) -> str:
        """What `npm pack` calls it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def folder(self) -> str:
        """Where the page looks for it."""
        return self.name.rpartition("/")[2]


PACKAGES = (
    Package(
        "@mediapipe/tasks-vision",
        "0.10.35",  # the last that sends nothing: from 1.0 on it tells its makers how it is used
        "sha512-HOvadwVRE6JC+45nyYhmnywnr5h/J8KZvOeUNVOG9q/0875pZgItznFB9bRTvLc264YSJqiZ1NsIpCStJw/egg==",
        (
            "package.json",
            "vision_bundle.mjs",
            "wasm/vision_wasm_internal.js",
            "wasm/vision_wasm_internal.wasm",
        ),
    ),
    Package(
        "onnxruntime-web",
        "1.30.0",
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        (
            "package.json",
            "dist/ort.wasm.min.mjs",
            "dist/ort-wasm-simd-threaded.mjs",
            "dist/ort-wasm-simd-threaded.wasm",
        ),
    ),
)


def find_packages(folder: Path | None) -> dict[Package, bytes]:
    """The tarballs of PACKAGES: those in `folder`, or those that npm fetches once, to ~/.cache/wt_jax/npm.

    Raises ValueError, saying what to do, where there is no npm, where it fails, and for other bytes than the
    pinned ones.
    """
    return {package: _find(package, folder) for package in PACKAGES}


def unpack(package: Package, tarball: bytes, folder: Path) -> None:
    """Writes the package's `files` below `folder`, those of its dist/ beside each other."""
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for name in package.files:
            content = archive.extractfile(f"package/{name}")
            assert content is not None, f"{package.tarball} holds no file {name}"
            path = folder / package.folder / name.removeprefix("dist/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def _find(package: Package, folder: Path | None) -> bytes:
    path = (folder or cache_folder() / "npm") / package.tarball
    if folder is None and not (path.is_file() and _integrity(path.read_bytes()) == package.integrity):
        _fetch(package, path)
    if not path.is_file():
        raise ValueError(
            f"--npm {folder}: holds no {package.tarball}: put there what `npm pack {package.specifier}` makes"
        )
    tarball = path.read_bytes()
    if (found := _integrity(tarball)) != package.integrity:
        raise ValueError(
            f"{path}: {found}, not {package.integrity}: cut off, or another file: fetch it again"
        )
    return tarball


def _fetch(package: Package, path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(
            f"--format web: npm, which fetches {package.specifier}, is not installed: install Node.js, or "
            "run `npm pack` elsewhere and name the folder of the tarballs with --npm"
        )
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = subprocess.run(
                [npm, "pack", package.specifier, "--silent", "--ignore-scripts"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"npm pack {package.specifier}: nothing came in {_TIMEOUT_S:g} s: try again"
            ) from None
        found = Path(folder) / package.tarball
        if run.returncode or not found.is_file():
            why = (run.stderr.strip().splitlines() or ["it says nothing"])[0]
            raise ValueError(
                f"npm pack {package.specifier}: failed ({why}): try again, or run it elsewhere and name the "
                "folder of the tarballs with --npm"
            )
        with written_beside(path) as beside:
            shutil.copyfile(found, beside)


def _integrity(tarball: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"
