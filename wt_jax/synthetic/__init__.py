"""People who never were, as landmarks.

Bodies, the exercises and other activities that they do, and the camera that films them.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "activities": ["ACTIVITIES"],
        "bodies": ["Body"],
        "exercises": ["EXERCISES"],
        "joint_tracks": ["JointTrack", "load_track"],
        "mocap": ["film_track"],
        "motion": ["SyntheticMotion", "synthetic_motion"],
    },
)
