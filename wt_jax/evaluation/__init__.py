"""How good it is.

Scores of recordings with intervals over groups, what one would try instead, and the reports of both.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "console_report": ["table"],
        "html_report": ["write_html"],
        "recording_result": ["RecordingResult", "make_result"],
        "score_report": ["score"],
    },
)
