"""Bad input to every command: one line that says what is wrong, status 2, and nothing is lost."""

import contextlib
import importlib
import io
import random
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from faults.table import Outcome
from training_runs import REPOSITORY

from wt_jax.config import Config
from wt_jax.options import all_options
from wt_jax.runtime import cli

CONFIG = str(REPOSITORY / "experiments" / "quick.py")


class BadInput(NamedTuple):
    """A command line, the status that it ends with, and what it says (a regular expression)."""

    argv: list[str]
    says: str
    status: int = 2


def bad_inputs(folder: Path, checkpoint: Path, rng: random.Random, n: int) -> Iterator[Outcome]:
    """At least `n` different ones: all of the tables below, each config key with every bad value."""
    folder.mkdir(parents=True)
    every = [*_command_lines(folder), *_configs(folder), *_data(folder, checkpoint)]
    overrides = list(_overrides(folder / "run"))
    every += rng.sample(overrides, max(n - len(every), 0)) if n - len(every) < len(overrides) else overrides
    for bad in every:
        status, out, err = run(bad.argv)
        lines = err.splitlines() or [""]
        are_words = all(line.startswith("error: ") for line in lines)
        is_promised = (
            status == bad.status
            and re.search(bad.says, err + out) is not None
            and (are_words or bad.status != 2)
            and "Traceback" not in err
        )
        yield Outcome(
            "bad inputs", " ".join(bad.argv), f"status {status}: {(err or out).strip()[-300:]}", is_promised
        )


