"""Frames in files: batches as of frames in memory, to the bit, in memory that does not grow with the data."""

import dataclasses
import gc
import itertools
import time
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import filelock
import jax
import numpy as np
import pytest
from laid_out import PLAIN, STRETCHED, both, options_with, random_points, some_recordings

from wt_jax.data.recordings import FiledRecording, load_recordings, save_recording
from wt_jax.input_pipeline import balanced_sampler, frame_files
from wt_jax.input_pipeline.balanced_sampler import StratifiedSampler, make_train_batches
from wt_jax.input_pipeline.frame_files import lay_out_in_files, n_frames, row_type
from wt_jax.input_pipeline.windows import gather


@pytest.fixture
def small_files(monkeypatch):
    """Some two recordings each."""
    monkeypatch.setattr(frame_files, "_FILE_BYTES", 20_000)


@pytest.fixture
def python_collects():
    """As often as in users' runs; the tests' own threshold is high."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def all_of(runs):
    return runs.firsts(np.arange(len(runs)))


@pytest.mark.parametrize("options", [PLAIN, STRETCHED], ids=["plain", "stretched"])
@pytest.mark.parametrize("n_devices", [1, 2])
def test_a_batch_is_the_same_to_the_bit(make_recording, tmp_path, small_files, options, n_devices):
    """Every window that there is, padded, as short and as long as it may become, each device its share."""
    (sequences, runs), (files, _) = both(options, some_recordings(make_recording), tmp_path, n_devices)
    firsts_N = all_of(runs).astype(np.int32)
    batch_size = 2 * n_devices
    firsts_N = np.append(firsts_N, np.full(-len(firsts_N) % (3 * batch_size) + 3 * batch_size, -1, np.int32))
    data, speed = options.data, options.augment.speed
    cut = jax.jit(gather, static_argnums=(2, 3))
    stretches = [None] if speed == 0 else [np.exp(np.float32(s)) for s in (-speed, 0.123, speed)]
    for firsts_KxB, stretch in itertools.product(firsts_N.reshape(-1, 3, batch_size), stretches):
        stretch_B = None if stretch is None else np.full(2, stretch, np.float32)
        own, places_KxB = files.cut(firsts_KxB)
        assert places_KxB.dtype == np.int32
        np.testing.assert_array_equal(places_KxB < 0, firsts_KxB < 0)
        for k, device in itertools.product(range(3), range(n_devices)):
            at = slice(2 * device, 2 * device + 2)
            expected = cut(sequences, firsts_KxB[k, at], data.window_frames, data.window_step, stretch_B)
            given = {name: array[device] for name, array in own.items()}
            batch = cut(given, places_KxB[k, at], data.window_frames, data.window_step, stretch_B)
            assert batch.keys() == expected.keys()
            real = firsts_KxB[k, at] >= 0
            for name in batch:
                np.testing.assert_array_equal(batch[name][real], expected[name][real], err_msg=name)
            assert not batch["counted_BxT"][~real].any() and not batch["labelled_B"][~real].any()


@pytest.mark.parametrize("spare", [False, True])
@pytest.mark.parametrize("options", [PLAIN, STRETCHED], ids=["plain", "stretched"])
def test_the_same_windows_are_drawn(make_recording, tmp_path, small_files, options, spare):
    recordings = some_recordings(make_recording)
    stride = options.data.stride_frames
    sequences, windows = frame_files.lay_out(options, recordings, stride, spare)
    _, runs = lay_out_in_files(options, recordings, stride, tmp_path, 1, spare)
    assert all_of(runs).tolist() == windows.firsts_N.tolist()
    drawn = [
        StratifiedSampler(of, options.data, 0).firsts(np.arange(400))
        for of in (runs, frame_files.runs_of(windows, stride))
    ]
    np.testing.assert_array_equal(*drawn)
    assert len(list(tmp_path.rglob("frames-*.npy"))) > 2
    assert n_frames(options, recordings) == len(sequences.real_F)
    assert row_type(options).itemsize == sum(a.nbytes for a in sequences.arrays().values()) / len(
        sequences.real_F
    )


def test_a_restored_iterator_goes_on_with_the_same_frames(make_recording, tmp_path):
    options = options_with(STRETCHED)
    (_, runs), (files, _) = both(options, some_recordings(make_recording), tmp_path)
    batches = make_train_batches(runs, options, read=files.cut)
    firsts = make_train_batches(runs, options)
    next(batches), next(firsts)
    state = batches.get_state()
    assert state == firsts.get_state()  # a run may be taken up in either way
    rest = [next(batches) for _ in range(3)]
    again = make_train_batches(runs, options, read=files.cut)
    again.set_state(state)
    for one in rest:
        jax.tree.map(np.testing.assert_array_equal, next(again), one)


def test_files_are_written_once_and_anew_where_what_they_hold_changes(make_recording, tmp_path, small_files):
    recordings = some_recordings(make_recording)

    def lay_out(recordings=recordings, **overrides):
        lay_out_in_files(options_with(PLAIN, **overrides), recordings, 1, tmp_path, 1)
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    first = lay_out()
    assert {path.name[:7] for path in first if path.is_file()} == {"frames-", ".lock"}
    assert lay_out(**{"data.positive_ratio": 0.5, "train.batch_size": 4, "data.window_split": True}) == first
    labelled = [dataclasses.replace(recordings[0], starts=np.array([9], np.int32)), *recordings[1:]]
    rebuilt = [dataclasses.replace(recordings[0], digest="of other landmarks"), *recordings[1:]]
    for others in (
        {"recordings": labelled},
        {"recordings": rebuilt},
        {"recordings": recordings[::-1]},
        {"labels.width_frames": 3.0},
        {"data.window_frames": 20},
        {"data.inputs": ("angles", "lengths")},
    ):
        before = len(list(tmp_path.iterdir()))
        lay_out(**others)
        assert len(list(tmp_path.iterdir())) == before + 1, others


def test_a_file_cut_short_is_written_anew_and_one_that_is_open_is_named(make_recording, tmp_path):
    (sequences, runs), (files, _) = both(PLAIN, some_recordings(make_recording), tmp_path)
    (path,) = tmp_path.rglob("frames-*.npy")
    whole, last = path.read_bytes(), all_of(runs)[None, -1:]
    path.write_bytes(whole[:-6000])
    with pytest.raises(ValueError, match=r"frames-00000.npy: was cut short: start again"):
        files.cut(last)
    both(PLAIN, some_recordings(make_recording), tmp_path)
    assert path.read_bytes() == whole
    np.testing.assert_array_equal(np.load(path)["angles_FxJ"], sequences["angles_FxJ"])


def test_what_a_killed_run_left_is_removed_once_nobody_writes(make_recording, tmp_path, capsys):
    """A second run waits for the first one, and finds the file whole or writes it."""
    recordings = some_recordings(make_recording)
    both(PLAIN, recordings, tmp_path)
    (path,) = tmp_path.rglob("frames-*.npy")
    whole, left = path.read_bytes(), path.with_name(".frames-00000.123.tmp.npy")
    for is_there in (True, False):
        path.unlink()
        left.write_bytes(whole[:100])
        with ThreadPoolExecutor(1) as thread:
            with filelock.FileLock(path.with_name(".lock"), thread_local=False):
                second = thread.submit(lay_out_in_files, PLAIN, recordings, 1, tmp_path, 1)
                while "another run is writing these files" not in capsys.readouterr().out:
                    assert not second.done()
                    time.sleep(0.01)
                if is_there:
                    path.write_bytes(whole)
            second.result()
        assert path.read_bytes() == whole and left.exists() == is_there


def test_where_they_cannot_be_written(make_recording, tmp_path):
    (tmp_path / "frames").write_text("a file")
    with pytest.raises(ValueError, match=r"frames-00000.npy: cannot be written .*data.resident=true"):
        lay_out_in_files(PLAIN, some_recordings(make_recording), 1, tmp_path / "frames", 1)


def test_memory_does_not_grow_with_the_data(
    make_recording, tmp_path, small_files, python_collects, monkeypatch
):
    """Nothing but the index: at most one recording is held, when written and when read from."""
    held, most = weakref.WeakSet(), 0
    load = FiledRecording.load

    def watched(self):
        nonlocal most
        recording = load(self)
        held.add(recording)
        most = max(most, len(held))
        return recording

    monkeypatch.setattr(FiledRecording, "load", watched)
    monkeypatch.setattr(balanced_sampler, "_MOST_STORED", 1000)
    peaks, frame_bytes = [], row_type(STRETCHED).itemsize
    for i, count in enumerate((2, 2, 20)):  # the first warms up what is imported and cached
        folder = tmp_path / f"{i}"
        for name in (f"{class_name}/{n}" for n in range(count) for class_name in ("squats", "no-exercise")):
            one = make_recording(name, 2000, starts=range(0, 2000, 100) if name[0] == "s" else ())
            save_recording(
                folder / f"{name}.npz", dataclasses.replace(one, points_FxLx3=random_points(2000, i))
            )
        tracemalloc.start()
        recordings = load_recordings(folder, ("squats", "no-exercise"), in_files=True)
        files, runs = lay_out_in_files(STRETCHED, recordings, 1, folder / "frames", 1)
        sampler = StratifiedSampler(runs, STRETCHED.data, 0)
        for first in range(0, 10_000, 1000):
            files.cut(sampler.firsts(np.arange(first, first + 24)).reshape(3, 8))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most == 1
    assert peaks[2] - peaks[1] < 0.03 * 36 * 2000 * frame_bytes, peaks
