"""Objects of a bucket, whatever the network does; of S3 and of Google, emulated."""

import errno
import os
import threading

import pytest
from faulty_proxy import FaultyProxy

from wt_jax.storage import bucket as bucket_module
from wt_jax.storage.bucket import Bucket, UnreachableError


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(bucket_module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(bucket_module, "_LONGEST_PAUSE_S", 0.05)


@pytest.mark.parametrize("store", ["s3", "gcs"])
def test_objects_are_written_read_listed_and_deleted(store, request, tmp_path):
    bucket = Bucket(f"{request.getfixturevalue(store)}/runs/a/")
    assert bucket.listing() == {}
    bucket.write("x", b"one")
    bucket.write("below/y", b"three")
    first = bucket.listing()
    assert {name: stored.n_bytes for name, stored in first.items()} == {"x": 3, "below/y": 5}
    assert set(bucket.listing("below")) == {"below/y"}
    assert bucket.read("below/y") == b"three"
    bucket.write("x", b"two")
    assert bucket.listing()["x"].version != first["x"].version
    assert bucket.listing()["below/y"].version == first["below/y"].version
    bucket.fetch("x", tmp_path / "new" / "x")
    assert (tmp_path / "new" / "x").read_bytes() == b"two"
    bucket.delete(["x", "x", "never"])
    assert set(bucket.listing()) == {"below/y"}
    with pytest.raises(FileNotFoundError):
        bucket.read("x")
    with pytest.raises(FileNotFoundError):
        bucket.fetch("x", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    with pytest.raises(FileNotFoundError):
        bucket.send(tmp_path / "x", "x")


def test_names_that_begin_alike_are_another_folder(s3):
    Bucket(f"{s3}/run2").write("x", b"")
    assert Bucket(f"{s3}/run").listing() == {}


def test_names_that_are_hidden_or_lead_elsewhere_are_not_listed(faulty_s3):
    url, _ = faulty_s3
    import s3fs

    files = s3fs.S3FileSystem(skip_instance_cache=True)
    for name in ("a/x", ".lease/1", "a/.b/x", "a/../../x", "//etc/x", "a/"):
        files.call_s3("put_object", Bucket=url[5:], Key=f"run/{name}", Body=b"")
    assert set(Bucket(f"{url}/run").listing()) == {"a/x"}
    assert set(Bucket(f"{url}/run").listing(".lease")) == {".lease/1"}


def test_a_full_disk_is_no_network(s3, tmp_path, monkeypatch):
    bucket = Bucket(s3)
    bucket.write("x", b"")

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bucket._files, "get_file", full)
    with pytest.raises(ValueError, match="No space left on device"):
        bucket.fetch("x", tmp_path / "x")


def test_a_place_that_is_an_object_holds_nothing(s3):
    Bucket(s3).write("file", b"")
    assert Bucket(f"{s3}/file").listing() == {}
    assert set(Bucket(s3).listing("file")) == {"file"}


def test_a_large_file_is_sent_from_the_disk(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket_module, "_IN_ONE_CALL_BYTES", 10)
    (tmp_path / "x").write_bytes(b"larger than that")
    Bucket(s3).send(tmp_path / "x", "x")
    assert Bucket(s3).read("x") == b"larger than that"


def test_of_many_who_create_an_object_one_does(s3):
    created = []

    def create(i):
        if Bucket(f"{s3}/run").create("lease", str(i).encode()):
            created.append(i)

    threads = [threading.Thread(target=create, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 1
    assert Bucket(f"{s3}/run").read("lease") == str(created[0]).encode()


def test_creation_asks_google_for_what_its_emulator_ignores(gcs, monkeypatch):
    """Objects are made only where there are none."""
    with FaultyProxy(int(os.environ["STORAGE_EMULATOR_HOST"].rpartition(":")[2])).running() as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        bucket = Bucket(f"{gcs}/run")
        bucket.write("x", b"")
        assert not any("ifGenerationMatch" in path for _, path in proxy.requests)
        bucket.create("lease", b"")
        assert any("ifGenerationMatch=0" in path for _, path in proxy.requests)


@pytest.mark.parametrize("fault", ["503", "cut", "away"])
def test_what_may_pass_is_tried_again_and_told_once(faulty_s3, fault, capsys):
    url, proxy = faulty_s3
    bucket = Bucket(f"{url}/run")
    bucket.write("x", b"content" * 1000)
    proxy.meet(fault, 3)
    assert bucket.read("x") == b"content" * 1000
    assert proxy.n_faults == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"warning: {url}/run: cannot be reached (") and said[0].endswith("tried again")
    assert said[1].startswith(f"{url}/run: reached again after ")


def test_a_creation_whose_answer_was_lost_is_known_for_its_own(faulty_s3):
    url, proxy = faulty_s3
    bucket = Bucket(f"{url}/run")
    proxy.meet("lost", 1)
    assert bucket.create("lease", b"mine")
    assert proxy.n_faults == 1
    assert not bucket.create("lease", b"another's")


def test_patience_ends(faulty_s3):
    url, proxy = faulty_s3
    proxy.meet("away")
    with pytest.raises(UnreachableError, match=f"^{url}/run: cannot be reached .*, tried for 0 s$"):
        Bucket(f"{url}/run", patience_s=0.2).listing()


@pytest.mark.parametrize("store", ["s3", "gcs"])
def test_no_such_bucket(store, request):
    scheme = request.getfixturevalue(store).partition("://")[0]
    bucket = Bucket(f"{scheme}://nowhere/run")
    for call in (bucket.listing, lambda: bucket.write("x", b""), lambda: bucket.create("x", b"")):
        with pytest.raises(ValueError, match=f"^{scheme}://nowhere/run: no bucket nowhere: make it, or name"):
            call()


def test_no_credentials(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(ValueError, match=f"^{s3}: no credentials: docs/cloud.md says"):
        Bucket(s3).write("x", b"")


def test_not_allowed(faulty_s3):
    url, proxy = faulty_s3
    proxy.meet("403", only=("PUT",))
    bucket = Bucket(url)
    assert bucket.listing() == {}
    with pytest.raises(ValueError, match=f"^{url}: not allowed to these credentials: docs/cloud.md says"):
        bucket.write("x", b"")
    assert proxy.n_faults == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/x", "ftp://host/x: must be a place on this machine, or begin with s3:// or gs://"),
        ("s3://", "s3://: names no bucket"),
        (
            "s3://key:SECRET@b",
            r"s3://\.\.\.@\.\.\.: credentials are no part of a URL: docs/cloud.md says where they go",
        ),
    ],
)
def test_urls_that_are_none(url, words):
    with pytest.raises(ValueError, match=f"^{words}$"):
        Bucket(url)


def test_a_driver_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(bucket_module._DRIVERS, "s3", "no_such_driver")
    with pytest.raises(ValueError, match=r"^s3://b: needs no_such_driver: pip install -e '\.\[s3\]'"):
        Bucket("s3://b")
