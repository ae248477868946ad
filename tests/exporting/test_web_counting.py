"""The page counts as Python does: of the same windows' outputs, the same document, number by number."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import recorded_timelines
from runs import walking

import wt_jax
from wt_jax.inference.predictor import Predictor
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.motion import synthetic_motion

PAGE = Path(wt_jax.__file__).parent / "exporting" / "page"
TESTS = Path(__file__).parent / "page"
RECORDINGS, INVENTED = 50, 100

pytestmark = [
    pytest.mark.optimized,
    pytest.mark.skipif(shutil.which("node") is None, reason="the page's JavaScript needs node"),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder, predictor = tmp_path_factory.mktemp("recorded"), Predictor.restore()
    return recorded_timelines.write(
        folder / "recorded.json",
        {
            "card": recorded_timelines.pretrained_card(folder),
            "recordings": list(recorded_timelines.record(predictor, recorded_timelines.poses(RECORDINGS))),
            "invented": list(recorded_timelines.invent(INVENTED)),
            "sequences": {name: recorded_timelines.sequence(*video) for name, video in videos().items()},
            "streams": {
                name: recorded_timelines.stream(predictor, *video)
                for name, video in {**videos(), "a long one": long_video()}.items()
            },
        },
    )


def videos():
    """Somebody walking, at rates that cameras have, with nobody in some frames."""
    landmarks = walking(100)
    landmarks[[0, 1, 20, *range(40, 60)]] = np.nan
    rng = np.random.default_rng(1)
    return {
        "a phone": (landmarks, np.arange(100) / 30, 720, 1280),
        "a webcam": (landmarks, 3 + np.cumsum(rng.choice([0.02, 0.04, 0.1, 0.249], 100)), 640, 480),
        "nobody": (np.full_like(landmarks, np.nan), np.arange(100) / 25, 640, 480),
    }


def long_video():
    """So long that a stream looks at its end alone."""
    film = synthetic_motion("squats", np.random.default_rng(2), Body(np.random.default_rng(1)))
    landmarks = np.resize(film.landmarks_FxLx4, (1300, *film.landmarks_FxLx4.shape[1:]))
    return landmarks, np.arange(len(landmarks)) / 30, film.width_px, film.height_px


@pytest.mark.parametrize("tests", sorted(path.name for path in TESTS.glob("*.test.mjs")))
def test_the_page_says_what_python_says(recorded, tests):
    run = subprocess.run(
        ["node", "--test", str(TESTS / tests)],
        env={**os.environ, "PAGE": PAGE.as_uri(), "RECORDED": str(recorded)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr
