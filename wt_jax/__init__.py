"""wt_jax: which exercise, and how many repetitions, from videos of people exercising.

`wt_jax.train(config)`, `wt_jax.evaluate(workdir)` and `Predictor.restore(workdir)` do what the commands do;
the rooms (`wt_jax.pose`, `wt_jax.data`, ...) list what they offer. All is imported when it is first used.
"""

import sys

import lazy_loader as lazy

if sys.argv[:1] == ["-m"]:  # python -m wt_jax.COMMAND: its imports follow
    from wt_jax.runtime import cli

    cli.begin_process()

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "config",
        "evaluate",
        "train",
        "adaptation",
        "cluster",
        "compilation",
        "counting",
        "data",
        "evaluation",
        "exporting",
        "inference",
        "input_pipeline",
        "labeling",
        "models",
        "pose",
        "runtime",
        "search",
        "storage",
        "synthetic",
        "training",
        "video",
        "visualization",
    ],
    submod_attrs={
        "config": ["Config"],
        "evaluate": ["Evaluation"],
        "training.result": ["TrainingResult"],
        "counting.prediction": ["Prediction"],
        "inference.predictor": ["Predictor"],
        "runtime.version": ["__version__"],
    },
)
