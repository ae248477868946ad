"""A checkpoint as others run it.

From landmarks to answers in one graph, in the formats of other runtimes, and how near those come to JAX.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "formats": ["FORMATS"],
        "parity": ["Parity", "compare"],
    },
)
