"""The network.

A temporal convolutional network with two heads, its layers, and what it is made of.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "summary": ["window_flops"],
        "tcn": ["WorkoutModel", "init_params", "make_model"],
    },
)
