"""The checkpoint in the box, `wt_jax/pretrained`: weights as float16, and what is to be said of them."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from wt_jax import config
from wt_jax.inference.restored_model import RestoredModel
from wt_jax.options import all_options
from wt_jax.runtime.files import read_sealed, sha256, write_sealed, written_beside
from wt_jax.runtime.version import find_version
from wt_jax.training.checkpoint_meta import check_meta
from wt_jax.training.step_folder import METRIC, DamagedError, counting_of
from wt_jax.training.train_step import state_template

PRETRAINED = "pretrained"  # names it where a workdir is asked for; ./pretrained is a folder of somebody's own
BOX = Path(__file__).parents[1] / PRETRAINED
MOST_BYTES = 3_000_000
_WEIGHTS, _ABOUT = "weights.npz", "checkpoint.json"


def write_pretrained(trained: RestoredModel, folder: Path) -> dict[str, Any]:
    """Puts a run's checkpoint into the box `folder`, whole or not at all; returns what its JSON holds.

    Nothing of the machine that trained it goes along. Raises ValueError for one that there is a remark on,
    for weights beyond float16, and for more than `MOST_BYTES`.
    """
    if trained.remark:
        raise ValueError(f"{trained.name}: {trained.remark}: not fit for the box")
    with np.errstate(over="ignore"):
        weights: dict[str, Any] = {
            name: np.asarray(values, np.float16)
            for name, values in flatten_dict(jax.device_get(trained.params), sep="/").items()
        }
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise ValueError(f"{trained.name}: holds weights beyond float16 ({np.finfo(np.float16).max:g})")
    with written_beside(folder / _WEIGHTS) as weights_file, written_beside(folder / _ABOUT) as about_file:
        np.savez_compressed(weights_file, **weights)
        about = {
            "wt_jax": find_version(),
            "date": datetime.date.today().isoformat(),
            "step": trained.step,
            "weights_sha256": sha256(weights_file),
            "counting": trained.counting.values(),
            "meta": _without_places(trained.meta),
        }
        write_sealed(about_file, about)
        n_bytes = weights_file.stat().st_size + about_file.stat().st_size
        if n_bytes > MOST_BYTES:
            raise ValueError(
                f"{trained.name}: {n_bytes:,} bytes for the box, {MOST_BYTES:,} are the most: fewer "
                "model.filters, or fewer recordings to list"
            )
    return about


def read_about(folder: Path) -> dict[str, Any]:
    """What the box says of itself. Raises DamagedError where that is not as it was written."""
    path = folder / _ABOUT
    try:
        about = read_sealed(path)
        about = {**about, "meta": check_meta(about["meta"], path)}
        if sha256(folder / _WEIGHTS) != about["weights_sha256"]:
            raise ValueError(f"{folder / _WEIGHTS}: not as it was written (SHA-256 differs)")
    except (ValueError, OSError) as error:
        raise DamagedError(
            f"{error}: the checkpoint in the box is damaged: install wt_jax again, or name another: "
            "--checkpoint DIR"
        ) from None
    return about


def restore_pretrained(folder: Path, devices: Sequence[jax.Device]) -> RestoredModel:
    """The checkpoint in the box `folder`, on these devices. Raises DamagedError as `read_about` does."""
    about = read_about(folder)
    options = config.unflatten(about["meta"]["config"])
    template = flatten_dict(state_template(options, devices).params, sep="/")
    with np.load(folder / _WEIGHTS) as archive:
        weights = dict(archive)
    shapes = {name: values.shape for name, values in weights.items()}
    if shapes != {name: leaf.shape for name, leaf in template.items()}:
        raise DamagedError(f"{folder / _WEIGHTS}: not of this model: docs/write_pretrained.py writes it anew")
    params = {
        name: jax.device_put(weights[name].astype(leaf.dtype), leaf.sharding)
        for name, leaf in template.items()
    }
    return RestoredModel(
        name=PRETRAINED,
        step=about["step"],
        options=options,
        params=unflatten_dict(params, sep="/"),
        chosen=counting_of(about["counting"]),
        meta=about["meta"],
        remark="",
    )


def _without_places(meta: dict[str, Any]) -> dict[str, Any]:
    """Without the folders of the machine, the recordings' names, and what the run said of its speed."""
    places = {o.key: o.default for o in all_options(config.Config()) if o.about["is_place"]}
    return {
        **meta,
        "config": {key: places.get(key, value) for key, value in meta["config"].items()} | {"train.init": ""},
        "root": "",
        "recordings": "",
        "split": {},
        "parents": [{**parent, "name": Path(parent["name"]).name} for parent in meta["parents"]],
        "history": {name: meta["history"][name] for name in ("loss", METRIC) if name in meta["history"]},
    }
