"""From recordings to batches.

Windows by index, the balanced sampler, augmentation, and the features that a model sees of a frame.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "balanced_sampler": ["make_train_batches"],
        "features": ["make_inputs", "n_inputs"],
        "windows": ["Windows", "lay_out"],
    },
)