def run(argv: list[str]) -> tuple[int, str, str]:
    """A command in this process: its status, and what it writes."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = importlib.import_module(f"wt_jax.{argv[0]}").main(argv[1:]) or 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException as error:  # what is no user's error shows its traceback
            line, status = cli.last_words(error) or ("", 1)
            print(line or traceback.format_exc(), file=err)
    return status, out.getvalue(), err.getvalue()


def _overrides(workdir: Path) -> Iterator[BadInput]:
    for option in all_options(Config()):
        key, kind = option.key, type(option.default)
        misspelt = key[:-1] + "_"
        yield BadInput(["train", "--config", CONFIG, f"--config.{misspelt}=1"], f"unknown key {misspelt}")
        values = {
            int: ("abc", "1.5", "nan", "", "[]", "-3000000000", 30 * "9"),
            float: ("abc", "nan", "inf", "", "()", "-1e300"),
            bool: ("maybe", "2", ""),
        }.get(kind, ())
        for value in values:
            argv = ["train", "--config", CONFIG, f"--config.workdir={workdir}", f"--config.{key}={value}"]
            yield BadInput(argv, rf"{re.escape(key)}=.*must")


def _command_lines(folder: Path) -> Iterator[BadInput]:
    empty = folder / "empty"
    empty.mkdir()
    for command in (["evaluate"], ["predict", "nothing.mp4", "--output", str(folder / "out")]):
        yield BadInput([*command, "--checkpoint", str(empty)], "holds no checkpoints")
        yield BadInput([*command, "--checkpoint", str(folder / "nowhere")], "holds no checkpoints")
    for name in ("evaluate", "predict", "live", "label", "build_dataset"):
        yield BadInput([name, "--no_such_option"], "unknown option --no_such_option")
    for source in ("nothing.mp4", str(empty), CONFIG, "-1", 20 * "9"):
        yield BadInput(
            ["live", "--headless", "--source", source, "--checkpoint", str(empty)], re.escape(source)
        )
    for seconds in ("nan", "-5", "0", "inf", "abc"):
        argv = ["live", "--headless", "--source", "0", "--checkpoint", str(empty), "--seconds", seconds]
        yield BadInput(argv, "--seconds")
    yield BadInput(["train"], "--config")
    yield BadInput(["train", "--config", str(folder / "nowhere.py")], "nowhere.py")
    yield BadInput(["train", "--config", str(empty)], "empty")
    yield BadInput(["train", "--config", CONFIG, "--config", CONFIG], "--config")
    yield BadInput(["train", "--config", CONFIG, "--config.workdir="], "workdir")
    yield BadInput(["train", "--config", CONFIG, "--epochs=3"], "did you mean train.epochs")
    yield BadInput(
        ["train", "--config", CONFIG, f"--config.data.root={folder / 'nowhere'}"], "no such folder"
    )
    yield BadInput(["build_dataset", "--data", str(folder / "nowhere")], "nowhere")
    yield BadInput(["build_dataset", "--data", str(empty), "--workers", "0"], "--workers 0")
    for name in ("../../victim", "a/b", "..", ".", "", "/etc", ".hidden", "a\nb"):
        yield BadInput(["build_dataset", "--data", str(empty), "--classes", "squats", name], "class")


_ONE_LEFT_OUT = r"1 built[\s\S]*bad|bad[\s\S]*1 built"
_CONFIGS = {
    "syntax": ("def get_config(:", "syntax.py.*line 1"),
    "raises": ("def get_config():\n    raise ValueError('a\\nb\\nc')", "a.*b.*c"),
    "exits": ("raise SystemExit(0)", "exits.py"),
    "nothing": ("", "get_config"),
    "none": ("def get_config():\n    return None", "get_config"),
    "dict": ("def get_config():\n    return {}", "get_config"),
    "imports": ("import no_such_module_at_all", "no_such_module_at_all"),
    "key": (
        "from wt_jax.config import Config\ndef get_config():\n    c = Config()\n    c.sed = 1\n    return c",
        "sed",
    ),
    "divides": ("def get_config():\n    return 1 / 0", "division"),
    "argument": ("def get_config(size):\n    return size", "get_config|argument"),
    "binary": ("\0\1\2", "binary.py"),
    "recursion": ("def get_config():\n    return get_config()", "recursion"),
}


def _configs(folder: Path) -> Iterator[BadInput]:
    for name, (text, says) in _CONFIGS.items():
        path = folder / f"{name}.py"
        path.write_text(text)
        yield BadInput(["train", "--config", str(path)], says)


def _good_landmarks() -> dict[str, np.ndarray]:
    landmarks = np.random.default_rng(0).uniform(0.2, 0.8, (90, 33, 4)).astype(np.float32)
    return {"landmarks": landmarks, "fps": np.float64(30), "width": np.int64(64), "height": np.int64(48)}


def _landmark_files() -> dict[str, Callable[[Path], object]]:
    good = _good_landmarks()

    def saved(**changed: object) -> Callable[[Path], object]:
        kept = {name: value for name, value in (good | changed).items() if value is not None}
        return lambda path: np.savez(path, **kept)

    frames = good["landmarks"]
    return {
        "empty": lambda path: path.write_bytes(b""),
        "text": lambda path: path.write_text("frame,label\n"),
        "zip only": lambda path: path.write_bytes(b"PK\5\6" + bytes(18)),
        "cut off": lambda path: (np.savez(path, **good), path.write_bytes(path.read_bytes()[:5000])),
        "no landmarks": saved(landmarks=None), "no fps": saved(fps=None), "no width": saved(width=None),
        "two axes": saved(landmarks=frames[:, :, 0]), "17 landmarks": saved(landmarks=frames[:, :17]),
        "three values": saved(landmarks=frames[..., :3]), "no frames": saved(landmarks=frames[:0]),
        "words": saved(landmarks=frames.astype(str)), "objects": saved(landmarks=np.array([{}], object)),
        "complex": saved(landmarks=frames.astype(complex)), "fps 0": saved(fps=0.0),
        "fps -1": saved(fps=-1.0), "fps nan": saved(fps=np.nan), "fps inf": saved(fps=np.inf),
        "fps 1e9": saved(fps=1e9),
        "width 0": saved(width=0), "height -3": saved(height=-3), "two fps": saved(fps=[30.0, 25.0]),
        "times back": saved(times_s=np.arange(90)[::-1] / 30),
        "times short": saved(times_s=np.arange(9) / 30), "times nan": saved(times_s=np.full(90, np.nan)),
        "nobody": saved(landmarks=np.full_like(frames, np.nan)),
    }  # fmt: skip


_LABELS = {
    "no header": "0,1\n", "other header": "time,label\n1,1\n", "words": "frame,label\nabc,1\n",
    "beyond": "frame,label\n5000,1\n", "before": "frame,label\n-1,1\n", "half": "frame,label\n1.5,1\n",
    "label 2": "frame,label\n1,2\n", "label word": "frame,label\n1,yes\n", "no label": "frame\n1\n",
    "short row": "frame,label\n1\n", "huge": f"frame,label\n{'9' * 30},1\n", "nan": "frame,label\nnan,1\n",
    "binary": "\0\1\2\xff", "empty": "",
}  # fmt: skip


def _data(folder: Path, checkpoint: Path) -> Iterator[BadInput]:
    """Files of a data folder that are left out, each with a reason; the good one beside them is built."""
    for name, write in _landmark_files().items():
        root = _root(folder / "landmarks" / name)
        write(root / "landmarks" / "squats" / "bad.npz")
        yield BadInput(["build_dataset", "--data", str(root)], _ONE_LEFT_OUT, status=0)
        argv = ["predict", str(root / "landmarks" / "squats" / "bad.npz"), "--output", str(root / "out")]
        yield BadInput([*argv, "--checkpoint", str(checkpoint)], "bad.npz")
    for name, text in _LABELS.items():
        root = _root(folder / "labels" / name)
        np.savez(root / "landmarks" / "squats" / "bad.npz", **_good_landmarks())
        (root / "labels" / "squats").mkdir(parents=True)
        (root / "labels" / "squats" / "bad.csv").write_text(text, encoding="latin-1")
        yield BadInput(["build_dataset", "--data", str(root)], _ONE_LEFT_OUT, status=0)
    for name, text in {
        "group": "file,group\nlandmarks/squats/nowhere.npz,a\n",
        "split": "file,group,split\nlandmarks/squats/good.npz,a,x\n",
        "header": "path,group\n", "twice": "file,group,split\n" + 2 * "landmarks/squats/good.npz,a,train\n",
        "outside": "file,group,split\n../../etc/passwd,a,train\n", "binary": "\0\1\2",
    }.items():  # fmt: skip
        root = _root(folder / "manifest" / name)
        (root / "manifest.csv").write_text(text)
        yield BadInput(["build_dataset", "--data", str(root)], "manifest.csv")


def _root(root: Path) -> Path:
    (root / "landmarks" / "squats").mkdir(parents=True)
    np.savez(root / "landmarks" / "squats" / "good.npz", **_good_landmarks())
    return root
