"""Buckets.

Objects written whole, the lease of a run, and the copies that this machine works on.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "bucket": ["Bucket"],
        "copies": ["copy_of_file", "copy_of_folder", "copy_of_run"],
        "lease": ["Lease"],
        "mirror": ["Mirror"],
        "places": ["is_remote", "local"],
    },
)
