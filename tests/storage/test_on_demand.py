"""What a command reads of a bucket now, and what it writes there: fetched in turn, sent in order."""

import pytest
from emulators import objects

from wt_jax.runtime.files import only_writer
from wt_jax.storage import on_demand
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.on_demand import NothingThereError, at_hand, copy_of_inputs
from wt_jax.storage.outbox import Outbox
from wt_jax.storage.places import absolute, place, resolved, split, url_of


def videos_later(names):
    return [name for name in names if name.endswith("csv")], [name for name in names if name.endswith("mp4")]


@pytest.mark.parametrize("store", ["s3", "gcs"])
def test_a_video_is_there_while_it_is_looked_at(store, request):
    url = request.getfixturevalue(store)
    bucket = Bucket(f"{url}/clips")
    for name in ("a.mp4", "a.csv", "more/b.mp4", "more/notes.txt", ".hidden.csv"):
        bucket.write(name, name.encode())
    folder = copy_of_inputs(f"{url}/clips/", videos_later)
    sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in folder.rglob("*.*")}
    assert sizes == {"a.csv": 5, "a.mp4": 0, "more/b.mp4": 0}
    with at_hand(folder / "more" / "b.mp4") as file:
        assert (file.read_bytes(), absolute(file)) == (b"more/b.mp4", f"{url}/clips/more/b.mp4")
    assert file.read_bytes() == b""
    alone = copy_of_inputs(f"{url}/clips/a.mp4")
    assert (alone, url_of(alone)) == (folder / "a.mp4", f"{url}/clips/a.mp4")
    for lacking in (f"{url}/clips/b.mp4", f"{url}/clip"):
        with pytest.raises(NothingThereError, match=f"{lacking}: no such file or folder"):
            copy_of_inputs(lacking)
    bucket.delete(["a.mp4"])
    with pytest.raises(ValueError, match=r"a\.mp4: no such object"), at_hand(alone):
        pass


def test_results_are_sent_in_order_and_leave_no_room_taken(s3, monkeypatch):
    outbox, sent = Outbox(f"{s3}/out/"), []
    send = Bucket.send
    monkeypatch.setattr(Bucket, "send", lambda self, path, name: (sent.append(name), send(self, path, name)))
    assert outbox.is_writable and outbox.is_empty
    for name in ("a.json", "b.png", "b/c.mp4"):
        (outbox.folder / name).parent.mkdir(exist_ok=True)
        (outbox.folder / name).write_text(name)
    with only_writer(outbox.folder):
        outbox.send(last="a.json")
    assert sent == ["b/c.mp4", "b.png", "a.json"]
    assert objects(f"{s3}/out") == sorted(sent) and not outbox.is_empty
    assert not [path for path in outbox.folder.rglob("*") if path.is_file() and path.name != ".lock"]
    assert resolved(outbox.folder / "a.json") == f"{s3}/out/a.json"


def test_what_a_killed_process_had_fetched_is_removed(s3, tmp_path):
    left, held = (tmp_path / "cache" / "reading" / name for name in ("1-left", "2-held"))
    with only_writer(left):
        (left / "video.mp4").write_bytes(b"large")
    Bucket(s3).write("a.csv", b"a")
    with only_writer(held):
        copy_of_inputs(s3)
        assert (held.exists(), left.exists()) == (True, False)


def test_places_are_split_as_paths_are(tmp_path):
    assert split("s3://b/x/y.json") == ("s3://b/x", "y.json")
    assert split("s3://b/x/") == ("s3://b", "x")
    assert split("s3://b") == ("s3://b", "")
    assert split(place(f"file://{tmp_path}/y.json")) == (tmp_path, "y.json")
    assert on_demand.copy_of_inputs(tmp_path) == tmp_path
