"""From a folder of landmarks and labels to recordings, each in one split.

Label files and tables read and written, recordings built and kept, and synthetic ones for who has none yet.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "builder": ["build"],
        "labels": ["read_starts", "write_starts"],
        "loading": ["Dataset", "load_dataset"],
        "recordings": ["Recording", "load_recording", "load_recordings", "save_recording"],
        "synthetic_recordings": ["make_recordings", "mocap_recordings"],
    },
)
