import atexit
import os
import shutil
import tempfile

import jax
import numpy as np
import pytest

from wt_jax import config
from wt_jax.judged import Judged
from wt_jax.recordings import Recording
from wt_jax.repetitions import Repetition
from wt_jax.skeleton import N_ANGLES

jax.config.update("jax_numpy_rank_promotion", "raise")

# One compilation of each program for all tests, and for the processes that they start.
_cache = tempfile.mkdtemp(prefix="wt_jax-tests-")
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache
jax.config.update("jax_compilation_cache_dir", _cache)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


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
    """said(name, true, counted, ...) -> Judged: 900 frames, `counted` starts at 40, 80, ... and as many
    repetitions of the recording's own exercise."""

    def make(name, true, counted=0, class_name="own", starts=None, heights=None, repetitions=None, **other):
        recording = make_recording(name, 900, true, **other.pop("recording", {}))
        own = recording.class_name
        starts = np.arange(1, counted + 1) * 40 if starts is None else np.array(starts)
        repetitions = [own] * counted if repetitions is None else repetitions
        return Judged(
            recording,
            own if class_name == "own" else class_name,
            starts.astype(np.int32),
            np.ones(len(starts)) if heights is None else np.array(heights),
            0.5,
            tuple(Repetition(9 * i, 1.0, of) for i, of in enumerate(repetitions)),
            **other,
        )

    return make
