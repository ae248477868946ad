"""From a timeline to exercises and repetitions.

How a model's outputs over a video are read, and the counters that need none: by one joint
angle, by what repeats.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "doubt": ["Doubt"],
        "decoding": ["Repetition"],
        "key_angle": ["angle_starts"],
        "naming": ["Candidate", "Undecided"],
        "prediction": ["Prediction", "read_timeline"],
        "principal_motion": ["motion_starts"],
        "segments": ["Segment"],
        "settings": ["Counting"],
        "timeline": ["Timeline"],
    },
)
