"""A workdir in a bucket beside one on disk: an epoch, a save, and the end of a run.

    python benchmarks/bucket.py --config experiments/main.py --latency_ms 30 --rounds 3

Runs of `--epochs` epochs alternate between a folder, and moto's S3 on loopback behind a proxy that holds each
request up by `--latency_ms`. Medians over all epochs but each run's first; the last row is the time from the
end of the loop to the end of the command's lease, in which the rest is sent.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from machine import heading

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]  # the emulator

from emulators import S3_KEYS, s3_server  # noqa: E402
from faulty_proxy import FaultyProxy  # noqa: E402

from wt_jax import config  # noqa: E402
from wt_jax.runtime import jax_setup  # noqa: E402
from wt_jax.runtime.config_flags import parse  # noqa: E402
from wt_jax.storage.workdir import opened  # noqa: E402
from wt_jax.train import train  # noqa: E402

ROWS = ("epoch_seconds", "validation_seconds", "checkpoint_seconds")


def run(options: config.Config, workdir: str, epochs: int) -> dict[str, list[float]]:
    flat = {**config.flatten(options), "workdir": workdir, "train.epochs": epochs, "train.patience": epochs}
    with opened(workdir):
        history = train(config.unflatten(flat)).history
        over_s = time.perf_counter()
    return {**{key: history[key][1:] for key in ROWS}, "end": [time.perf_counter() - over_s]}


def serve(latency_ms: float) -> None:
    """The emulator, in a process of its own, until its standard input ends."""
    with s3_server() as endpoint, FaultyProxy(int(endpoint.rpartition(":")[2])).running() as proxy:
        proxy.latency_s = latency_ms / 1e3
        print(proxy.url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def bucket(latency_ms: float) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", "--latency_ms", str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        os.environ |= {"AWS_ENDPOINT_URL": server.stdout.readline().strip(), **S3_KEYS}
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
        server.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="experiments/main.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--latency_ms", type=float, default=30)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args, overrides = parser.parse_known_args()
    if args.serve:
        serve(args.latency_ms)
        return
    jax_setup.use_compilation_cache()
    options = parse(["--config", args.config, *overrides])
    took: dict[str, dict[str, list[float]]] = {"disk": {}, "bucket": {}}
    with tempfile.TemporaryDirectory() as folder, bucket(args.latency_ms) as url:
        os.environ["WT_JAX_CACHE"] = f"{folder}/cache"
        for i in range(args.rounds):
            for where, place in (("disk", f"{folder}/{i}"), ("bucket", f"{url}/{i}")):
                for key, values_s in run(options, place, args.epochs).items():
                    took[where].setdefault(key, []).extend(values_s)
    print(heading())
    print(f"{'ms':<22}{'disk':>10}{'bucket':>10}")
    for key in (*ROWS, "end"):
        print(f"{key:<22}" + "".join(f"{1e3 * statistics.median(took[w][key]):>10,.0f}" for w in took))


if __name__ == "__main__":
    main()
