"""Puts a finished run's checkpoint into the box, and its facts into docs/pretrained.md.

    python docs/write_pretrained.py WORKDIR

Refuses a run whose training is not over, or that chose no thresholds, and more than 3 MB.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import jax

from wt_jax import config
from wt_jax.inference.pretrained import BOX, write_pretrained
from wt_jax.inference.restore import restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime.arguments import ArgumentParser
from wt_jax.runtime.cli import run
from wt_jax.runtime.files import written_beside
from wt_jax.training.step_folder import METRIC

CARD = Path(__file__).with_name("pretrained.md")
BEGIN, END = "<!-- written by docs/write_pretrained.py -->\n", "<!-- until here -->\n"


def facts(trained: RestoredModel, about: dict[str, Any]) -> str:
    """The table of the model card."""
    meta, default = trained.meta, config.flatten(config.Config())
    classes = Counter(name.split("/")[0] for name, part in meta["split"].items() if part == "train")
    chosen = about["meta"]["config"]
    changed = {key: chosen[key] for key in default if chosen[key] != _plain(default[key])}
    rows = {
        "trained on data": meta["data"],
        "recordings trained on": f"{len(meta['trained_on']):,}: "
        + ", ".join(f"{name} {n:,}" for name, n in classes.items()),
        "fingerprint of the data": f"`{meta['fingerprint']}`",
        "options that are not the defaults": ", ".join(f"`{key}={value}`" for key, value in changed.items()),
        "epoch, step": f"{len(meta['history']['loss'])}, {trained.step:,}",
        "validation segmentation loss": f"{meta['history'][METRIC][-1]:.4f}",
        "parameters": f"{sum(leaf.size for leaf in jax.tree.leaves(trained.params)):,}, as float16",
        "SHA-256 of the weights": f"`{about['weights_sha256']}`",
        "written": f"{about['date']}, wt_jax {about['wt_jax']}",
    }
    return "".join(["| | |\n|---|---|\n", *(f"| {name} | {value} |\n" for name, value in rows.items())])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def main(argv: list[str]) -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workdir", type=Path, metavar="WORKDIR", help="of the training run")
    trained = restore_model(parser.parse_args(argv).workdir, jax.local_devices()[:1])
    before, rest = CARD.read_text().split(BEGIN)
    after = rest.split(END)[1]
    about = write_pretrained(trained, BOX)
    with written_beside(CARD) as beside:
        beside.write_text("".join([before, BEGIN, facts(trained, about), END, after]))
    n_bytes = sum(path.stat().st_size for path in BOX.iterdir())
    print(f"{BOX}: {n_bytes:,} bytes, of {trained.name}, step {trained.step}; facts in {CARD}")
    return 0


if __name__ == "__main__":
    run(main)
