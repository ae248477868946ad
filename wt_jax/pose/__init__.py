"""From pictures to a body.

Landmarks, found by MediaPipe in one video or a folder of them, kept in files, and joint angles made of them.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "estimator": ["PoseEstimator"],
        "extraction": ["extract"],
        "folder_extraction": ["extract_folder"],
        "joint_angles": ["pose_sequence"],
        "landmarks": ["Landmarks", "load_landmarks", "save_landmarks"],
        "model_file": ["pose_model"],
    },
)
