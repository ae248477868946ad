"""Repetition starts marked by hand, in a window.

The marks and the file they are kept in, the editor and its keys, what is drawn, and marks proposed.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "editor": ["Editor"],
        "marked_starts": ["MarkedStarts", "MarkedStartsFile"],
        "proposals": ["propose"],
    },
)
