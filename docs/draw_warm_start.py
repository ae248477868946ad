"""Draws docs/images/warm_start.png: `python docs/draw_warm_start.py`, some ten minutes on two CPU cores.

Runs the commands of training.md ("Start from a checkpoint") in the folder where it is called, and then as
many epochs from drawn weights. That folder must hold experiments/ and checkpoints/main, by the README's first
command; other runs that are there are taken up.
"""

import json
import re
import subprocess
from pathlib import Path

from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent
IMAGE = DOCS / "images" / "warm_start.png"
COMMANDS = re.search(
    r"## Start from a checkpoint.*?```sh\n(.*?)```", (DOCS / "training.md").read_text(), re.DOTALL
)[1]
CLASSES = re.search(r"--config\.data\.classes=\S+", COMMANDS)[0]
DRAWN = (
    "python -m wt_jax.train --config experiments/main.py --config.workdir=checkpoints/drawn "
    f"--config.train.epochs=30 {CLASSES}"
)
SAID = ("1  the heads alone", "2  thawing, from the top, one a epoch", "3  all of it, at a small rate")
PANELS = {
    "val_segmentation_loss": "validation segmentation loss",
    "val_classification_accuracy": "share of validation windows whose exercise is right",
}


def history(workdir: str) -> dict[str, list[float]]:
    return json.loads((Path(workdir) / "training_history.json").read_text())


def main() -> None:
    subprocess.run(["bash", "-e", "-c", COMMANDS + DRAWN], check=True)
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axis, (key, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        drawn, first = history("checkpoints/drawn")[key], 1
        axis.plot(range(1, len(drawn) + 1), drawn, "0.6", label="from drawn weights")
        for i, workdir in enumerate(re.findall(r"config\.workdir=(\S+)", COMMANDS)):
            values = history(workdir)[key]
            axis.plot(range(first, first + len(values)), values, f"C{i}o-", markersize=3, label=SAID[i])
            first += len(values)
        axis.set(title=title, xlabel="epoch, of all three runs")
        axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.savefig(IMAGE, dpi=100)


if __name__ == "__main__":
    main()
