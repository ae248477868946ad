"""Moving pictures in and out.

Video files and cameras as frames with their times, video files written, a window on the screen.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "formats": ["VIDEO_SUFFIXES"],
        "live_feed": ["LiveFeed"],
        "reader": ["Video"],
        "window": ["Window"],
        "writer": ["PacedWriter", "VideoWriter"],
    },
)
