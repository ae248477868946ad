"""One exercise more for a checkpoint, from a few clips of it.

The clips and what is known of their repetitions, how they are learned, and an honest score.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "clips": ["Clip", "read_clips"],
        "old_exercises": ["OldExercises", "find_old"],
        "settings": ["adapted", "adapted_counting"],
        "taught": ["load_taught", "save_taught"],
        "trial": ["judge_left_out", "make_judge"],
    },
)
