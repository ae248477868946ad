"""Repetition starts marked by hand, in a window.

The marks and their file, the editor with its keys and the mouse, the curves, what is drawn, marks proposed,
and labels that a model contradicts.
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
