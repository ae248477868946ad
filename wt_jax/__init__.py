"""wt_jax: which exercise, and how many repetitions, from videos of people exercising."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wt_jax.counting.prediction import Prediction
    from wt_jax.inference.predictor import Predictor

__all__ = ["Prediction", "Predictor"]


def __getattr__(name: str) -> Any:
    """The Python doors, imported when they are asked for: whoever only imports wt_jax waits for no JAX."""
    if name == "Predictor":
        from wt_jax.inference.predictor import Predictor

        return Predictor
    if name == "Prediction":
        from wt_jax.counting.prediction import Prediction

        return Prediction
    raise AttributeError(f"module 'wt_jax' has no attribute {name!r}")
