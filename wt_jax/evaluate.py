"""`python -m wt_jax.evaluate`: the best checkpoint on a split's windows."""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wt_jax import commands, config
from wt_jax.checkpoint import open_best
from wt_jax.corpus import SYNTHETIC, Corpus, load_corpus
from wt_jax.files import written_beside
from wt_jax.metrics import Sums, macro_f1, scores
from wt_jax.pipeline import padded_batches
from wt_jax.splits import SPLITS
from wt_jax.steps import explain_out_of_memory, make_eval_batch, put_sequences, state_template
from wt_jax.windows import cut_windows, make_sequences


def make_evaluation(
    options: config.Config, recordings: Sequence, devices: Sequence[jax.Device]
) -> Callable[[Any], Sums]:
    """Returns evaluate(params) -> Sums over all windows of `recordings`, every `data.eval_stride_frames`.

    Exact: each window counts once, the last batch is padded and its padding masked. Raises ValueError
    where no recording is as long as a window.
    """
    sequences = make_sequences(recordings, options.data.classes, options.labels)
    windows = cut_windows(recordings, sequences, options.data.window_frames, options.data.eval_stride_frames)
    for name in windows.too_short:
        print(f"left out: {name}: shorter than a window")
    if not len(windows.firsts_N):
        raise ValueError(
            f"no usable window of {options.data.window_frames} frames in {len(recordings)} recordings"
        )
    per_device = -(-min(options.train.eval_batch_size, len(windows.firsts_N)) // len(devices))
    batches = padded_batches(windows.firsts_N, per_device * len(devices))
    on_devices = put_sequences(sequences, devices)
    eval_batch = make_eval_batch(options, devices)

    def evaluate(params: Any) -> Sums:
        # Several CPU devices on a small machine deadlock when steps are queued without waiting.
        sums = [jax.device_get(eval_batch(params, on_devices, firsts_B)) for firsts_B in batches]
        return jax.tree.map(lambda *values: np.sum(np.stack(values), 0, _wide(values[0])), *sums)

    return evaluate


def _wide(value: np.ndarray) -> type:
    return np.float64 if np.issubdtype(np.asarray(value).dtype, np.floating) else np.int64


def _finite_or_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite_or_null(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def make_report(
    options: config.Config, corpus: Corpus, split: str, n_recordings: int, sums: Sums
) -> dict[str, Any]:
    """The report's JSON: scores that cannot be computed (nothing to count) are null."""
    values = scores(sums, options.loss.segmentation_weight)
    confusion = np.asarray(sums.confusion_CxC)
    report = {
        "data": corpus.data,
        "split": split,
        "recordings": n_recordings,
        "windows": int(confusion.sum()),
        "frames": int(np.asarray(sums.histogram_2xN).sum()),
        "exercise": {
            "loss": values["classification_loss"],
            "accuracy_window": values["classification_accuracy"],
            "macro_f1_window": macro_f1(confusion),
            "majority_accuracy_window": float(confusion.sum(1).max() / max(confusion.sum(), 1)),
            "classes": list(options.data.classes),
            "confusion": confusion.tolist(),
        },
        "segmentation": {
            name: values[f"segmentation_{name}"]
            for name in ("loss", "accuracy", "precision", "recall", "auc")
        },
    }
    return _finite_or_null(report)


def table(report: dict[str, Any]) -> str:
    """The report for the console."""

    def number(value: float | None) -> str:
        return "     -" if value is None else f"{value:6.4f}"

    exercise, segmentation = report["exercise"], report["segmentation"]
    lines = [
        f"data: {report['data']}   split: {report['split']}   recordings: {report['recordings']}   "
        f"windows of known class: {report['windows']:,}   frames of known repetitions: {report['frames']:,}",
        f"exercise       accuracy {number(exercise['accuracy_window'])}   "
        f"macro-F1 {number(exercise['macro_f1_window'])}   loss {number(exercise['loss'])}   "
        f"(always the largest class: accuracy {number(exercise['majority_accuracy_window'])})",
        "repetition     " + "   ".join(f"{name} {number(value)}" for name, value in segmentation.items()),
        "confusion of windows (rows: true, columns: predicted)",
        f"{'':<16}" + "".join(f"{name[:12]:>13}" for name in exercise["classes"]),
    ]
    for name, row in zip(exercise["classes"], exercise["confusion"], strict=True):
        lines.append(f"{name[:15]:<16}" + "".join(f"{count:>13,}" for count in row))
    return "\n".join(lines)


def evaluate(checkpoint: Path, root: str | None, recordings: str, split: str) -> dict[str, Any]:
    """Restores the best checkpoint in `checkpoint` on this machine's devices and scores a split.

    `root` None: the data that it was trained beside. Raises ValueError where the split is empty, or
    holds recordings that the checkpoint was trained on under another name of split.
    """
    checkpoints, step = open_best(checkpoint)
    meta = checkpoints.meta(step)
    options = config.unflatten(meta["config"])
    if root is None:
        root = options.data.root if meta["data"] == SYNTHETIC else meta["root"]
        recordings = recordings or meta["recordings"]
    corpus = load_corpus(root, recordings, options.data.classes, checkpoint / "recordings")
    if corpus.data == SYNTHETIC and meta["data"] != SYNTHETIC:
        raise ValueError(f"--data {root}: holds no data, and the checkpoint was trained on {meta['data']}")
    chosen = corpus.split(*(SPLITS if split == "all" else (split,)))
    if not chosen:
        raise ValueError(f"--split {split}: no recording of {root} is in it; try --split all")
    trained_on = set(meta["trained_on"])
    seen = [recording.name for recording in chosen if recording.content in trained_on]
    if seen and split in ("val", "test"):
        raise ValueError(
            f"--split {split}: {len(seen)} of its recordings were trained on ({', '.join(seen[:3])}): a "
            "score on them says nothing of new people; use --split train or all"
        )
    devices = jax.local_devices()
    print(f"checkpoint: {checkpoint}, step {step}, trained on data: {meta['data']}")
    try:
        params = checkpoints.restore(step, state_template(options, devices)).params
        sums = make_evaluation(options, chosen, devices)(params)
    except jax.errors.JaxRuntimeError as error:
        raise explain_out_of_memory(error, options) or error from error
    finally:
        checkpoints.close()
    return {**make_report(options, corpus, split, len(chosen), sums), "checkpoint_step": step}


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m wt_jax.evaluate", description=__doc__)
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="DIR", help="workdir of a training run"
    )
    parser.add_argument("--data", metavar="ROOT", help="data root; default: the one it was trained on")
    parser.add_argument("--recordings", default="", metavar="DIR", help="where built recordings are kept")
    parser.add_argument("--split", default="test", choices=(*SPLITS, "all"))
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report as JSON")
    args = parser.parse_args(argv)
    if args.output and (args.output.is_dir() or not args.output.absolute().parent.is_dir()):
        raise ValueError(f"--output {args.output}: must be a file in a folder that exists")
    commands.use_compilation_cache()
    report = evaluate(args.checkpoint, args.data, args.recordings, args.split)
    print(table(report))
    if args.output:
        with written_beside(args.output) as beside:
            beside.write_text(json.dumps(report, indent=2) + "\n")
        print(f"report: {args.output}")


if __name__ == "__main__":
    commands.run(main)
