"""Draws the pictures of web.md: `python docs/draw_web.py OUT`; needs Chromium.

They are of the page that `export --format web --output OUT` wrote, with its own network. Who is seen is a
synthetic person, drawn before a wall: MediaPipe, which finds people alone, is left out.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
from draw_pictures import FPS, HEIGHT_PX, IMAGES, REPOSITORY, WIDTH_PX, background, film_of

from wt_jax.video.writer import VideoWriter

sys.path.insert(0, str(REPOSITORY / "tests"))

from chromium import Chromium
from served_folder import ServedFolder

EXERCISE = "squats"
SIZES = {"web_desktop": (1120, 700, 1.0), "web_phone": (390, 780, 1.0)}
SHOWN_FROM = 0.7  # of the video, while it is counted
WAIT_S = 600.0


def main(out: Path) -> None:
    film = film_of(EXERCISE)
    with tempfile.TemporaryDirectory() as folder:
        page = shutil.copytree(out, Path(folder) / "page")
        shutil.copy(
            REPOSITORY / "tests" / "exporting" / "page" / "known_pose_finder.js", page / "pose_finder.js"
        )
        (page / "landmarks.json").write_text(json.dumps(film.landmarks_FxLx4[..., :3].tolist()))
        clip = Path(folder) / "anna.mp4"
        wall_HxWx3 = cv2.resize(background(), (WIDTH_PX, HEIGHT_PX))
        with VideoWriter(clip, FPS, WIDTH_PX, HEIGHT_PX) as writer:
            for _ in film.landmarks_FxLx4:
                writer.write(wall_HxWx3)
        with ServedFolder(page) as served, Chromium() as browser:
            for name, size in SIZES.items():
                browser.resize(*size, mobile=name == "web_phone")
                browser.open(served.url)
                browser.wait("document.body?.dataset.phase == 'ready'", WAIT_S)
                browser.choose_file("#file", clip)
                browser.wait(f"video.currentTime > {SHOWN_FROM} * video.duration", WAIT_S)
                browser.evaluate("document.getElementById('pause').click()")
                browser.photograph(IMAGES / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
