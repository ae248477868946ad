"""What is in a bucket, copied to be read while others write there."""

import hashlib
import json
import os

import pytest

from wt_jax.storage import copies
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.copies import copy_of_file, copy_of_folder, copy_of_run
from wt_jax.storage.places import local, run_folder


def write_step(url, step, content=b"state"):
    bucket = Bucket(url)
    digest = {"files": {"state/a": hashlib.sha256(content).hexdigest()}}
    bucket.write(f"checkpoints/{step}/state/a", content)
    bucket.write(f"checkpoints/{step}/counting.json", b"{}")
    bucket.write(f"checkpoints/{step}/digest.json", json.dumps(digest).encode())


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_this_machine_is_itself(tmp_path):
    assert copy_of_run(tmp_path) == copy_of_folder(str(tmp_path)) == local(f"file://{tmp_path}") == tmp_path


def test_whole_checkpoints_alone_and_the_second_time_from_the_cache(faulty_s3):
    url, proxy = faulty_s3
    write_step(url, 8)
    Bucket(url).write("checkpoints/16/state/a", b"begun")
    Bucket(url).write("training_history.json", b"{}")
    expected = {f"checkpoints/8/{name}" for name in ("state/a", "counting.json", "digest.json")}
    first = copy_of_run(url)
    assert names(first) == expected
    proxy.requests.clear()
    second = copy_of_run(url)
    assert second != first
    assert (second / "checkpoints/8/state/a").read_bytes() == b"state"
    assert not [path for _, path in proxy.requests if "state/a" in path and "list-type" not in path]


def test_a_run_without_a_whole_checkpoint(s3):
    assert names(copy_of_run(s3)) == set()
    Bucket(s3).write("checkpoints/8/state/a", b"begun")
    assert list((copy_of_run(s3) / "checkpoints").iterdir()) == []


def test_a_listing_that_is_stale_is_asked_for_again(faulty_s3):
    url, proxy = faulty_s3
    write_step(url, 8)
    copy_of_run(url)
    bucket = Bucket(url)
    bucket.delete([f"checkpoints/8/{name}" for name in ("digest.json", "state/a", "counting.json")])
    write_step(url, 16, b"newer")
    proxy.meet("stale", 1)
    assert (copy_of_run(url) / "checkpoints/16/state/a").read_bytes() == b"newer"
    assert proxy.n_faults == 1


def test_a_damaged_one_is_copied_as_it_is(s3, monkeypatch):
    monkeypatch.setattr(copies, "_AGAIN_S", 0.1)
    write_step(s3, 8)
    Bucket(s3).write("checkpoints/8/state/a", b"stale")
    assert (copy_of_run(s3) / "checkpoints/8/state/a").read_bytes() == b"stale"
    Bucket(s3).write("checkpoints/8/digest.json", b"{")
    assert (copy_of_run(s3) / "checkpoints/8/digest.json").read_bytes() == b"{"


def test_a_step_that_is_written_anew_meanwhile_is_copied_again(s3, monkeypatch):
    write_step(s3, 8)
    fetch = Bucket.fetch

    def fetch_after_it_changed(bucket, name, path):
        if "state" in name:
            monkeypatch.setattr(Bucket, "fetch", fetch)
            write_step(s3, 8, b"anew")
        fetch(bucket, name, path)

    monkeypatch.setattr(Bucket, "fetch", fetch_after_it_changed)
    assert (copy_of_run(s3) / "checkpoints/8/state/a").read_bytes() == b"anew"


def test_an_object_that_is_listed_and_never_there_is_said(faulty_s3, monkeypatch):
    monkeypatch.setattr(copies, "_AGAIN_S", 0.1)
    url, proxy = faulty_s3
    write_step(url, 8)
    copy_of_run(url)
    Bucket(url).delete(["checkpoints/8/counting.json"])
    proxy.meet("stale")
    with pytest.raises(ValueError, match=f"^{url}/checkpoints/8/counting.json: is listed, and cannot"):
        copy_of_run(url)


