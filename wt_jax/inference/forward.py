"""What a network says of recordings, here or by the workers of a cluster: their timelines and sums."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

from wt_jax import config
from wt_jax.cluster.flags import Cluster
from wt_jax.cluster.shares import share_out
from wt_jax.cluster.sharing import shared_out
from wt_jax.counting.timeline import Timeline
from wt_jax.data.recordings import Recording
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.runtime import jax_setup
from wt_jax.training.metrics import Sums
from wt_jax.training.validation import make_evaluation_of_each

Said = tuple[Timeline, Sums]  # of a recording: frame by frame, and over its windows


def forward(options: config.Config, params: Any, recordings: Sequence[Recording]) -> list[Said]:
    """Of each recording, on the devices of this process."""
    timelines = make_timelines(options)(params, recordings)
    sums = make_evaluation_of_each(options, recordings, jax.local_devices())(params)
    return list(zip(timelines, sums, strict=True))


def forward_on(
    cluster: Cluster, options: config.Config, params: Any, recordings: Sequence[Recording]
) -> list[Said]:
    """The same, by workers that are sent their recordings and the parameters: they look for no files.

    Windows are batched with others than in one process, which changes a float's last digits at most. Raises
    ValueError as `shared_out` does, and where a share's workers died.
    """
    assert cluster.workers
    shares = share_out([len(recording.valid_F) for recording in recordings], cluster.workers)
    work = partial(_forward_share, config.flatten(options), jax.device_get(params))
    said: dict[int, Said] = {}
    for n, result in shared_out(work, [[recordings[i] for i in share] for share in shares], cluster):
        if result is None:
            raise ValueError(
                f"--cluster {cluster.address}: three workers died of the same {len(shares[n])} recordings: "
                "not enough memory? More --workers have less each"
            )
        said |= zip(shares[n], result, strict=True)
    return [said[i] for i in range(len(recordings))]


def _forward_share(flat: dict[str, Any], params: Any, recordings: Sequence[Recording]) -> list[Said]:
    jax_setup.use_compilation_cache()
    return forward(config.unflatten(flat), params, recordings)
