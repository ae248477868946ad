"""Repetition starts where nobody knows them, by the key angle."""

import dataclasses
from collections.abc import Sequence

from wt_jax.counting.key_angle import angle_starts
from wt_jax.data.recordings import Recording


def propose_starts(recordings: Sequence[Recording]) -> list[Recording]:
    """The recordings, with starts by the key angle where nobody knows them."""
    proposed, found = [], []
    for recording in recordings:
        if recording.starts is None:
            starts = angle_starts(recording.angles_FxJ, recording.valid_F, recording.class_name)
            recording = dataclasses.replace(recording, starts=starts)
            found.append(len(starts))
        proposed.append(recording)
    print(
        f"{sum(found)} repetition starts proposed by the key angle in {len(found)} recordings without labels"
    )
    return proposed
