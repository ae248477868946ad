"""A bucket that follows a folder: whole checkpoints, in which order, and what a kill leaves."""

import hashlib
import json
import shutil

import pytest

from wt_jax.storage import bucket as bucket_module
from wt_jax.storage import mirror as mirror_module
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.mirror import Mirror
from wt_jax.storage.run_files import MARKER


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_step(folder, step, text="", marked=True):
    files = {"state/a": f"a{text}", "meta": f"m{text}"}
    write(folder, **{f"checkpoints__{step}__{name}".replace("/", "__"): text for name, text in files.items()})
    if marked:
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
        write(folder, **{f"checkpoints__{step}__digest_json": json.dumps({"files": digests})})


class Held:
    """A lease, as a mirror sees one."""

    def __init__(self, number):
        self.number = number

    def check(self):
        pass


@pytest.fixture
def run(s3, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder, f"{s3}/run"


def objects(url):
    bucket = Bucket(url)
    return {name: bucket.read(name).decode() for name in bucket.listing()}


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".bucket.json")
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def run_until_killed(folder, url, number, *steps):
    """A run with the lease of that number, which has brought these steps, each in place of the one before."""
    mirror = Mirror(folder, url, Held(number))
    mirror.fetch()
    for step in steps:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        write_step(folder, step)
        mirror.flush()
    return mirror


def test_what_is_written_follows_and_what_is_deleted_goes(run):
    folder, url = run
    mirror = Mirror(folder, url)
    mirror.fetch()
    write_step(folder, 8)
    write(folder, training_history_json="1", tensorboard__events="x", _hidden="")
    (folder / "_hidden").rename(folder / ".hidden")
    mirror.flush()
    first = files(folder)
    del first[".hidden"]
    assert objects(url) == first
    shutil.rmtree(folder / "checkpoints" / "8")
    write_step(folder, 16)
    write(folder, training_history_json="12")
    mirror.flush()
    assert objects(url) == {name: text for name, text in files(folder).items() if name != ".hidden"}
    assert set(objects(url)) >= {"checkpoints/16/digest.json"}
    assert not any("/8/" in name for name in objects(url))


def test_a_checkpoint_that_is_being_written_or_deleted_is_none(run):
    folder, url = run
    mirror = Mirror(folder, url)
    mirror.fetch()
    write_step(folder, 8, marked=False)
    write(
        folder, **{"checkpoints__16.orbax-checkpoint-tmp__state": "x", "checkpoints__deleted__8__state": "x"}
    )
    write(folder, checkpoints__damaged__8__state="kept")
    mirror.flush()
    assert objects(url) == {"checkpoints/damaged/8/state": "kept"}


def changes(proxy):
    """Of objects, in order: what was put, and what was deleted."""
    return [
        (method, path.partition("/run/")[2].partition("?")[0])
        for method, path in proxy.requests
        if method in ("PUT", "DELETE")
    ]


def test_the_marker_comes_last_and_goes_first(faulty_s3, tmp_path):
    url, proxy = faulty_s3
    mirror = run_until_killed(tmp_path, f"{url}/run", 1, 8)
    assert changes(proxy)[-1] == ("PUT", f"checkpoints/8/{MARKER}")
    shutil.rmtree(tmp_path / "checkpoints" / "8")
    write_step(tmp_path, 16)
    proxy.requests.clear()
    mirror.flush()
    done = changes(proxy)
    assert [method for method, _ in done] == 3 * ["PUT"] + 3 * ["DELETE"]
    assert done[2:4] == [("PUT", f"checkpoints/16/{MARKER}"), ("DELETE", f"checkpoints/8/{MARKER}")]


def test_a_step_that_is_written_anew_is_none_meanwhile(faulty_s3, tmp_path):
    url, proxy = faulty_s3
    mirror = run_until_killed(tmp_path, f"{url}/run", 1, 8)
    write_step(tmp_path, 8, text="new")
    proxy.requests.clear()
    mirror.flush()
    done = changes(proxy)
    assert (done[0], done[-1]) == (("DELETE", f"checkpoints/8/{MARKER}"), ("PUT", f"checkpoints/8/{MARKER}"))


def test_a_file_that_vanishes_while_it_is_sent_leaves_the_older_step(run, monkeypatch):
    folder, url = run
    mirror = run_until_killed(folder, url, 1, 8)
    before = objects(url)
    shutil.rmtree(folder / "checkpoints" / "8")
    write_step(folder, 16)
    send = Bucket.send

    def delete_and_send(bucket, path, name):
        path.unlink()
        send(bucket, path, name)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "send", delete_and_send)
        mirror.flush()
    assert objects(url).items() >= before.items()
    assert f"checkpoints/16/{MARKER}" not in objects(url)


def test_another_machine_gets_what_is_there_and_only_whole_checkpoints(run, tmp_path):
    folder, url = run
    first = Mirror(folder, url)
    first.fetch()
    write_step(folder, 8)
    write(folder, training_history_json="1")
    first.flush()
    Bucket(url).write("checkpoints/16/state", b"begun when its writer was killed")
    Bucket(url).write(".lease/1", b"{}")
    other = tmp_path / "other"
    write_step(other, 4)
    write(other, stale="x")
    mirror = Mirror(other, url)
    mirror.fetch()
    assert files(other) == files(folder)
    mirror.flush()
    assert "checkpoints/16/state" not in objects(url)
    assert set(Bucket(url).listing(".lease")) == {".lease/1"}


