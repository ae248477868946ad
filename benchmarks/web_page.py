"""The page of `export --format web` in headless Chromium: what it counts beside predict, how fast it is.

Command: python benchmarks/web_page.py --page OUT --pose_model ../shared/models/pose_landmarker_full.task \\
    ../shared/videos/raw/*/*.mp4
Each clip is given to the page as a file, which it looks at picture by picture, and as a camera, which does
not wait: a fake one, made smaller, that is stopped where the clip would begin again.
"""

import argparse
import fractions
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from machine import heading

from wt_jax.inference.predictor import Predictor
from wt_jax.pose.model_file import pose_model
from wt_jax.runtime import cli

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import Chromium
from served_folder import ServedFolder

_LOADED_S, _COUNTED_S = 180.0, 900.0  # to wait at most
_CAMERA_PX = 640  # of the longer side
_PHASE = "document.body?.dataset.phase"
_ROW = "{:32} {:>16} {:>16} {:>10} {:>16} {:>10}"
_SIZES = {"desktop": (1280, 800, 1.0), "phone": (390, 844, 2.0), "turned": (844, 390, 2.0)}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, required=True, help="what `export --format web` wrote")
    parser.add_argument("--checkpoint", default="pretrained", help="what it was exported from")
    parser.add_argument("--pose_model", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    parser.add_argument("--output", type=Path, help="JSON of the figures")
    parser.add_argument("clips", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    print(heading())
    predictor = Predictor.restore(options.checkpoint)
    model = pose_model(options.pose_model)
    rows = []
    with ServedFolder(options.page) as server:
        first = _first_load(server)
        print(f"first load: {first['mb']:.1f} MB, {first['ready_s']:.1f} s until one can begin")
        print(_ROW.format("clip", "predict", "file", "pictures/s", "camera", "pictures/s"))
        for clip in options.clips:
            expected = _said(predictor.predict_video(clip, model).document())
            file = as_file(server.url, clip, options.pictures)
            camera = as_camera(server.url, clip)
            rows.append({"clip": clip.name, "predict": expected, "file": file, "camera": camera})
            rates = [f"{one['rate']:.1f}" for one in (file, camera)]
            name = f"{clip.parent.name}/{clip.name}"
            print(_ROW.format(name, expected, file["said"], rates[0], camera["said"], rates[1]), flush=True)
    if options.output:
        options.output.write_text(json.dumps({"first_load": first, "clips": rows}, indent=2) + "\n")


def _first_load(server: ServedFolder) -> dict[str, float]:
    with Chromium() as browser:
        begun = time.monotonic()
        browser.open(server.url)
        browser.wait(f"{_PHASE} == 'ready'", _LOADED_S)
        ready_s, n_bytes = time.monotonic() - begun, server.n_bytes
        browser.wait("navigator.serviceWorker.ready.then(() => true)", _LOADED_S)
        complaints = [one for one in browser.complaints() if "GL" not in one and "INFO:" not in one]
        assert not complaints, complaints
        assert all(url.startswith((server.url, "blob:")) for url in browser.requests())
    return {"mb": n_bytes / 1e6, "ready_s": ready_s}


def as_file(url: str, clip: Path, pictures: Path | None = None) -> dict[str, Any]:
    """What the page says of a file: `said`, its JSON as `document`, pictures a second."""
    with Chromium() as browser, tempfile.TemporaryDirectory() as downloads:
        browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=downloads)
        browser.resize(*_SIZES["desktop"])
        browser.open(url)
        browser.wait(f"{_PHASE} == 'ready'", _LOADED_S)
        if pictures:
            _photograph(browser, pictures, "ready")
        begun = time.monotonic()
        browser.choose_file("#file", clip)
        browser.wait(f"{_PHASE} == 'running'", _COUNTED_S)
        if pictures:
            browser.wait(f"{_PHASE} == 'over' || video.currentTime > 0.6 * video.duration", _COUNTED_S)
            _photograph(browser, pictures, f"{clip.stem}-running")
        browser.wait(f"{_PHASE} == 'over'", _COUNTED_S)
        document = _saved(browser, Path(downloads), clip)
        rate = document["source"]["frames"] / (time.monotonic() - begun)
        if pictures:
            _photograph(browser, pictures, f"{clip.stem}-over")
        return {"said": _said(document), "document": document, "rate": rate}


def as_camera(url: str, clip: Path) -> dict[str, Any]:
    """The same of a camera that shows the clip once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "camera.mjpeg"
        duration_s = write_mjpeg(file, clip)
        fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        with Chromium([*fake, f"--use-file-for-fake-video-capture={file}"]) as browser:
            browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=folder)
            browser.open(url)
            browser.wait(f"{_PHASE} == 'ready'", _LOADED_S)
            browser.evaluate("document.getElementById('camera').click()")
            browser.wait(f"video.currentTime > {duration_s - 0.1}", _COUNTED_S)
            browser.evaluate("document.getElementById('stop').click()")
            browser.wait(f"{_PHASE} == 'over'", _COUNTED_S)
            document = _saved(browser, Path(folder), Path("camera"))
    rate = document["source"]["frames"] / duration_s
    return {"said": _said(document), "document": document, "rate": rate}


def write_mjpeg(path: Path, clip: Path) -> float:
    """A clip as pictures one after the other, 30 a second as a fake camera shows them; its seconds."""
    n_frames = 0
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mjpeg") as output:
        size = source.streams.video[0]
        scale = _CAMERA_PX / max(size.width, size.height)
        stream: Any = output.add_stream("mjpeg", rate=30, options={"qscale": "3"})
        stream.width, stream.height = (round(side * scale / 2) * 2 for side in (size.width, size.height))
        stream.pix_fmt = "yuvj420p"
        for frame in source.decode(video=0):
            shown = frame.reformat(stream.width, stream.height, "yuvj420p", dst_color_range="JPEG")
            while n_frames / 30 <= float(frame.time or 0):  # each as long as it is shown
                shown.pts, shown.time_base = n_frames, fractions.Fraction(1, 30)
                output.mux(stream.encode(shown))
                n_frames += 1
        output.mux(stream.encode(None))
    return n_frames / 30


def _saved(browser: Chromium, folder: Path, source: Path) -> dict[str, Any]:
    """The document that somebody saves."""
    browser.evaluate("document.getElementById('json').click()")
    path = folder / f"{source.stem}.json"
    until = time.monotonic() + 10
    while not path.is_file() and time.monotonic() < until:
        time.sleep(0.1)
    return json.loads(path.read_text())


def _said(document: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in document["counts"].items()) or document["exercise"]


def _photograph(browser: Chromium, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for size, (width_px, height_px, scale) in _SIZES.items():
        browser.resize(width_px, height_px, scale, mobile=size != "desktop")
        time.sleep(0.5)
        browser.photograph(folder / f"{name}-{size}.png")
    browser.resize(*_SIZES["desktop"])


if __name__ == "__main__":
    cli.run(main)
