"""Better settings, looked for: a space, the trials that Optuna takes of it, and what they come to."""

from wt_jax.search.space import log, one_of, uniform, whole

__all__ = ["log", "one_of", "uniform", "whole"]
