"""The page in a browser: a file and a camera, keys, what is saved, and all of it without a network.

Who is in the picture and what the network says are known here; benchmarks/web_page.py tries the real ones.
"""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium, find_chromium
from clips import grey
from recorded_timelines import pretrained_card
from runs import walking
from served_folder import ServedFolder

from wt_jax.counting.prediction import SCHEMA_VERSION
from wt_jax.exporting.web import Parts, write_page
from wt_jax.inference.results import about
from wt_jax.runtime.files import write_json
from wt_jax.video.writer import VideoWriter

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="needs chromium")
STUBS = Path(__file__).parent / "page"
SECONDS, REPETITIONS = 5, 4
PHASE = "document.body?.dataset.phase"
SOON_S = 60.0


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, with a network and a pose finder that say what is known."""
    folder = tmp_path_factory.mktemp("page")
    write_json(folder / "model.json", pretrained_card(folder))
    (folder / "landmarks.json").write_text(json.dumps(nodding().tolist()))
    pose_model = folder / "pose.task"
    pose_model.write_bytes(b"")
    write_page(folder, Parts({}, pose_model))
    for name in ("pose_finder", "network"):
        shutil.copyfile(STUBS / f"known_{name}.js", folder / f"{name}.js")
    return folder


def nodding():
    """Somebody whose nose is high above the hips REPETITIONS times."""
    times_s = np.arange(SECONDS * 30 + 1) / 30
    landmarks = np.repeat(walking(1), len(times_s), 0)[..., :3]
    landmarks[:, 0, 1] = landmarks[:, (23, 24), 1].mean(1)
    landmarks[:, 0, 1] -= 0.5 - 0.5 * np.cos(2 * np.pi * times_s * REPETITIONS / SECONDS)
    return landmarks


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "anna.mp4"
    with VideoWriter(path, 30, 320, 240) as writer:
        for _ in range(SECONDS * 30):
            writer.write(grey())
    return path


@pytest.fixture
def browser(tmp_path):
    with Chromium(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]) as browser:
        browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        yield browser


def text(browser, name):
    return browser.evaluate(f"document.getElementById('{name}').textContent")


def phase(browser, wanted):
    browser.wait(f"{PHASE} == '{wanted}'", SOON_S)


def press(browser, key):
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key=key)


def saved(browser, folder, link, name):
    browser.evaluate(f"document.getElementById('{link}').click()")
    until = time.monotonic() + SOON_S
    while not (folder / name).is_file():
        assert time.monotonic() < until
        time.sleep(0.05)
    return (folder / name).read_text()


def test_a_file_is_counted_and_saved(page, clip, browser, tmp_path):
    with ServedFolder(page) as served:
        browser.open(served.url)
        phase(browser, "ready")
        browser.choose_file("#file", clip)
        phase(browser, "over")
    assert (text(browser, "exercise"), text(browser, "count")) == ("squats", str(REPETITIONS))
    document = json.loads(saved(browser, tmp_path, "json", "anna.json"))
    assert document["counts"] == {"squats": REPETITIONS}
    assert document["version"] == SCHEMA_VERSION
    source = about("anna.mp4", fps=30, duration_s=5, frames=150, frames_with_person=150, size_px=(320, 240))
    assert list(document["source"]) == list(source)
    assert [document["source"][key] for key in ("path", "width_px")] == ["anna.mp4", 320]
    assert len(document["repetitions"]) == REPETITIONS
    table = saved(browser, tmp_path, "csv", "anna.csv").splitlines()
    assert table[0] == "exercise,repetition,start_s,confidence"
    assert [row.split(",")[:2] for row in table[1:]] == [["squats", str(i + 1)] for i in range(REPETITIONS)]
    assert browser.complaints() == []
    assert all(url.startswith((served.url, "blob:")) for url in browser.requests())


def test_keys_pause_count_from_0_and_stop_a_camera(page, browser):
    with ServedFolder(page) as served:
        browser.open(served.url)
        phase(browser, "ready")
        browser.evaluate("document.getElementById('camera').click()")
        phase(browser, "running")
        browser.wait("Number(document.getElementById('count').textContent) > 0", SOON_S)
        press(browser, " ")
        phase(browser, "paused")
        assert text(browser, "pause").startswith("Go on")
        press(browser, "R")
        assert text(browser, "count") == "0"
        press(browser, " ")
        phase(browser, "running")
        press(browser, "Escape")
        phase(browser, "over")
    assert browser.complaints() == []


def test_it_works_without_a_network_once_it_was_there(page, browser):
    with ServedFolder(page) as served:
        browser.open(served.url)
        browser.wait("navigator.serviceWorker.ready.then(() => true)", SOON_S)
    browser.open(served.url)
    phase(browser, "ready")
    assert "squats" in text(browser, "classes")


def test_another_export_is_there_at_the_visit_after_it_was_found(page, browser, tmp_path):
    folder = shutil.copytree(page, tmp_path / "page")
    with ServedFolder(folder) as served:
        browser.open(served.url)
        browser.wait("navigator.serviceWorker.ready.then(() => true)", SOON_S)
        index = folder / "index.html"
        index.write_text(index.read_text().replace("<title>Repetition counter", "<title>Another"))
        os.utime(index, (time.time() + 60,) * 2)  # servers tell the time of a file in seconds
        files = json.loads((folder / "files.json").read_text())
        write_json(folder / "files.json", files | {"version": "another"})
        browser.open(served.url)
        browser.wait("caches.keys().then(names => names.length == 1 && names[0].endsWith('another'))", SOON_S)
        assert browser.evaluate("document.title") == "Repetition counter"
        browser.open(served.url)
        browser.wait("document.title == 'Another'", SOON_S)


def test_what_cannot_be_played_is_said(page, browser, tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    with ServedFolder(page) as served:
        browser.open(served.url)
        phase(browser, "ready")
        browser.choose_file("#file", tmp_path / "notes.mp4")
        assert "notes.mp4: this browser cannot play it" in browser.wait(
            "document.getElementById('notice').textContent", SOON_S
        )
        phase(browser, "ready")
