"""A run in a bucket: killed, stopped, moved to another machine, on a network that does what networks do."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from emulators import S3_KEYS, s3_server
from faults.stops import start, train_arguments
from faults.table import Outcome
from faulty_proxy import FaultyProxy
from training_runs import assert_same_run

from wt_jax.storage.places import run_folder

_LONGEST_S = 300
_SIGNALS = (signal.SIGKILL, signal.SIGTERM)
_FAULTS = ("away", "503", "cut", "lost", "slow")


def buckets(root: Path, unbroken: Path, folder: Path, rng: random.Random, n_runs: int) -> Iterator[Outcome]:
    """Runs that meet something at random moments, each until its end; then they are the unbroken one.

    After a signal the same command goes on, from an empty cache half of the times, as on another machine.
    """
    with s3_server() as endpoint, FaultyProxy(int(endpoint.rpartition(":")[2])).running() as proxy:
        os.environ |= {"AWS_ENDPOINT_URL": proxy.url, **S3_KEYS}
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        for run in range(n_runs):
            place, status, n_starts = f"s3://bucket/{run}", None, 0
            while status != 0:
                if n_starts == 0 or rng.random() < 0.5:
                    os.environ["WT_JAX_CACHE"] = str(folder / f"cache-{run}-{n_starts}")
                n_starts += 1
                process = start(train_arguments(root, place))
                met = [_meet(rng, proxy, process) for _ in range(3)]
                out, err = process.communicate(timeout=_LONGEST_S)
                status, words = process.returncode, ", ".join(met)
                said = "; ".join([*out.strip().splitlines()[-1:], *err.strip().splitlines()[-1:]])
                is_promised = "Traceback" not in err and status in (0, -9, 143, -15) and n_starts <= 40
                yield Outcome("bucket", f"run {run}: {words}", f"status {status}: {said[:200]}", is_promised)
                if not is_promised:
                    return
            try:
                assert_same_run(unbroken, run_folder(place))
                yield Outcome("bucket", f"run {run} at its end", "bit for bit the unbroken run", True)
            except AssertionError as error:
                yield Outcome("bucket", f"run {run} at its end", f"differs: {error}", False)


def _meet(rng: random.Random, proxy: FaultyProxy, process) -> str:
    """Lets a run meet something; says what."""
    after_s = rng.uniform(0.5, 5)
    time.sleep(after_s)
    if process.poll() is not None:
        return "over"
    if rng.random() < 0.4:
        number = rng.choice(_SIGNALS)
        process.send_signal(number)
        return f"{number.name} after {after_s:.1f} s"
    fault, lasts_s = rng.choice(_FAULTS), rng.uniform(0.5, 6)
    proxy.meet(fault)
    time.sleep(lasts_s)
    proxy.meet("")
    return f"{fault} after {after_s:.1f} s for {lasts_s:.1f} s"
