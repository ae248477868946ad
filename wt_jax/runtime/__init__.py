"""What every command stands on.

Command lines and signals, files written whole or not at all, JAX's settings, the processes of a run.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "cli": ["Stop", "catch_stop"],
        "files": ["only_writer", "written_beside"],
        "jax_setup": ["keep_freed", "use_compilation_cache"],
    },
)
