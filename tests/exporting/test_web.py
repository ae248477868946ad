"""The page's folder: all of it and nothing that is elsewhere; packages are the pinned ones, or none."""

import base64
import hashlib
import io
import json
import os
import re
import tarfile

import cv2
import pytest

from wt_jax import export
from wt_jax.exporting import npm_packages
from wt_jax.exporting.npm_packages import PACKAGES, find_packages, unpack
from wt_jax.exporting.web import Parts, write_page


def tarball_of(package, **more):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in {
            **dict.fromkeys(package.files, "one"),
            "index.d.ts": "not taken",
            **more,
        }.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def integrity(tarball):
    return f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"


@pytest.fixture
def packages(monkeypatch):
    """PACKAGES, small and pinned to what they are here: {package: tarball}."""
    tarballs = [tarball_of(package) for package in PACKAGES]
    small = [
        package._replace(integrity=integrity(tarball))
        for package, tarball in zip(PACKAGES, tarballs, strict=True)
    ]
    monkeypatch.setattr(npm_packages, "PACKAGES", tuple(small))
    return dict(zip(small, tarballs, strict=True))


@pytest.fixture
def page(tmp_path, packages):
    folder, pose_model = tmp_path / "out", tmp_path / "pose.task"
    folder.mkdir()
    pose_model.write_bytes(b"pose")
    for name in ("model.onnx", "model.json"):
        (folder / name).write_text("{}")
    write_page(folder, Parts(packages, pose_model))
    return folder


def fake_npm(tmp_path, monkeypatch, script):
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_file_that_is_named_is_there_and_kept_for_later(page):
    kept = json.loads((page / "files.json").read_text())["files"]
    assert {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()} == {
        *kept,
        "files.json",
    }
    named = set()
    for path in (
        *page.glob("*.js"),
        *page.glob("counting/*.js"),
        page / "index.html",
        page / "manifest.webmanifest",
    ):
        for name in re.findall(
            r"""(?:from|href=|src=|fetch\(|load\w*\(|"src":) ?"([^"]+)\"""", path.read_text()
        ):
            named.add(os.path.normpath(path.parent / name))
    assert len(named) > 15
    assert [name for name in named if not os.path.isfile(name)] == []


def test_the_page_asks_nobody_else(page):
    policy = re.search(r'content="(default-src[^"]+)"', (page / "index.html").read_text()).group(1)
    assert policy.startswith("default-src 'none'")
    assert "connect-src 'self';" in policy
    assert set(re.findall(r"\S+:", policy)) == {"blob:"}
    for path in page.rglob("*"):
        if path.suffix in (".js", ".html", ".css", ".webmanifest") and "packages" not in path.parts:
            for address in re.findall(r"https?://\S*", path.read_text()):
                assert address == "https://", path  # in words


def test_other_bytes_are_another_version(page, packages):
    before = json.loads((page / "files.json").read_text())["version"]
    parts = Parts(packages, page.parent / "pose.task")
    (page / "files.json").unlink()
    write_page(page, parts)
    assert json.loads((page / "files.json").read_text())["version"] == before
    (page / "files.json").unlink()
    (page / "model.onnx").write_text("{ }")
    write_page(page, parts)
    assert json.loads((page / "files.json").read_text())["version"] != before


def test_icons_have_the_sizes_that_the_manifest_says(page):
    icons = json.loads((page / "manifest.webmanifest").read_text())["icons"]
    for icon in icons:
        height, width = cv2.imread(str(page / icon["src"])).shape[:2]
        assert icon["sizes"] == f"{width}x{height}"
    assert {icon["purpose"] for icon in icons} == {"any", "maskable"}


def test_what_is_not_needed_of_a_package_is_left_out(tmp_path):
    for package in PACKAGES:
        unpack(package, tarball_of(package), tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "tasks-vision/package.json",
        "tasks-vision/vision_bundle.mjs",
        "tasks-vision/wasm/vision_wasm_internal.js",
        "tasks-vision/wasm/vision_wasm_internal.wasm",
        "onnxruntime-web/package.json",
        "onnxruntime-web/ort.wasm.min.mjs",
        "onnxruntime-web/ort-wasm-simd-threaded.mjs",
        "onnxruntime-web/ort-wasm-simd-threaded.wasm",
    }


def test_npm_is_asked_once(tmp_path, monkeypatch, packages):
    ready = tmp_path / "registry"
    ready.mkdir()
    for package, tarball in packages.items():
        (ready / package.tarball).write_bytes(tarball)
    fake_npm(tmp_path, monkeypatch, f'echo "$2" >> {tmp_path}/asked; cp {ready}/*.tgz .')
    assert find_packages(None) == packages
    assert find_packages(None) == packages
    assert (tmp_path / "asked").read_text().split() == [
        "@mediapipe/tasks-vision@0.10.35",
        "onnxruntime-web@1.30.0",
    ]


def test_a_folder_of_tarballs_does_without_npm(tmp_path, monkeypatch, packages):
    fake_npm(tmp_path, monkeypatch, "exit 9")
    for package, tarball in packages.items():
        (tmp_path / package.tarball).write_bytes(tarball)
    assert find_packages(tmp_path) == packages


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "echo no network >&2; exit 1",
            r"npm pack @mediapipe/tasks-vision@0.10.35: failed \(no network\): try again",
        ),
        ("echo cut > mediapipe-tasks-vision-0.10.35.tgz", r"not sha512-\S+: cut off, or another file"),
    ],
)
def test_what_npm_may_do_wrong(tmp_path, monkeypatch, packages, script, says):
    fake_npm(tmp_path, monkeypatch, script)
    with pytest.raises(ValueError, match=says):
        find_packages(None)


def test_without_npm_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"npm, which fetches .* is not installed: install Node.js, or run `npm pack`"
    ):
        find_packages(None)


def test_a_folder_without_them_says_what_it_lacks(tmp_path):
    with pytest.raises(
        ValueError, match=r"holds no mediapipe-tasks-vision-0.10.35.tgz: put there what `npm pack"
    ):
        find_packages(tmp_path)


def test_what_only_the_page_needs_is_refused_elsewhere(tmp_path):
    arguments = ["--checkpoint", "pretrained", "--format", "onnx", "--output", str(tmp_path / "out")]
    with pytest.raises(ValueError, match="--npm"):
        export.main([*arguments, "--npm", str(tmp_path)])