def test_a_folder_that_went_on_alone_is_kept_and_brought(run):
    """A run that was killed with a step which was not sent yet, though its history was."""
    folder, url = run
    first = run_until_killed(folder, url, 1, 8)
    write(folder, training_history_json="1")
    first.flush()
    write_step(folder, 16)
    write(folder, training_history_json="12")
    Bucket(url).write("training_history.json", b"12")  # the pass in which it was killed
    Bucket(url).write("checkpoints/16/meta", b"m")
    run_until_killed(folder, url, 2).flush()
    assert objects(url) == files(folder)
    assert f"checkpoints/16/{MARKER}" in objects(url)


def test_a_bucket_that_went_on_elsewhere_wins(run, tmp_path):
    folder, url = run
    run_until_killed(folder, url, 1, 8)
    write_step(folder, 12, text="never sent")
    run_until_killed(tmp_path / "other", url, 2, 16)
    run_until_killed(folder, url, 3)
    assert files(folder) == files(tmp_path / "other")


def test_another_process_of_a_run_has_what_the_bucket_holds(run):
    """Also one that was the first before, with a step which was never sent."""
    folder, url = run
    run_until_killed(folder, url, 1, 8)
    expected = files(folder)
    write_step(folder, 12, text="never sent")
    Mirror(folder, url).fetch()
    assert files(folder) == expected


@pytest.mark.parametrize("emptied", ["", "checkpoints"])
def test_a_folder_that_is_emptied_is_filled_again(run, emptied):
    folder, url = run
    run_until_killed(folder, url, 1, 8)
    expected = files(folder)
    for path in (folder / emptied).iterdir():  # as `rm -rf FOLDER/*` leaves what is hidden
        if not path.name.startswith("."):
            shutil.rmtree(path)
    run_until_killed(folder, url, 2).flush()
    assert files(folder) == objects(url) == expected


def test_a_folder_that_is_emptied_under_a_run_costs_no_step_before_there_is_a_newer_one(run):
    folder, url = run
    mirror = run_until_killed(folder, url, 1, 8)
    expected = objects(url)
    shutil.rmtree(folder / "checkpoints")
    mirror.flush()
    assert objects(url) == expected
    write_step(folder, 16)
    mirror.flush()
    assert objects(url) == files(folder)


def test_a_step_that_is_damaged_here_is_fetched_again(run):
    folder, url = run
    run_until_killed(folder, url, 1, 8)
    expected = files(folder)
    (folder / "checkpoints/8/state/a").write_text("")
    run_until_killed(folder, url, 2).flush()
    assert files(folder) == objects(url) == expected


def test_what_is_of_others_is_left_alone(run):
    """At a start, and what is put there while a run goes on."""
    folder, url = run
    bucket = Bucket(url)
    others = [
        "checkpoints/8-keep/x",
        "checkpoints/main/checkpoints/8/digest.json",
        "uv.lock",
        "checkpoints/4/old",
    ]
    for name in others:
        bucket.write(name, b"")
    mirror = run_until_killed(folder, url, 1, 8)
    bucket.write("report.json", b"")
    write_step(folder, 16)
    mirror.flush()
    run_until_killed(folder, url, 2, 24).flush()
    assert objects(url).keys() >= {*others, "report.json"}
    assert "checkpoints/24/digest.json" in objects(url)
    assert "checkpoints/16/digest.json" not in objects(url)


def test_it_follows_by_itself_and_through_a_network_that_goes_away(faulty_s3, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mirror_module, "_LOOKS_EVERY_S", 0.05)
    monkeypatch.setattr(mirror_module, "_AWAY_S", 0.05)
    monkeypatch.setattr(bucket_module, "_FIRST_PAUSE_S", 0.01)
    url, proxy = faulty_s3
    mirror = Mirror(tmp_path, f"{url}/run")
    mirror.fetch()
    mirror.start()
    proxy.meet("away", 20)
    write_step(tmp_path, 8)
    mirror.close()
    assert proxy.n_faults == 20
    assert objects(f"{url}/run") == files(tmp_path)
    assert capsys.readouterr().err.count("cannot be reached") == 1


def test_what_could_not_be_brought_in_the_end_is_said_and_kept(faulty_s3, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror_module, "_LAST_PATIENCE_S", 0.1)
    url, proxy = faulty_s3
    mirror = Mirror(tmp_path, f"{url}/run", Held(1))
    mirror.fetch()
    write_step(tmp_path, 8)
    proxy.meet("away")
    with pytest.raises(ValueError, match="tried for 0 s: what it lacks is kept on this machine"):
        mirror.close()
    proxy.meet("")
    again = Mirror(tmp_path, f"{url}/run", Held(2))
    again.fetch()
    again.close()
    assert objects(f"{url}/run") == files(tmp_path)
    assert f"checkpoints/8/{MARKER}" in files(tmp_path)


def test_a_folder_that_is_taken_away_empties_no_bucket(run):
    folder, url = run
    mirror = run_until_killed(folder, url, 1, 8)
    before = objects(url)
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match="the copy of it on this machine was taken away: nothing is deleted"):
        mirror.flush()
    assert objects(url) == before


def test_a_place_with_more_than_a_run_writes_is_refused(run, monkeypatch):
    folder, url = run
    Bucket(url).write("a", b"")
    Bucket(url).write("b", b"")
    monkeypatch.setattr(mirror_module, "_MOST_OBJECTS", 1)
    with pytest.raises(ValueError, match=f"^{url}: holds 2 objects, more than a run writes: name a folder"):
        Mirror(folder, url).fetch()
