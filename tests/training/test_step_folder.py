"""A flipped bit, a file too few or too many, a number that cannot be: each is said, with its file."""

import json
import math
import random
import shutil

import pytest
from runs import ANGLES, save_run

from wt_jax.training.checkpoint_meta import check_meta
from wt_jax.training.step_folder import DamagedError, StepFolder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of step 0, as it was written."""
    return save_run(tmp_path_factory.mktemp("run"), ANGLES) / "checkpoints" / "0"


@pytest.fixture
def folder(written, tmp_path):
    return StepFolder(shutil.copytree(written, tmp_path / "0"))


def files(folder):
    return sorted(path for path in folder.path.rglob("*") if path.is_file())


def test_as_it_was_written(folder):
    assert folder.check() and folder.segmentation_loss == 0.5 and folder.position() == {"next_index": 0}


def test_no_flipped_bit_passes(folder):
    """One in every file, twice."""
    rng = random.Random(0)
    for path in 2 * [path for path in files(folder) if path.stat().st_size]:
        before = path.read_bytes()
        changed = bytearray(before)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=path.name):
            folder.counting() if path.name == "counting.json" else folder.check()
        path.write_bytes(before)
    assert folder.check()


def test_a_file_too_few_or_too_many(folder):
    extra = folder.path / "batches" / "process_1-of-2.json"
    extra.write_text('{"next_index": 0}')
    with pytest.raises(DamagedError, match=r"process_1-of-2\.json: was not written with this checkpoint"):
        folder.check()
    extra.unlink()
    for place in (folder.path, folder.path / "state"):  # looked at with a file manager
        (place / ".DS_Store").touch()
    assert folder.check()
    (folder.path / "batches" / "process_0-of-1.json").unlink()
    with pytest.raises(DamagedError, match=r"process_0-of-1\.json: missing"):
        folder.check()


def test_a_renamed_folder(folder):
    other = StepFolder(folder.path.rename(folder.path.with_name("8")))
    with pytest.raises(DamagedError, match=r"digest\.json: of step 0; the folder was renamed"):
        other.check()


def test_without_a_digest_it_is_unchecked(folder):
    (folder.path / "digest.json").unlink()
    assert not folder.check() and folder.segmentation_loss == 0.5


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", '{"files": 3}', "[" * 100_000, "\0"])
def test_a_digest_that_is_none(folder, text):
    (folder.path / "digest.json").write_text(text)
    with pytest.raises(DamagedError, match=r"0/digest\.json: "):
        folder.check()


NO_JSON = ["", "{", "1" * 5000, "[" * 100_000, "\xff", '{"a": 1}x']


@pytest.mark.parametrize("text", [*NO_JSON, "{}", "[1]", '"abc"', "null", "3"])
def test_metrics_without_a_digest(folder, text):
    values = [{"val_segmentation_loss": value} for value in (None, "0.5", [0.5], True)]
    (folder.path / "digest.json").unlink()
    not_finite = ['{"val_segmentation_loss": NaN}', '{"val_segmentation_loss": -Infinity}']
    for damaged in (text, *map(json.dumps, values), *not_finite):
        (folder.path / "metrics" / "metrics").write_text(damaged, encoding="latin-1")
        with pytest.raises(DamagedError, match="0/metrics/metrics: "):
            _ = folder.segmentation_loss


@pytest.mark.parametrize("text", [*NO_JSON, "[]", "{}", '{"next_index": 1.5}', '{"next_index": -1}', '"0"'])
def test_positions(folder, text):
    (folder.path / "batches" / "process_0-of-1.json").write_text(text, encoding="latin-1")
    with pytest.raises(DamagedError, match=r"process_0-of-1\.json: "):
        folder.position()


@pytest.mark.parametrize("text", NO_JSON)
def test_a_meta_that_is_no_json(folder, text):
    (folder.path / "meta" / "metadata").write_text(text, encoding="latin-1")
    with pytest.raises(DamagedError, match="0/meta/metadata: "):
        folder.meta()


BAD_VALUES = [
    ("history", {"loss": [0.5], "auc": []}), ("history", {"loss": ["a"]}), ("history", {}),
    ("monitor", {}), ("monitor", {"learning_rate": -1.0}), ("monitor", {"learning_rate": math.nan}),
    ("monitor", {"learning_rate": 1.0, "best": "a"}), ("monitor", {"learning_rate": 1.0, "unknown": 1}),
    ("monitor", {"learning_rate": 1.0, "epochs_since_best": 0.5}), ("split", {"a": "training"}),
    ("trained_on", [None]), ("config", {"seed": "a"}), ("config", {"unknown": 1}),
    ("config", {"data.classes": [["a"]]}),
]  # fmt: skip


def test_a_meta_of_another_shape(folder):
    """Every entry missing, and of every other type; every value of the monitor and of the history."""
    meta, path = folder.meta(), folder.path / "meta" / "metadata"
    assert check_meta(meta, path) == {"parents": [], **meta}
    for whole in ([], "text", None, 3):
        with pytest.raises(DamagedError, match=r"metadata: holds \w+, not an object"):
            check_meta(whole, path)
    for name in meta.keys() - {"version"}:
        with pytest.raises(DamagedError, match=f"metadata: holds no '{name}'"):
            check_meta({key: value for key, value in meta.items() if key != name}, path)
        for value in (None, 3, "text", [3], {"a": 3}, True, [[[]]]):
            if type(value) is not type(meta[name]) and not (name == "frame_rate_hz" and value == 3):
                with pytest.raises(DamagedError, match=f"metadata: '{name}' "):
                    check_meta(meta | {name: value}, path)
    for name, value in BAD_VALUES:
        with pytest.raises(DamagedError, match=f"metadata: '{name}'"):
            check_meta(meta | {name: value}, path)
