"""People who never were, as landmarks.

Bodies, the exercises and all else that they do, and the camera that films them as a pose estimator sees it.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "bodies": ["Body"],
        "joint_tracks": ["JointTrack", "load_track"],
        "mocap": ["film_track"],
        "motion": ["REPERTOIRE", "SyntheticMotion", "synthetic_motion"],
    },
)
