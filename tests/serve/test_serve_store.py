"""The store of jobs: order, counting of crashes, keys, and what survives the end of the process."""

import sqlite3
import threading

import pytest

from facetell.serve import jobs
from facetell.serve.jobs import STOPS, Store
from facetell.serve.models import State, Summary
from facetell.serve.process import Checked
from facetell.types import FacetellError

VIDEO = Checked(width=64, height=48, duration=1.0)


def add(store, number, key=None):
    return store.add(f"{number:032x}", key, f"{number}.mp4", 10, "5" * 64, VIDEO)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite3")
    yield store
    store.close()


def test_first_in_first_out_and_crashed_jobs_last(store):
    ids = [add(store, number).id for number in range(3)]
    assert store.claim().id == ids[0]
    store.crashed(ids[0])
    assert [store.position(job_id) for job_id in ids] == [3, 1, 2]
    assert [store.claim().id for _ in range(3)] == [ids[1], ids[2], ids[0]] and store.claim() is None
    assert store.position(ids[1]) is None


def test_a_job_of_many_ends_of_the_server_is_tried_once_more_alone(tmp_path):
    path = tmp_path / "jobs.sqlite3"
    store = Store(path)
    job, other = add(store, 1), add(store, 2)

    def kill():
        nonlocal store
        store.close()
        store = Store(path)
        return store.resume()

    for stop in range(1, STOPS + 1):
        assert store.claim().id == job.id
        (resumed,) = kill()
        assert (resumed.stops, resumed.crashes, resumed.state) == (stop, 0, State.QUEUED)
    assert store.claim().id == job.id and store.claim() is None  # alone
    store.release(job.id)  # a stop by a signal does not count
    assert store.claim().id == job.id
    (failed,) = kill()
    assert failed.state is State.FAILED and failed.message.startswith("the server ended 11 times while it was scored")
    assert store.claim().id == other.id
    store.close()


def test_a_job_that_runs_alone_waits_for_the_running_ones(store, monkeypatch):
    monkeypatch.setattr(jobs, "STOPS", 1)
    first, second = add(store, 1), add(store, 2)
    store.claim()
    store.resume()
    assert store.claim().id == first.id
    store.crashed(first.id)  # it comes last now
    assert store.claim().id == second.id and store.claim() is None
    store.fail(second.id, "")
    assert store.claim().id == first.id


def test_the_key_of_a_deleted_job_can_be_used_again(store):
    job = add(store, 1, "k")
    assert add(store, 2, "k") == job and store.delete(job.id)
    assert add(store, 3, "k").id != job.id


def test_a_deleted_job_stays_deleted(store):
    job = add(store, 1)
    store.claim()
    store.delete(job.id)
    summary = Summary.model_construct()
    assert not store.finish(job.id, summary, "") and not store.fail(job.id, "x") and store.crashed(job.id) is None
    assert store.get(job.id) is None


def test_many_threads_claim_each_job_once(store):
    ids = [add(store, number).id for number in range(60)]
    claimed = []

    def claim():
        while job := store.claim():
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == ids


def test_a_file_that_is_no_store_or_of_another_version_gets_one_message(tmp_path):
    (tmp_path / "a").write_text("this is no database, and long enough to be sure" * 100)
    with pytest.raises(FacetellError, match=r"cannot open .*restore it from a backup"):
        Store(tmp_path / "a")
    db = sqlite3.connect(tmp_path / "b")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FacetellError, match="another version of facetell"):
        Store(tmp_path / "b")
