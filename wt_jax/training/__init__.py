"""The training step and all around it.

Losses, metrics, optimizer, validation, checkpoints, the history, and the setup of a run.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "checkpoint_reader": ["CheckpointReader", "open_served"],
        "checkpoints": ["Checkpoints"],
        "history": ["History"],
        "result": ["TrainingResult"],
        "setup": ["TrainingRun", "start_run"],
    },
)
