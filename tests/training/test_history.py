"""The history as JSON and as TensorBoard's events, and what a full disk does to them."""

import errno
import json
import math
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from wt_jax.training.history import KEYS, History, TensorBoard

EPOCH = dict.fromkeys(KEYS, 0.5) | {"segmentation_auc": math.nan}


def events(folder):
    """Those in the one file there (TFRecord: length, its checksum, data, its checksum)."""
    (path,) = folder.glob("events*")
    content, at, found = path.read_bytes(), 0, []
    while at < len(content):
        (length,) = struct.unpack_from("Q", content, at)
        found.append(Event.FromString(content[at + 12 : at + 12 + length]))
        at += 16 + length
    return found


def test_no_number_is_null(tmp_path):
    history = History()
    history.append(EPOCH)
    history.save(tmp_path)
    written = json.loads((tmp_path / "training_history.json").read_text())
    assert set(written) == set(KEYS)
    assert written["segmentation_auc"] == [None] and written["loss"] == [0.5]


def test_the_events_of_an_epoch(tmp_path):
    board = TensorBoard(tmp_path, 3, "data: nowhere")
    board.write(3, {"loss": 0.25, "val_loss": 0.5, "val_auc": math.nan})
    board.close()
    _, start, about, *scalars = events(tmp_path)
    assert start.session_log.status == SessionLog.START and start.step == 3
    assert about.summary.value[0].tensor.string_val == [b"data: nowhere"]
    shown = {value.tag: value.simple_value for event in scalars for value in event.summary.value}
    assert shown == {"train/loss": 0.25, "validation/loss": 0.5}
    assert {event.step for event in scalars} == {3} and all(event.wall_time > 1e9 for event in scalars)


def test_a_full_disk_ends_the_events_and_not_the_run(tmp_path, monkeypatch, capsys):
    board = TensorBoard(tmp_path, 1, "")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(board._writer, "flush", full)
    for epoch in (1, 2):
        board.write(epoch, {"loss": 0.5})
    board.close()
    assert capsys.readouterr().out == f"warning: {tmp_path}: No space left on device: written no further\n"


def test_a_full_disk_is_said_with_the_files_name(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*training_history\.npy'"):
        History().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training_history.json"]
