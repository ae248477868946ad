"""What a run would cost on accelerators that are not here.

Its programs compiled for them, what these move and start, the bounds that follow, and their report.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "program_cost": ["ProgramCost"],
        "roofline": ["Roofline"],
        "targets": ["TARGETS", "Target"],
    },
)
