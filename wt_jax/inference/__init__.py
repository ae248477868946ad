"""A trained checkpoint, asked.

Of a recording, of a video or landmarks, or of frames as they come from a camera; and how it is calibrated.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "calibration": ["calibrate"],
        "predictor": ["Predictor"],
        "restore": ["restore_model"],
        "restored_model": ["RestoredModel"],
        "results": ["write_results"],
        "sliding_window": ["make_timelines"],
        "streaming": ["Stream"],
    },
)
