"""Landmarks that were found once: taken again as they were, whole, and of the same video and model alone."""

import os
import time

import numpy as np
import pytest

from wt_jax.pose import landmark_cache
from wt_jax.pose.landmark_cache import LandmarkCache
from wt_jax.pose.landmarks import Landmarks, Provenance

ORIGIN = Provenance("1" * 64, "2" * 64)


def found(n_frames=40, fps=29.97, times_s=None, origin=ORIGIN):
    landmarks = np.random.default_rng(n_frames).random((n_frames, 33, 4), np.float32)
    landmarks[3] = np.nan
    return Landmarks(landmarks, fps, 1280, 720, times_s, origin)


@pytest.fixture
def cache(tmp_path):
    return LandmarkCache(tmp_path / "cache")


@pytest.mark.parametrize("times_s", [None, np.sort(np.random.default_rng(0).random(40))])
def test_it_gives_back_what_it_was_given(cache, times_s):
    landmarks = found(times_s=times_s)
    assert cache.load(ORIGIN) is None
    cache.save(ORIGIN, landmarks, "cut off, or damaged?")
    again, remark = cache.load(ORIGIN)
    assert remark == "cut off, or damaged?"
    np.testing.assert_array_equal(again.landmarks_FxLx4, landmarks.landmarks_FxLx4)
    np.testing.assert_array_equal(again.times_s, landmarks.times_s)
    assert again.landmarks_FxLx4.dtype == np.float32 and again.times_s.dtype == np.float64
    same = ("fps", "width_px", "height_px", "provenance")
    assert [getattr(again, name) for name in same] == [getattr(landmarks, name) for name in same]


def test_that_nobody_was_seen_is_known_as_well(cache):
    cache.save(ORIGIN, Landmarks(np.full((9, 33, 4), np.nan, np.float32), 30.0, 64, 48, None, ORIGIN), "")
    assert not cache.load(ORIGIN)[0].seen_F.any()


def test_all_that_decides_the_result_is_asked_for(cache, monkeypatch):
    cache.save(ORIGIN, found(), "")
    assert cache.load(Provenance("3" * 64, ORIGIN.model_sha256)) is None
    assert cache.load(Provenance(ORIGIN.video_sha256, "3" * 64)) is None
    now = landmark_cache._finders()
    for i in range(len(now)):
        monkeypatch.setattr(landmark_cache, "_finders", lambda i=i: (*now[:i], "another", *now[i + 1 :]))
        assert cache.load(ORIGIN) is None
    monkeypatch.setattr(landmark_cache, "_finders", lambda: now)
    assert cache.load(ORIGIN) is not None


def test_another_code_finds_other_landmarks(tmp_path, monkeypatch):
    (tmp_path / "estimator.py").write_text("_MAX_PEOPLE = 4")
    before = landmark_cache._finders()
    landmark_cache._finders.cache_clear()
    monkeypatch.setattr(landmark_cache, "_CODE", (str(tmp_path / "estimator.py"),))
    after = landmark_cache._finders()
    landmark_cache._finders.cache_clear()
    assert before[:-1] == after[:-1] and before[-1] != after[-1]


def test_whatever_is_damaged_is_not_there(cache):
    cache.save(ORIGIN, found(), "")
    path = cache.path(ORIGIN)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in [0, 7, 8 * len(whole) - 1, *rng.integers(0, 8 * len(whole), 60)]:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert cache.load(ORIGIN) is None, bit
    for content in (b"", whole[:10], whole[:-1], whole[: len(whole) // 2], whole + b"x", b"x" * 5000):
        path.write_bytes(content)
        assert cache.load(ORIGIN) is None
    cache.save(ORIGIN, found(), "")
    assert path.read_bytes() == whole and cache.load(ORIGIN) is not None


def test_a_file_under_another_ones_name_is_not_taken(cache):
    cache.save(ORIGIN, found(), "")
    other = Provenance("3" * 64, "4" * 64)
    os.rename(cache.path(ORIGIN), cache.path(other))
    assert cache.load(other) is None
    cache.path(ORIGIN).mkdir()
    assert cache.load(ORIGIN) is None


def test_what_was_not_used_for_the_longest_goes_first(tmp_path):
    origins = [Provenance(f"{i}" * 64, "m") for i in range(4)]
    LandmarkCache(tmp_path).save(origins[0], found(), "")
    size = LandmarkCache(tmp_path).path(origins[0]).stat().st_size
    cache = LandmarkCache(tmp_path, most_bytes=2 * size)
    cache.save(origins[1], found(), "")
    for age_s, origin in ((100, origins[0]), (50, origins[1])):
        os.utime(cache.path(origin), (time.time() - age_s,) * 2)
    assert cache.load(origins[0])  # used now
    killed, written = tmp_path / ".a.1.tmp.landmarks", tmp_path / ".b.2.tmp.landmarks"
    for path, age_s in ((killed, 1e6), (written, 10)):
        path.write_bytes(b"half of it")
        os.utime(path, (time.time() - age_s,) * 2)
    cache.save(origins[2], found(), "")
    assert [cache.load(origin) is not None for origin in origins] == [True, False, True, False]
    assert (killed.exists(), written.exists()) == (False, True)
    tiny = LandmarkCache(tmp_path, most_bytes=1)
    tiny.save(origins[3], found(), "")
    assert [tiny.load(origin) is not None for origin in origins] == [False, False, False, True]


def test_only_its_owner_reads_it(cache):
    cache.save(ORIGIN, found(), "")
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_it_is_kept_where_caches_are(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert LandmarkCache().folder == tmp_path / "wt_jax" / "landmarks"
