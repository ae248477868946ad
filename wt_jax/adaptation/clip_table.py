"""The clips as a table: what is known of each, and what a training without it says."""

from collections.abc import Sequence

from wt_jax.adaptation.clips import Clip
from wt_jax.evaluation.recording_result import RecordingResult
from wt_jax.runtime.printable import printable
from wt_jax.skeleton import FRAME_RATE_HZ, NO_EXERCISE


class ClipTable:
    """Its rows, one by one, as wide as the longest name among `clips`; `is_judged`: each is left out once."""

    def __init__(self, clips: Sequence[Clip], is_judged: bool):
        self._width = max(len("clip"), *(len(printable(clip.path.name)) for clip in clips))
        self.heading = f"{'clip':<{self._width}}{'seconds':>9}{'repetitions':>13}  {'known from':<11}"
        self.heading += f"{'left out':>10}  exercise" if is_judged else ""

    def row(self, clip: Clip, said: RecordingResult | None = None) -> str:
        """Of a clip, and what a training without it `said`."""
        seconds = len(clip.recording) / FRAME_RATE_HZ
        row = f"{printable(clip.path.name):<{self._width}}{seconds:>9.1f}{clip.n_starts:>13}"
        row += f"  {clip.origin:<11}"
        if said:
            counted = [repetition.class_name for repetition in said.repetitions]
            named = max(dict.fromkeys(counted), key=counted.count, default=NO_EXERCISE)
            row += f"{said.n_end_to_end:>10}  {named}"
        return row.rstrip()
