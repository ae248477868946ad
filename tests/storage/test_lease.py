"""One writer a workdir in a bucket: the lease, and what becomes of it when its holder dies."""

import json
import threading
import time

import pytest

from wt_jax.storage import lease as lease_module
from wt_jax.storage.bucket import Bucket
from wt_jax.storage.lease import FOLDER, Lease, LostError

LASTS_S = 0.6


@pytest.fixture
def leases(s3):
    """Makes leases of one workdir; all end with the test."""
    made = []

    def make(on_lost=lambda: None, lasts_s=LASTS_S):
        made.append(Lease(f"{s3}/run", on_lost, lasts_s))
        return made[-1]

    yield make
    for one in made:
        one._done.set()


def die(lease):
    """As a process that is killed on another machine."""
    lease._done.set()
    lease._thread.join()


@pytest.fixture
def elsewhere(monkeypatch):
    """Every look at the machine sees another one."""
    machines = iter(range(1000))
    monkeypatch.setattr(lease_module, "machine", lambda: f"machine {next(machines)}")


def test_a_second_writer_is_refused_while_the_first_lives(leases, elsewhere, s3, capsys):
    leases().acquire()
    for _ in range(2):
        with pytest.raises(ValueError, match=f"^workdir={s3}/run: another run is writing to it .process "):
            leases(lasts_s=10 * LASTS_S).acquire()
    assert "taken over if that is not heard of for 6 s" in capsys.readouterr().err


def test_one_that_was_given_back_is_free_at_once(leases, elsewhere, capsys):
    first = leases()
    first.acquire()
    first.release()
    leases().acquire()
    assert capsys.readouterr().err == ""


def test_one_whose_holder_was_killed_is_free_when_it_has_run_out(leases, elsewhere, s3):
    first = leases()
    first.acquire()
    die(first)
    begun_s = time.monotonic()
    leases().acquire()
    assert time.monotonic() - begun_s >= LASTS_S
    assert list(Bucket(f"{s3}/run").listing(FOLDER)) == [f"{FOLDER}/2"]


def test_one_of_a_dead_process_of_this_machine_is_free_at_once(leases, s3):
    first = leases(lasts_s=1000)
    first.acquire()
    die(first)
    name = f"{FOLDER}/1"
    holder = json.loads(Bucket(f"{s3}/run").read(name))
    Bucket(f"{s3}/run").write(name, json.dumps({**holder, "begun": "at another time"}).encode())
    leases(lasts_s=1000).acquire()


def test_of_many_who_find_it_free_one_takes_it(leases, elsewhere):
    first = leases()
    first.acquire()
    die(first)
    got, refused = [], []

    def acquire():
        try:
            own = leases()
            own.acquire()
            got.append(own)
        except ValueError:
            refused.append(1)

    threads = [threading.Thread(target=acquire) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 3)


def test_who_could_not_renew_hears_that_another_one_has_it(leases, elsewhere, s3):
    heard = threading.Event()
    first = leases(on_lost=heard.set)
    first.acquire()
    first.check()
    Bucket(f"{s3}/run").create(f"{FOLDER}/2", json.dumps({"process": 7, "host": "other"}).encode())
    assert heard.wait(5 * LASTS_S)
    with pytest.raises(LostError, match=r"^workdir=.*: process 7 of other has taken it over while this run"):
        first.check()
    before = Bucket(f"{s3}/run").listing(FOLDER)
    first.release()
    assert Bucket(f"{s3}/run").listing(FOLDER) == before  # what is another's is left alone


def test_a_network_that_is_away_for_less_than_a_lease_loses_nothing(faulty_s3, monkeypatch):
    url, proxy = faulty_s3
    lease = Lease(f"{url}/run", lambda: None, LASTS_S)
    lease.acquire()
    proxy.meet("away")
    time.sleep(2 * LASTS_S)
    proxy.meet("")
    time.sleep(LASTS_S)
    lease.check()
    lease.release()


def test_a_refusal_in_mid_run_ends_no_lease(faulty_s3):
    """Credentials that are renewed a moment late."""
    url, proxy = faulty_s3
    heard = threading.Event()
    lease = Lease(f"{url}/run", heard.set, LASTS_S)
    lease.acquire()
    proxy.meet("403", 2)
    while proxy.n_faults < 2:
        time.sleep(LASTS_S / 10)
    Bucket(f"{url}/run").create(f"{FOLDER}/2", json.dumps({"process": 7, "host": "other"}).encode())
    assert heard.wait(20 * LASTS_S)


def test_one_that_was_not_renewed_is_asked_for_before_anything_is_written(leases, elsewhere):
    first = leases()
    first.acquire()
    die(first)
    leases().acquire()
    with pytest.raises(LostError):
        first.check()


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"process": "x", "machine": 1}'])
def test_one_that_nobody_can_read_has_to_run_out(leases, s3, text):
    Bucket(f"{s3}/run").write(f"{FOLDER}/1", text)
    own = leases()
    own.acquire()
    assert own.number == 2