@pytest.mark.parametrize("place", ["s3:/b/x", " s3://b/x", "S3://b/x", "file://host/x", "gs:/x"])
def test_what_is_nearly_a_url_is_no_folder(place):
    with pytest.raises(ValueError, match="neither a path nor a URL: s3://BUCKET/FOLDER, gs://BUCKET/FOLDER"):
        local(place)


def test_a_cache_that_is_damaged_is_no_source(s3, tmp_path):
    write_step(s3, 8)
    copy_of_run(s3)
    (cached,) = (tmp_path / "cache" / "objects").iterdir()
    cached.write_bytes(b"other")
    assert (copy_of_run(s3) / "checkpoints/8/state/a").read_bytes() == b"state"


def test_what_was_not_read_for_long_is_forgotten(s3, tmp_path):
    objects = tmp_path / "cache" / "objects"
    write_step(s3, 8)
    copy_of_run(s3)
    (old,) = objects.iterdir()
    Bucket(s3).delete(["checkpoints/8/digest.json"])
    write_step(s3, 16, b"newer")
    copy_of_run(s3)
    assert len(list(objects.iterdir())) == 2
    os.utime(old, (0, 0))
    copy_of_run(s3)
    assert old not in objects.iterdir()


def test_of_a_folder_only_what_is_new_is_fetched(faulty_s3):
    url, proxy = faulty_s3
    bucket = Bucket(url)
    for name in ("a/x", "a/y", "z", ".hidden/h"):
        bucket.write(name, name.encode())
    folder = copy_of_folder(url)
    assert names(folder) - {".copied.json", ".copied.lock"} == {"a/x", "a/y", "z"}
    bucket.write("a/x", b"anew")
    bucket.delete(["z"])
    (folder / "a/y").write_bytes(b"")  # as a power cut may leave it
    proxy.requests.clear()
    assert copy_of_folder(url) == folder
    assert (folder / "a/x").read_bytes() == b"anew"
    assert names(folder) - {".copied.json", ".copied.lock"} == {"a/x", "a/y"}
    fetched = {path.partition("?")[0] for method, path in proxy.requests if method == "GET"}
    assert {path for path in fetched if path.endswith(("/x", "/y"))} == {
        f"/{url[5:]}/a/x",
        f"/{url[5:]}/a/y",
    }


def test_folders_of_a_bucket_lie_in_each_other_and_their_copies_do_not(s3):
    Bucket(s3).write("data/x", b"")
    Bucket(s3).write("data/runs/a/checkpoints", b"")
    outer, inner = copy_of_folder(f"{s3}/data"), copy_of_folder(f"{s3}/data/runs/a/")
    assert inner == local(f"{s3}/data/runs/a")
    folders = {
        outer,
        inner,
        run_folder(f"{s3}/data"),
        run_folder(f"{s3}/data/runs/a"),
        local(f"{s3}/data-runs-a"),
    }
    assert len(folders) == 5
    assert not any(one.is_relative_to(other) for one in folders for other in folders - {one})


def test_names_alone_become_files_once_they_are_wanted(s3):
    Bucket(s3).write("raw/squats/a.mp4", b"video")
    folder = copy_of_folder(s3, lambda listed: ([], listed))
    assert (folder / "raw/squats/a.mp4").read_bytes() == b""
    assert (copy_of_folder(s3) / "raw/squats/a.mp4").read_bytes() == b"video"


def test_a_fetch_that_is_cut_short_is_made_good(s3, monkeypatch):
    Bucket(s3).write("a", b"old")
    copy_of_folder(s3)
    Bucket(s3).write("a", b"new")
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "fetch", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            copy_of_folder(s3)
    assert (copy_of_folder(s3) / "a").read_bytes() == b"new"


def test_a_file_and_the_one_beside_it(s3):
    Bucket(s3).write("model.onnx", b"graph")
    with pytest.raises(ValueError, match=f"^{s3}/model.json: no such object$"):
        copy_of_file(f"{s3}/model.onnx", "model.json")
    assert copy_of_file(f"{s3}/model.onnx").read_bytes() == b"graph"
