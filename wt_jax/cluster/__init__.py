"""Commands on the machines of a Ray cluster.

The connection, the processes of one run and their restarts, and jobs that are shared out. Ray is an extra.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "connection": ["connected"],
        "flags": ["Cluster"],
        "launcher": ["launch"],
        "sharing": ["shared_out"],
    },
)
