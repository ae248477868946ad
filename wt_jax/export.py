"""`python -m wt_jax.export --checkpoint DIR --format onnx --output OUT`: a checkpoint for other runtimes."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wt_jax.data.loading import load_dataset, synthetic_dataset
from wt_jax.data.recordings import Recording
from wt_jax.exporting.formats import FORMATS
from wt_jax.exporting.model_card import model_card
from wt_jax.exporting.parity import TOLERANCES, compare, parity_document, parity_lines
from wt_jax.exporting.web import find_parts, write_page
from wt_jax.inference.exported import CARD
from wt_jax.inference.restore import restore_model
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.runtime import cli, jax_setup
from wt_jax.runtime.arguments import ArgumentParser, add_pose_model
from wt_jax.runtime.files import cache_folder, write_json, written_beside
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import is_remote, place

PARITY = "parity.json"
_RECORDINGS = 50
_ABOUT = (
    "Writes a checkpoint as one file that other runtimes run, from landmarks to class probabilities and "
    "start signal; beside it model.json, all that a client has to know, and parity.json, how near JAX it is."
)


def main(arguments: Sequence[str]) -> None:
    """The command."""
    parser = ArgumentParser(prog="python -m wt_jax.export", description=_ABOUT)
    parser.add_argument(
        "--checkpoint", required=True, metavar="DIR",
        help="workdir of a training run; or pretrained, the checkpoint in the box",
    )  # fmt: skip
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument(
        "--dtype", default="float32", choices=TOLERANCES, help="of the weights (default: float32)"
    )
    parser.add_argument(
        "--data", metavar="ROOT",
        help="data root whose recordings it is compared on (default: synthetic people)",
    )  # fmt: skip
    parser.add_argument("--output", required=True, type=place, metavar="OUT", help="a new folder")
    add_pose_model(parser, "of --format web: ")
    parser.add_argument(
        "--npm", type=Path, metavar="DIR",
        help="of --format web: folder with the tarballs that npm would fetch (default: npm fetches them)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    kind, output = FORMATS[options.format], Outbox(options.output)
    if options.dtype not in kind.weights:
        raise ValueError(f"--dtype {options.dtype}: {options.format} has {' and '.join(kind.weights)}")
    if not output.is_empty or not output.is_writable:
        raise ValueError(
            f"--output {output.place}: is there already, or cannot be written: name a new folder"
        )
    if options.format != "web" and (options.npm or options.pose_model):
        raise ValueError(
            f"--npm and --pose_model: nothing of --format {options.format} needs them: leave them out"
        )
    parts = find_parts(options.npm, options.pose_model) if options.format == "web" else None
    jax_setup.use_compilation_cache()
    trained = restore_model(options.checkpoint, jax.local_devices()[:1])
    if trained.remark:
        print(f"warning: {trained.name}: {trained.remark}")
    with written_beside(output.folder) as folder:
        folder.mkdir()
        file = folder / kind.file_name
        print(f"{trained.name}: writing {kind.file_name} ({options.dtype})", flush=True)
        kind.write(trained, options.dtype, file)
        write_json(folder / CARD, model_card(trained, file, kind.batch))
        data, recordings = _recordings(trained, options.data)
        print(f"comparing it with JAX on {len(recordings)} recordings of {data}", flush=True)
        parity = compare(trained, kind.run(file), recordings)
        about = {"format": options.format, "dtype": options.dtype, "data": data, **_where(kind.runtime)}
        size = file.stat().st_size
        print("\n".join(parity_lines(parity, size)))
        if not parity.largest <= TOLERANCES[options.dtype]:  # NaN is not
            raise ValueError(
                f"--format {options.format}: {parity.largest:.2g} from JAX, and "
                f"{TOLERANCES[options.dtype]:g} is the most for {options.dtype}: nothing is written"
            )
        write_json(folder / PARITY, parity_document(parity, size, about))
        if parts:
            write_page(folder, parts)
    output.send(last=CARD)
    print(f"{output.place}: {kind.file_name}, {CARD}, {PARITY}")
    if parts and not is_remote(output.place):
        print(
            f"to try it: python -m http.server --bind 127.0.0.1 --directory {output.place}, then "
            "http://localhost:8000"
        )


def _recordings(trained: RestoredModel, root: str | None) -> tuple[str, list[Recording]]:
    """Recordings to compare on, from all over the data, and what that is called."""
    data = trained.options.data
    if root is None:
        dataset = synthetic_dataset(data.classes, data.synthetic_people, ("test",))
    else:
        dataset = load_dataset(root, "", data.classes, cache_folder() / "recordings", data.max_minutes)
    n = len(dataset.recordings)
    chosen = np.linspace(0, n - 1, min(n, _RECORDINGS)).round().astype(int)
    recordings = [dataset.recordings[i].load() for i in chosen]
    if lacking := [one.name for one in recordings if one.points_FxLx3 is None]:
        raise ValueError(f"--data {root}: {lacking[0]} holds no landmarks, which the exported model reads")
    if not any(one.valid_F.any() for one in recordings):
        raise ValueError("nobody to compare the exported model on: say --data ROOT, of people to be seen")
    return dataset.data, recordings


def _where(runtime: str) -> dict[str, Any]:
    """When, on what machine and with which versions it is compared."""
    versions = {name: importlib.metadata.version(name) for name in dict.fromkeys(("jax", runtime))}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), **versions},
    }


if __name__ == "__main__":
    cli.run(main)
