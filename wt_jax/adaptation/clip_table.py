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
        self._said: list[tuple[Clip, int, str]] = []  # of each clip left out: repetitions, and of what

    def row(self, clip: Clip, said: RecordingResult | None = None) -> str:
        """Of a clip, and what a training without it `said`."""
        seconds = len(clip.recording) / FRAME_RATE_HZ
        row = f"{printable(clip.path.name):<{self._width}}{seconds:>9.1f}{clip.n_starts:>13}"
        row += f"  {clip.origin:<11}"
        if said:
            counted = [repetition.class_name for repetition in said.repetitions]
            named = max(dict.fromkeys(counted), key=counted.count, default=NO_EXERCISE)
            row += f"{said.n_end_to_end:>10}  {named}"
            self._said.append((clip, said.n_end_to_end, named))
        return row.rstrip()

    def verdict(self, name: str) -> list[str]:
        """What the rows come to, and which are taken for another exercise; [] where none was left out."""
        if not self._said:
            return []
        right = sum(named == name for _, _, named in self._said)
        near = sum(abs(count - clip.n_starts) <= 1 for clip, count, _ in self._said)
        of = f"of {len(self._said)}"
        lines = [f"left out: {right} {of} named {name}, {near} {of} counted to within one"]
        if not near:
            lines.append("note: none is counted as it is known: are the counts right? is it one exercise?")
        return lines + [
            f"note: {printable(clip.path.name)} is taken for {named}: is it in the right folder?"
            for clip, _, named in self._said
            if named not in (name, NO_EXERCISE)
        ]
