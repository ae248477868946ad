"""What is timed: the project's own training, and by name its rivals."""

import time
from typing import Any, Protocol

import numpy as np

# Route and backend of each of Keras' names.
KERAS = {
    "keras": ("stateless", "jax"),
    "keras-fit": ("fit", "jax"),
    "keras-tf": ("fit", "tensorflow"),
}


class Contender(Protocol):
    """What is timed. `run` is asked for whole dispatches: a multiple of `steps_per_dispatch` steps."""

    name: str
    device: str
    batch_size: Any
    steps_per_dispatch: int

    def run(self, steps: int) -> float:
        """Seconds that `steps` training steps took, until their results are there."""
        ...


class _Ours:
    """The project's own step, sequences and Grain pipeline, as wt_jax.train puts them together."""

    name = "wt_jax"

    def __init__(
        self, batch_size: int, dtype: str, steps_per_dispatch: int, freeze: tuple[str, ...] = ()
    ) -> None:
        import jax

        from wt_jax import config
        from wt_jax.input_pipeline import balanced_sampler, window_runs, windows
        from wt_jax.runtime import jax_setup
        from wt_jax.training import train_step

        jax_setup.keep_freed()
        devices = jax.local_devices()
        self.device = devices[0].device_kind
        self.batch_size, self.steps_per_dispatch = batch_size, steps_per_dispatch
        options = config.Config()
        options.model.compute_dtype, options.optimizer.freeze = dtype, freeze
        options.train.batch_size, options.train.steps_per_dispatch = batch_size, steps_per_dispatch
        config.check(options)
        train_step.check_devices(options, len(devices))
        recordings = random_recordings(options.data.classes)
        sequences = windows.make_sequences(recordings, options.data.classes, options.labels)
        index = windows.cut_windows(recordings, sequences, options.data.window_frames, 1)
        self._batches = balanced_sampler.make_train_batches(window_runs.runs_of(index), options)
        self._sequences = train_step.put_sequences(sequences, devices)
        self._state = train_step.init_state(options, devices)
        self._dispatch = train_step.make_train_dispatch(options, devices)
        self._wait = jax.block_until_ready

    def run(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps // self.steps_per_dispatch):
            self._state, losses_K = self._dispatch(self._state, self._sequences, next(self._batches))
        self._wait((self._state, losses_K))
        return time.perf_counter() - start


LEVERS = (
    "values stored once",
    "transposes moved",
    "wide products",
    "own backward of the normalisation",
    "dropout by a hash",
    "freed memory kept",
)
_WITHOUT = "ours without "


def take_away(lever: str) -> None:
    """Makes this process train without one of LEVERS, with the same results (dropout: other masks)."""
    import jax

    from wt_jax.models import layers, tcn
    from wt_jax.runtime import jax_setup

    def threefry(keys_2xB: Any, site: int, shape: tuple[int, ...], rate: float) -> Any:
        def draw(key_2: Any) -> Any:
            key = jax.random.fold_in(jax.random.wrap_key_data(key_2), site)
            return jax.random.bernoulli(key, 1 - rate, (shape[0], shape[2]))

        return jax.vmap(draw, in_axes=1, out_axes=1)(keys_2xB)

    where: Any = tcn
    if lever == "own backward of the normalisation":
        # JAX cannot differentiate the loop that values are stored by.
        where.norm_relu_dropout = lambda y, scale, offset, keys, site, rate: layers._norm_forward(
            y, scale, offset, keys, None, site, rate
        )[0]
        lever = "values stored once"
    where, what, instead = {
        "values stored once": (layers, "_stored", lambda x: x),
        "transposes moved": (layers, "_turned", lambda x: x.T),
        "wide products": (layers, "_WIDE_SHARE", 2.0),
        "dropout by a hash": (layers, "kept", threefry),
        "freed memory kept": (jax_setup, "keep_freed", lambda: None),
    }[lever]
    assert hasattr(where, what)
    setattr(where, what, instead)


class _Matmul:
    """Products of two matrices: what the machine can do. A "window" is 1e9 floating-point operations."""

    name = "matmul"
    steps_per_dispatch = 1

    def __init__(self, dtype: str) -> None:
        import jax
        import jax.numpy as jnp

        self.device = jax.local_devices()[0].device_kind
        size = 2048 if jax.default_backend() == "cpu" else 8192
        self.batch_size = 2 * size**3 / 1e9
        self._a = jnp.full((size, size), 1 / size, dtype)
        self._product = jax.jit(jnp.matmul)
        self._wait = jax.block_until_ready

    def run(self, steps: int) -> float:
        start = time.perf_counter()
        b = self._a
        for _ in range(steps):
            b = self._product(self._a, b)
        self._wait(b)
        return time.perf_counter() - start


def random_recordings(classes: tuple[str, ...], count: int = 40, frames: int = 900) -> list:
    """Recordings of random angles, half a minute each, with a repetition every 90 frames."""
    from wt_jax.data.recordings import Recording
    from wt_jax.skeleton import N_ANGLES, NO_EXERCISE

    rng = np.random.default_rng(0)
    recordings = []
    for i in range(count):
        class_name = classes[i % len(classes)]
        starts = np.arange(0 if class_name == NO_EXERCISE else frames, dtype=np.int32)[45::90]
        real = np.ones(frames, bool)
        angles = rng.random((frames, N_ANGLES), np.float32)
        name = f"{class_name}/{i}"
        recordings.append(Recording(name, class_name, name, "train", angles, real, real, starts, 30.0, name))
    return recordings


def make_ours(
    batch_size: int, dtype: str, steps_per_dispatch: int, freeze: tuple[str, ...] = ()
) -> Contender:
    return _Ours(batch_size, dtype, steps_per_dispatch, freeze)


def make(name: str, batch_size: int, dtype: str, steps_per_dispatch: int) -> Contender:
    """The contender of one name; PyTorch has one step a dispatch."""
    from rivals import make_keras, make_torch

    if name.startswith(_WITHOUT):
        take_away(name.removeprefix(_WITHOUT))
        name = "ours"
    if name == "ours":
        return make_ours(batch_size, dtype, steps_per_dispatch)
    if name == "matmul":
        return _Matmul(dtype)
    if name in KERAS:
        return make_keras(batch_size, dtype, steps_per_dispatch, *KERAS[name])
    if name in ("torch", "torch-compile"):
        return make_torch(batch_size, dtype, compile=name == "torch-compile")
    raise ValueError(f"{name!r}: must be ours, matmul, {', '.join(KERAS)}, torch or torch-compile")
