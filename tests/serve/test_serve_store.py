"""The store of jobs: order, counting of crashes, keys, and what is left after the process ends."""

import sqlite3
import threading
from dataclasses import replace

import pytest

from facetell.serve.jobs import CRASHES, STOPS, NewJob, State, Store
from facetell.types import FacetellError


def new(number, key=None):
    return NewJob(f"{number:032x}", key, f"{number}.mp4", 10, 1.0, 64, 48, "5" * 64)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite3")
    yield store
    store.close()


def test_first_come_first_served_and_those_that_crashed_last(store):
    ids = [store.add(new(n)).id for n in range(3)]
    assert store.claim().id == ids[0]
    store.crashed(ids[0])
    assert [store.position(store.get(i)) for i in ids] == [3, 1, 2]
    job = store.get(ids[1])
    assert [store.claim().id for _ in range(3)] == [ids[1], ids[2], ids[0]] and store.claim() is None
    assert store.position(job) is None, "it was taken up since it was read"


def test_three_crashes_fail_a_job_with_a_sentence(store):
    job = store.add(new(1))
    for crash in range(1, CRASHES + 1):
        store.claim()
        after = store.crashed(job.id)
        assert after.crashes == crash and after.state is (State.FAILED if crash == CRASHES else State.QUEUED)
    assert after.message.startswith(f"its process was ended {CRASHES} times") and after.finished


def test_a_killed_server_gives_its_jobs_back_but_not_for_ever(tmp_path):
    path = tmp_path / "jobs.sqlite3"
    first = Store(path)
    job = first.add(new(1))
    first.close()
    for stop in range(1, STOPS + 1):
        store = Store(path)
        assert store.claim().id == job.id
        store.close()
        store = Store(path)
        (taken,) = store.take_up()
        assert taken.stops == stop and taken.crashes == 0
        assert taken.state is (State.FAILED if stop == STOPS else State.QUEUED)
        store.close()
    assert "the server was stopped" in taken.message


def test_a_stop_in_good_order_is_not_counted(store):
    job = store.add(new(1))
    store.claim()
    store.release(job.id)
    found = store.get(job.id)
    assert (found.state, found.stops, found.crashes) == (State.QUEUED, 0, 0)


def test_a_key_gives_the_same_job_until_it_is_deleted(store):
    job = store.add(new(1, "k"))
    assert store.add(new(2, "k")) == job
    assert store.delete(job.id) and not store.delete(job.id)
    assert store.add(new(3, "k")).id == new(3).id


def test_the_jobs_of_the_version_before_are_taken_up(tmp_path):
    path = tmp_path / "jobs.sqlite3"
    store = Store(path)
    job = store.add(new(1))
    store.close()
    db = sqlite3.connect(path)
    db.executescript("ALTER TABLE jobs DROP COLUMN sha256; PRAGMA user_version = 1")
    db.close()
    for _ in range(2):
        store = Store(path)
        assert store.get(job.id) == replace(job, sha256=None)
        store.close()


def test_a_deleted_job_cannot_come_back(store):
    job = store.add(new(1))
    store.claim()
    store.delete(job.id)
    assert not store.finish(job.id, {}, "") and not store.fail(job.id, "x") and store.crashed(job.id) is None
    assert store.get(job.id) is None


def test_many_threads_take_each_job_once(store):
    ids = [store.add(new(n)).id for n in range(60)]
    taken = []

    def take():
        while job := store.claim():
            taken.append(job.id)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


def test_newest_first_page_by_page(store):
    for n in range(5):
        store.add(new(n))
    store.claim()
    assert [job.number for job in store.newest(2)] == [5, 4]
    assert [job.number for job in store.newest(9, before=4)] == [3, 2, 1]
    assert [job.number for job in store.newest(9, state=State.RUNNING)] == [1]
    assert store.counts() == {State.QUEUED: 4, State.RUNNING: 1, State.DONE: 0, State.FAILED: 0}


def test_a_file_that_is_no_store_or_a_newer_one_is_one_sentence(tmp_path):
    (tmp_path / "a").write_text("this is no database, and long enough to be sure" * 100)
    with pytest.raises(FacetellError, match=r"cannot open .*restore it from a backup"):
        Store(tmp_path / "a")
    db = sqlite3.connect(tmp_path / "b")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FacetellError, match="newer facetell"):
        Store(tmp_path / "b")


def test_it_writes_ahead_and_waits_for_the_disk(tmp_path):
    store = Store(tmp_path / "jobs.sqlite3")
    assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()
