import atexit
import gc
import os
import shutil
import signal
import sys
import tempfile

import jax
import numpy as np
import pytest
from jax._src import compiler
from programs import PLAIN_XLA, PLAIN_XLA_FLAGS

from wt_jax import config
from wt_jax.counting.decoding import Repetition
from wt_jax.data.recordings import Recording
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.pose.landmarks import Landmarks
from wt_jax.skeleton import N_ANGLES

pytest_plugins = ["emulators", "shared_programs", "virtual_screen"]
_LONGEST = (
    "test_train_processes", "test_train", "test_tune", "test_train_step", "test_streaming", "test_evaluate",
    "test_predict", "test_tcn", "test_freezing", "test_campaign", "test_api", "test_extraction",
    "test_web_counting", "test_residence", "test_label_window", "test_predict_again", "test_notebook",
    "test_stacked_step", "test_adapt", "test_check_labels", "test_cluster", "test_train_compile",
    "test_residual_kernel_gpu", "test_residual_kernel_tpu", "test_attention_kernel_gpu",
    "test_sliding_window", "test_warm_start", "test_web_page", "test_live",
)  # fmt: skip
jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(200_000, 50, 100)  # tracing makes objects by the million: looking through them took a tenth

# One compilation of each program for all tests: those of all workers, and the processes that they start.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="wt_jax-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = os.path.join(
        os.environ["JAX_COMPILATION_CACHE_DIR"], "hypothesis"
    )
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and what is registered is done
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"  # of processes that tests start
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

_compile_options = compiler.get_compile_options


def _plain_where_not_optimized(*args, env_options_overrides=None, **kwargs):
    plain = PLAIN_XLA if os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS") == "1" else {}
    return _compile_options(*args, env_options_overrides=plain | (env_options_overrides or {}), **kwargs)


compiler.get_compile_options = _plain_where_not_optimized
_compile_options(1, 1)  # reads XLA_FLAGS: what is set below is for other processes

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started deaf to it


def pytest_xdist_auto_num_workers(config):
    """One more than cores, as some tests wait; four at most, as each compiles; none for a file alone."""
    if len(config.args) == 1 and os.path.isfile(config.args[0].split("::")[0]):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min((cores or 1) + 1, 4)


def pytest_collection_modifyitems(items):
    """The files that take the longest come first: no worker begins one when the others are done."""
    place = {stem: i for i, stem in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.hookimpl(tryfirst=True)  # before any fixture
def pytest_runtest_setup(item):
    """Compiling is most of what tests take: XLA and LLVM take pains for tests marked `optimized` alone."""
    is_optimized = item.get_closest_marker("optimized") is not None
    jax.config.update("jax_disable_most_optimizations", not is_optimized)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(int(not is_optimized))  # of processes that it starts
    os.environ["XLA_FLAGS"] = "" if is_optimized else PLAIN_XLA_FLAGS


@pytest.fixture(scope="session")
def tiny_config():
    """A checked config of a model that compiles in no time."""
    return config.check(
        config.Config(
            model=config.Model(filters=8, blocks=2, dilations=(1, 2), heads=2, dense_units=(8,)),
            train=config.Train(batch_size=8, steps_per_dispatch=2, windows_per_epoch=64, eval_batch_size=16),
        )
    )


@pytest.fixture(scope="session")
def make_recording():
    """make(name, n_frames, starts, ...) -> Recording with random angles, other ones under every name."""

    def make(name="squats/a", n_frames=60, starts=(), split="train", invalid=(), unknown=()):
        valid_F, class_known_F = np.ones((2, n_frames), bool)
        valid_F[list(invalid)] = False
        class_known_F[list(unknown)] = False
        angles_FxJ = np.random.default_rng(list(name.encode())).random((n_frames, N_ANGLES), np.float32)
        return Recording(
            name=name,
            class_name=name.split("/")[0],
            group=name,
            split=split,
            angles_FxJ=np.where(valid_F[:, None], angles_FxJ, np.float32(0)),
            valid_F=valid_F,
            class_known_F=class_known_F,
            starts=None if starts is None else np.array(starts, np.int32),
            source_fps=30.0,
            digest=name,
        )

    return make


@pytest.fixture
def said(make_recording):
    """said(name, true, counted, ...) -> RecordingResult: 900 frames, `counted` starts at 40, 80, ... and
    as many repetitions of the recording's own exercise."""

    def make(name, true, counted=0, class_name="own", starts=None, heights=None, repetitions=None, **other):
        recording = make_recording(name, 900, true, **other.pop("recording", {}))
        own = recording.class_name
        starts = np.arange(1, counted + 1) * 40 if starts is None else np.array(starts)
        repetitions = [own] * counted if repetitions is None else repetitions
        return RecordingResult(
            recording,
            own if class_name == "own" else class_name,
            starts.astype(np.int32),
            np.ones(len(starts)) if heights is None else np.array(heights),
            0.5,
            tuple(Repetition(9 * i, 1.0, of) for i, of in enumerate(repetitions)),
            **other,
        )

    return make


@pytest.fixture(scope="session")
def squatting():
    """squatting(n_frames, fps) -> Landmarks of a person who squats from 1.0 s on and from 2.4 s on."""

    def make(n_frames=100, fps=25):
        """Landmarks of knees that bend from 1.0 s on and again from 2.4 s on, each time for a second."""
        times_s = np.arange(n_frames) / fps
        bent = sum(np.where(abs(times_s - middle) < 0.5, 1 + np.cos(2 * np.pi * (times_s - middle)), 0) / 2
                   for middle in (1.5, 2.9))  # fmt: skip
        landmarks = np.tile(np.random.default_rng(0).uniform(0.1, 0.3, (1, 33, 4)), (n_frames, 1, 1))
        for hip, knee, ankle, x in ((23, 25, 27, 0.45), (24, 26, 28, 0.55)):
            landmarks[:, hip, :2], landmarks[:, knee, :2] = (x, 0.4), (x, 0.6)
            landmarks[:, ankle, 0] = x + 0.2 * np.sin(bent * np.pi / 2)
            landmarks[:, ankle, 1] = 0.6 + 0.2 * np.cos(bent * np.pi / 2)
        return Landmarks(landmarks.astype(np.float32), float(fps), 320, 320)

    return make


@pytest.fixture
def clip(tmp_path):
    """data/raw/squats/clip.mp4: 100 frames at 25 a second, each a little brighter than the last."""
    from wt_jax.video.writer import VideoWriter

    path = tmp_path / "data" / "raw" / "squats" / "clip.mp4"
    with VideoWriter(path, 25, 320, 240) as writer:
        for i in range(100):
            writer.write(np.full((240, 320, 3), 2 * i, np.uint8))
    return path


@pytest.fixture
def impatient():
    """A test that waits for what never comes fails, after a minute."""

    def give_up(*_):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
