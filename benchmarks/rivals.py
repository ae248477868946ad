"""The model and training step of wt_jax in Keras 3 and in PyTorch, as their users would write them.

`make_keras` and `make_torch` return a contender (see worker.py) that trains on random windows in memory.
Letters: N windows in memory, B batch, T frames of a window, J angles, C classes, D width.
"""

import itertools
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

FRAMES, ANGLES, CLASSES = 30, 25, 5
WIDTH, HEADS, DROPOUT = 128, 4, 0.25
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)
DENSE_UNITS = (128, 64, 32)
PARAMETERS = 916_102
FOCAL_GAMMA, FOCAL_ALPHA, SEGMENTATION_WEIGHT = 1.0, 0.5, 5.0
LEARNING_RATE, WEIGHT_DECAY, EPSILON = 5e-4, 1e-4, 1e-6


def random_windows(batch_size: int, windows: int = 8192) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles (N,T,J) in [0,1], class indices (N,) and soft targets (N,T,1) with one bump a window.

    N is a whole number of batches, at least 16 of them.
    """
    count = max(16, windows // batch_size) * batch_size
    rng = np.random.default_rng(0)
    starts_Nx1 = rng.integers(0, FRAMES, (count, 1))
    targets_NxT = np.exp2(-(((np.arange(FRAMES) - starts_Nx1) / 4.0) ** 2))
    angles_NxTxJ = rng.random((count, FRAMES, ANGLES), np.float32)
    return angles_NxTxJ, rng.integers(0, CLASSES, count), targets_NxT[..., None].astype(np.float32)


def dispatches(arrays: tuple[Any, ...], size: int, count: int) -> Iterator[tuple[Any, ...]]:
    """`count` tuples of `size` consecutive items of each array, from the start again at the end."""
    whole = len(arrays[0]) // size
    for i in range(count):
        at = (i % whole) * size
        yield tuple(array[at : at + size] for array in arrays)


def _keras_model() -> Any:
    import keras
    from keras import layers

    def head(x: Any) -> Any:
        for units in DENSE_UNITS:
            x = layers.Dense(units, activation="relu")(x)
        return x

    inputs = keras.Input((FRAMES, ANGLES))
    x = layers.Dense(WIDTH)(inputs)
    for dilation in DILATIONS:
        y = x
        for _ in range(2):
            y = layers.Conv1D(WIDTH, 3, padding="same", dilation_rate=dilation)(y)
            y = layers.LayerNormalization(epsilon=EPSILON)(y)
            y = layers.ReLU()(y)
            y = layers.Dropout(DROPOUT)(y)
        x = layers.Add()([x, y])
    attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x)
    x = layers.LayerNormalization(epsilon=EPSILON)(layers.Add()([x, attended]))
    pooled = layers.GlobalAveragePooling1D()(x)
    # Outputs in float32: keras.io, "Mixed precision".
    exercise = layers.Dense(CLASSES, activation="softmax", dtype="float32", name="exercise")(head(pooled))
    segmentation = layers.Dense(1, activation="sigmoid", dtype="float32", name="segmentation")(head(x))
    model = keras.Model(inputs, {"exercise": exercise, "segmentation": segmentation})
    assert model.count_params() == PARAMETERS
    return model


class _Keras:
    """Keras by `model.fit` on JAX or TensorFlow, or by its stateless API in a jitted step over K batches.

    The second is keras.io's "Writing a training loop from scratch in JAX". On the JAX backend
    `steps_per_execution` of `fit` calls the jitted step K times from Python (Keras 3.15,
    backend/jax/trainer.py, iterator_step): it saves callbacks, not dispatches.
    """

    def __init__(
        self, batch_size: int, dtype: str, steps_per_execution: int, route: str, backend: str
    ) -> None:
        os.environ["KERAS_BACKEND"] = backend
        import keras

        keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[dtype])
        keras.utils.set_random_seed(0)
        self.name, self.device = f"Keras {route} on {backend}", keras.distribution.list_devices()[0]
        self.batch_size, self.steps_per_dispatch = batch_size, steps_per_execution
        self._model = _keras_model()
        self._focal = keras.losses.CategoricalFocalCrossentropy(alpha=FOCAL_ALPHA, gamma=FOCAL_GAMMA)
        self._bce = keras.losses.BinaryCrossentropy()
        self._optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        x, classes, targets = random_windows(batch_size)
        self._arrays = (x, np.eye(CLASSES, dtype=np.float32)[classes], targets)
        if route == "fit":
            self._model.compile(
                optimizer=self._optimizer,
                loss={"exercise": self._focal, "segmentation": self._bce},
                loss_weights={"exercise": 1.0, "segmentation": SEGMENTATION_WEIGHT},
                steps_per_execution=steps_per_execution,
            )
            self.run = self._run_fit
        else:
            import jax

            self._jax = jax
            trainable, frozen = self._model.trainable_variables, self._model.non_trainable_variables
            self._optimizer.build(trainable)
            groups = (trainable, frozen, self._optimizer.variables)
            self._state = tuple([variable.value for variable in group] for group in groups)
            self._dispatch = jax.jit(self._scan, donate_argnums=0)
            self.run = self._run_stateless

    def _run_fit(self, steps: int) -> float:
        start = time.perf_counter()
        while steps > 0:
            windows = min(steps * self.batch_size, len(self._arrays[0]))
            x, y, z = (array[:windows] for array in self._arrays)
            targets = {"exercise": y, "segmentation": z}
            self._model.fit(x, targets, batch_size=self.batch_size, shuffle=False, verbose=0)
            steps -= windows // self.batch_size
        return time.perf_counter() - start

    def _step(self, state: Any, batch: Any) -> tuple[Any, Any]:
        x, exercise, segmentation = batch

        def loss_fn(trainable: Any, frozen: Any) -> tuple[Any, Any]:
            y, frozen = self._model.stateless_call(trainable, frozen, x, training=True)
            classification = self._focal(exercise, y["exercise"])
            return classification + SEGMENTATION_WEIGHT * self._bce(segmentation, y["segmentation"]), frozen

        trainable, frozen, optimizer = state
        (loss, frozen), grads = self._jax.value_and_grad(loss_fn, has_aux=True)(trainable, frozen)
        trainable, optimizer = self._optimizer.stateless_apply(optimizer, grads, trainable)
        return (list(trainable), list(frozen), list(optimizer)), loss

    def _scan(self, state: Any, arrays: Any) -> tuple[Any, Any]:
        if self.steps_per_dispatch == 1:
            return self._step(state, arrays)
        shape = (self.steps_per_dispatch, self.batch_size)
        batches = tuple(a.reshape(*shape, *a.shape[1:]) for a in arrays)
        # On CPU, XLA's convolutions are many times slower inside a loop (70 windows/s, not 700): unroll.
        return self._jax.lax.scan(self._step, state, batches, unroll=self._jax.default_backend() == "cpu")

    def _run_stateless(self, steps: int) -> float:
        size, count = self.batch_size * self.steps_per_dispatch, steps // self.steps_per_dispatch
        start = time.perf_counter()
        for batch in dispatches(self._arrays, size, count):
            self._state, loss = self._dispatch(self._state, batch)
        self._jax.block_until_ready((self._state, loss))
        return time.perf_counter() - start


def make_keras(batch_size: int, dtype: str, steps_per_execution: int, route: str, backend: str) -> _Keras:
    """`dtype` is float32 or bfloat16 (Keras' mixed_bfloat16), `route` stateless (JAX alone) or fit."""
    return _Keras(batch_size, dtype, steps_per_execution, route, backend)


def torch_model() -> Any:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            options = {"kernel_size": (1, 3), "padding": (0, dilation), "dilation": (1, dilation)}
            self.convs = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, **options) for _ in range(2))
            self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, eps=EPSILON) for _ in range(2))
            self.dropout = nn.Dropout(DROPOUT)

        def forward(self, x_Bx1xTxD: torch.Tensor) -> torch.Tensor:
            # Conv2d on a permuted view is the channels_last layout: no copies, faster than Conv1d on CPU.
            y = x_Bx1xTxD
            for conv, norm in zip(self.convs, self.norms, strict=True):
                y = conv(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
                y = self.dropout(torch.relu(norm(y)))
            return x_Bx1xTxD + y

    def head(outputs: int) -> nn.Sequential:
        sizes = (WIDTH, *DENSE_UNITS)
        hidden = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*hidden, nn.Linear(sizes[-1], outputs))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.projection = nn.Linear(ANGLES, WIDTH)
            self.blocks = nn.Sequential(*(Block(dilation) for dilation in DILATIONS))
            self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
            self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
            self.exercise, self.segmentation = head(CLASSES), head(1)

        def forward(self, x_BxTxJ: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = self.blocks(self.projection(x_BxTxJ).unsqueeze(1)).squeeze(1)
            x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
            return self.exercise(x.mean(1)), self.segmentation(x)

    model = Model()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    return model


class _Torch:
    steps_per_dispatch = 1

    def __init__(self, batch_size: int, dtype: str, compiled: bool) -> None:
        import torch

        torch.manual_seed(0)
        torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as JAX does by default
        cuda = torch.cuda.is_available()
        self._kind, self._bfloat16 = "cuda" if cuda else "cpu", dtype == "bfloat16"
        self.name = "PyTorch compiled" if compiled else "PyTorch"
        self.device, self.batch_size = torch.cuda.get_device_name() if cuda else "cpu", batch_size
        self._model = torch_model().to(self._kind, memory_format=torch.channels_last)
        kernels = [p for p in self._model.parameters() if p.ndim > 1]
        others = [p for p in self._model.parameters() if p.ndim == 1]
        groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        self._forward = torch.compile(self._loss) if compiled else self._loss
        self._arrays = tuple(torch.as_tensor(a).to(self._kind) for a in random_windows(batch_size))

    def _loss(self, x: Any, classes: Any, targets: Any) -> Any:
        import torch
        import torch.nn.functional as F

        with torch.autocast(self._kind, torch.bfloat16, enabled=self._bfloat16):
            exercise, segmentation = self._model(x)
        cross_entropy_B = F.cross_entropy(exercise.float(), classes, reduction="none")
        focal_B = FOCAL_ALPHA * (1 - torch.exp(-cross_entropy_B)) ** FOCAL_GAMMA * cross_entropy_B
        bce = F.binary_cross_entropy_with_logits(segmentation.float(), targets)
        return focal_B.mean() + SEGMENTATION_WEIGHT * bce

    def run(self, steps: int) -> float:
        start = time.perf_counter()
        for batch in dispatches(self._arrays, self.batch_size, steps):
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._forward(*batch)
            loss.backward()
            self._optimizer.step()
        loss.item()  # waits for the device
        return time.perf_counter() - start


def make_torch(batch_size: int, dtype: str, compile: bool = False) -> _Torch:
    """`dtype` is float32 or bfloat16 (torch.autocast); `compile` is for model and loss, not the optimizer."""
    return _Torch(batch_size, dtype, compile)
