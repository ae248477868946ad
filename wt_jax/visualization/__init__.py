"""Pictures for people.

Figures of timelines and scores, and what is drawn into the frames of a video.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "drawing": ["draw_panel", "draw_skeleton"],
        "learning_curves": ["draw_learning_curves"],
        "overlay": ["annotate"],
        "plots": ["draw_prediction", "draw_timeline"],
        "score_plots": ["draw_confusion", "draw_counts", "draw_curves", "draw_reliability", "draw_trade_off"],
    },
)
