"""Repetition starts where nobody knows them, by the key angle."""

import dataclasses
from collections.abc import Sequence

from wt_jax.counting.key_angle import angle_starts
from wt_jax.data.recordings import AnyRecording


def propose_starts(recordings: Sequence[AnyRecording]) -> list[AnyRecording]:
    """The recordings, with starts by the key angle where nobody knows them."""
    proposed: list[AnyRecording] = []
    found: list[int] = []
    for recording in recordings:
        if recording.starts is None:
            whole = recording.load()
            starts = angle_starts(whole.angles_FxJ, whole.valid_F, whole.class_name)
            recording = dataclasses.replace(recording, starts=starts)
            found.append(len(starts))
        proposed.append(recording)
    print(
        f"{sum(found)} repetition starts proposed by the key angle in {len(found)} recordings without labels"
    )
    return proposed
