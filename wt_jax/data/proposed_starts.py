"""Repetition starts where nobody knows them, by the key angle of an exercise or by what repeats."""

import dataclasses
from collections.abc import Sequence

from wt_jax.counting.principal_motion import untaught_starts
from wt_jax.data.recordings import AnyRecording


def propose_starts(recordings: Sequence[AnyRecording]) -> list[AnyRecording]:
    """The recordings, with starts found without a model where nobody knows them."""
    proposed: list[AnyRecording] = []
    found: list[int] = []
    for recording in recordings:
        if recording.starts is None:
            whole = recording.load()
            starts = untaught_starts(whole.angles_FxJ, whole.valid_F, whole.class_name)
            recording = dataclasses.replace(recording, starts=starts)
            found.append(len(starts))
        proposed.append(recording)
    print(
        f"{sum(found)} repetition starts proposed by the key angle in {len(found)} recordings without labels"
    )
    return proposed
